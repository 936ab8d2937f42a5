use muisti_orm::{Order, Page, tags};

use crate::support::{Fixture, block, new_actor, on_both};

async fn list(f: &Fixture, part: Option<&'static str>, page: Page) -> Vec<String> {
    f.with(move |conn, actor| tags::list(conn, actor.organization_id, part, &page)).await
}

on_both! {
    async fn tags_of_agents_and_blocks_are_one_list_sorted_by_code_point(f) {
        let agent = f.add_agent("Ada").await;
        let mut human = block("human", "");
        human.tags = ["b", "Zebra", "é", "a-b"].map(String::from).to_vec();
        f.add_block(&human).await;
        f.with(move |conn, actor| tags::replace_of_agent(conn, actor, agent, &["b".into(), "a_b".into(), "aab".into()])).await;
        let all = ["Zebra", "a-b", "a_b", "aab", "b", "é"];
        assert_eq!(list(&f, None, Page::first(50, Order::Asc)).await, all);
        assert_eq!(list(&f, None, Page::first(2, Order::Asc)).await, all[..2]);
        let after = |tag: &str, order| Page { after: Some(tag.to_owned()), ..Page::first(2, order) };
        let before = |tag: &str, order| Page { before: Some(tag.to_owned()), ..Page::first(2, order) };
        assert_eq!(list(&f, None, after("a-b", Order::Asc)).await, ["a_b", "aab"]);
        assert_eq!(list(&f, None, after("a0", Order::Asc)).await, ["a_b", "aab"]);
        assert_eq!(list(&f, None, before("b", Order::Asc)).await, ["a_b", "aab"]);
        assert_eq!(list(&f, None, after("b", Order::Desc)).await, ["aab", "a_b"]);
        assert_eq!(list(&f, None, before("a_b", Order::Desc)).await, ["b", "aab"]);
        assert_eq!(list(&f, Some("A"), Page::first(50, Order::Desc)).await, ["aab", "a_b", "a-b", "Zebra"]);
        assert_eq!(list(&f, Some("_"), Page::first(50, Order::Asc)).await, ["a_b"]);

        let other = new_actor(&f.db).await;
        let theirs = f.with(move |conn, _| tags::list(conn, other.organization_id, None, &Page::first(9, Order::Asc))).await;
        assert!(theirs.is_empty());
        let given = f.with(move |conn, _| tags::of_agents(conn, &[agent])).await;
        assert_eq!(given[&agent], ["b", "a_b", "aab"]);
    }
}
