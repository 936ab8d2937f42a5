use diesel::{connection::SimpleConnection, prelude::*};
use proptest::prelude::*;

use super::*;

diesel::table! {
    items (id) {
        id -> Text,
        size -> BigInt,
        seen -> Nullable<BigInt>,
    }
}

#[derive(Debug, Clone)]
struct Item {
    id: String,
    size: i64,
    seen: Option<i64>,
}

fn database(list: &[Item]) -> SqliteConnection {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.batch_execute("CREATE TABLE items (id TEXT PRIMARY KEY, size BIGINT NOT NULL, seen BIGINT)").unwrap();
    for item in list {
        diesel::insert_into(items::table)
            .values((items::id.eq(&item.id), items::size.eq(item.size), items::seen.eq(item.seen)))
            .execute(&mut conn)
            .unwrap();
    }
    conn
}

fn load(conn: &mut SqliteConnection, page: &Page, by_seen: bool) -> Result<Vec<String>> {
    let window = page.window("Item", |id| {
        let row: Option<(String, i64, Option<i64>)> = items::table.find(id).first(conn).optional()?;
        Ok(row.map(|(id, size, seen)| if by_seen { Key::from((seen, id)) } else { Key::from((size, id)) }))
    })?;
    let query = items::table.select(items::id).into_boxed();
    Ok(if by_seen {
        load_page!(conn, query, &window, items::seen, items::id => String)?
    } else {
        load_page!(conn, query, &window, items::size, items::id => String)?
    })
}

/// The order that a listing promises, computed without SQL.
fn expected(list: &[Item], order: Order, by_seen: bool) -> Vec<String> {
    let mut keys: Vec<_> =
        list.iter().map(|item| (if by_seen { item.seen } else { Some(item.size) }, item.id.clone())).collect();
    keys.sort();
    if order == Order::Desc {
        keys.reverse();
    }
    // `None` sorts below all values: put those rows to the end, still in the direction of the listing.
    let (with, without): (Vec<_>, Vec<_>) = keys.into_iter().partition(|(value, _)| value.is_some());
    with.into_iter().chain(without).map(|(_, id)| id).collect()
}

fn list() -> impl Strategy<Value = Vec<Item>> {
    let row = (0..4_i64, proptest::option::of(0..4_i64));
    proptest::collection::vec(row, 0..24).prop_map(|rows| {
        let item = |(n, (size, seen))| Item { id: format!("item-{:02}", (n * 7) % 24), size, seen };
        rows.into_iter().enumerate().map(item).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn paging_shows_every_row_once_in_order_in_both_directions(
        list in list(), limit in 1..9_i64, desc: bool, by_seen: bool,
    ) {
        let order = if desc { Order::Desc } else { Order::Asc };
        let mut conn = database(&list);
        let all = expected(&list, order, by_seen);

        let mut forward = Vec::new();
        loop {
            let page = Page { before: None, after: forward.last().cloned(), limit, order };
            let ids = load(&mut conn, &page, by_seen).unwrap();
            if ids.is_empty() { break }
            forward.extend(ids);
            prop_assert!(forward.len() <= all.len());
        }
        prop_assert_eq!(&forward, &all);

        let mut backward: Vec<String> = all.last().cloned().into_iter().collect();
        while let Some(first) = backward.first().cloned() {
            let page = Page { before: Some(first), after: None, limit, order };
            let mut ids = load(&mut conn, &page, by_seen).unwrap();
            if ids.is_empty() { break }
            ids.append(&mut backward);
            backward = ids;
            prop_assert!(backward.len() <= all.len());
        }
        prop_assert_eq!(&backward, &all);
    }

    #[test]
    fn both_cursors_bound_a_window(list in list(), from in 0..24_usize, to in 0..24_usize, desc: bool, by_seen: bool) {
        let order = if desc { Order::Desc } else { Order::Asc };
        let mut conn = database(&list);
        let all = expected(&list, order, by_seen);
        if let (Some(after), Some(before)) = (all.get(from), all.get(to)) {
            let page = Page { before: Some(before.clone()), after: Some(after.clone()), limit: 100, order };
            let between = all.get(from + 1..to).unwrap_or_default();
            prop_assert_eq!(&load(&mut conn, &page, by_seen).unwrap(), between);
        }
    }
}

#[test]
fn an_unknown_cursor_is_an_error() {
    let page = Page { after: Some("item-99".to_owned()), ..Page::first(10, Order::Asc) };
    let error = load(&mut database(&[]), &page, false).unwrap_err();
    assert_eq!(error.to_string(), "No Item found with id item-99");
}

#[test]
fn a_limit_below_one_gives_an_empty_page_and_an_empty_cursor_is_none() {
    let items = [Item { id: "item-01".to_owned(), size: 1, seen: None }];
    let page = Page { after: Some(String::new()), ..Page::first(-1, Order::Asc) };
    assert!(load(&mut database(&items), &page, false).unwrap().is_empty());
}
