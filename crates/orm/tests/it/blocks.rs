use muisti_orm::{
    Error, Order, Page, agents, blocks,
    blocks::BlockFilter,
    schema::{Block, BlockId},
};

use crate::support::{Fixture, block, new_actor, on_both};

async fn labels(f: &Fixture, filter: BlockFilter) -> Vec<String> {
    let page = Page::first(100, Order::Asc);
    let counted = filter.clone();
    let found = f.with(move |conn, actor| blocks::list(conn, actor.organization_id, &filter, &page)).await;
    let count = f.with(move |conn, actor| blocks::count(conn, actor.organization_id, &counted)).await;
    assert_eq!(count, i64::try_from(found.len()).unwrap());
    found.into_iter().map(|block| block.label).collect()
}

async fn get(f: &Fixture, id: BlockId) -> Option<Block> {
    f.with(move |conn, actor| blocks::get(conn, actor.organization_id, id)).await
}

on_both! {
    async fn a_block_comes_back_with_its_tags_in_order_and_its_maker(f) {
        let mut human = block("human", "Na\0me: Ada");
        human.tags = ["b", "a", "b"].map(String::from).to_vec();
        human.limit = -1;
        let id = f.add_block(&human).await;
        human.value = "Name: Ada".to_owned();
        human.tags.truncate(2);
        human.created_by_id = Some(f.actor.user_id);
        human.last_updated_by_id = Some(f.actor.user_id);
        assert_eq!(get(&f, id).await, Some(human));
        let other = new_actor(&f.db).await;
        assert!(f.with(move |conn, _| blocks::get(conn, other.organization_id, id)).await.is_none());
    }

    async fn blocks_are_found_by_each_filter(f) {
        let mut rows = ["human", "persona", "system/notes", "template"].map(|label| block(label, "text"));
        rows[0].value = "Likes 100% wool".to_owned();
        rows[0].tags = vec!["x".to_owned(), "y".to_owned()];
        rows[1].description = Some("Who it IS".to_owned());
        rows[1].tags = vec!["y".to_owned()];
        rows[1].project_id = Some("p".to_owned());
        rows[2].hidden = Some(true);
        rows[3].is_template = true;
        rows[3].template_name = Some("base".to_owned());
        for row in &rows {
            f.add_block(row).await;
        }
        let (one, two) = (f.add_agent("one").await, f.add_agent("two").await);
        let (human, persona) = (rows[0].clone(), rows[1].clone());
        f.with(move |conn, _| {
            blocks::attach(conn, one, &[&human, &persona])?;
            blocks::attach(conn, two, &[&persona])
        }).await;
        let all = BlockFilter::default;
        let some = |text: &str| Some(text.to_owned());

        assert_eq!(labels(&f, all()).await, ["human", "persona", "template"]);
        assert_eq!(labels(&f, BlockFilter { is_template: Some(false), show_hidden: true, ..all() }).await, ["human", "persona", "system/notes"]);
        assert_eq!(labels(&f, BlockFilter { is_template: Some(true), template_name: some("base"), ..all() }).await, ["template"]);
        assert_eq!(labels(&f, BlockFilter { label: some("human"), ..all() }).await, ["human"]);
        assert_eq!(labels(&f, BlockFilter { label_search: some("PERS"), ..all() }).await, ["persona"]);
        assert_eq!(labels(&f, BlockFilter { description_search: some("is"), ..all() }).await, ["persona"]);
        assert_eq!(labels(&f, BlockFilter { value_search: some("0% W"), ..all() }).await, ["human"]);
        assert_eq!(labels(&f, BlockFilter { value_search: some("%"), ..all() }).await, ["human"]);
        assert_eq!(labels(&f, BlockFilter { project_id: some("p"), ..all() }).await, ["persona"]);
        let tags = ["y", "x", "y"].map(String::from).to_vec();
        assert_eq!(labels(&f, BlockFilter { tags: tags.clone(), ..all() }).await, ["human", "persona"]);
        assert_eq!(labels(&f, BlockFilter { tags, match_all_tags: true, ..all() }).await, ["human"]);
        assert_eq!(labels(&f, BlockFilter { agents_more_than: Some(1), ..all() }).await, ["persona"]);
        assert_eq!(labels(&f, BlockFilter { agents_more_than: Some(-1), ..all() }).await, ["human", "persona", "template"]);
        assert_eq!(labels(&f, BlockFilter { agents_fewer_than: Some(1), ..all() }).await, ["template"]);
        assert_eq!(labels(&f, BlockFilter { agents_exactly: vec![0, 2], ..all() }).await, ["persona", "template"]);
    }

    async fn a_new_label_reaches_the_links_and_must_be_free_on_every_agent(f) {
        let (human, persona) = (block("human", ""), block("persona", ""));
        let (id, agent) = (f.add_block(&human).await, f.add_agent("Ada").await);
        f.add_block(&persona).await;
        f.with(move |conn, _| blocks::attach(conn, agent, &[&human, &persona])).await;
        let rename = |label: &'static str| f.attempt(move |conn, actor| {
            let mut locked = blocks::lock(conn, actor.organization_id, id)?.unwrap();
            locked.block.label = label.to_owned();
            blocks::update(conn, actor, &locked.block, locked.version)
        });
        rename("user").await.unwrap();
        let found = f.with(move |conn, actor| {
            Ok((
                blocks::by_label(conn, actor.organization_id, agent, "user")?,
                blocks::by_label(conn, actor.organization_id, agent, "human")?,
            ))
        }).await;
        assert_eq!((found.0.map(|block| block.id), found.1), (Some(id), None));
        let error = rename("persona").await.unwrap_err();
        assert!(matches!(error, Error::Unique { model: "BlocksAgents" }), "{error:?}");
        assert_eq!(get(&f, id).await.unwrap().label, "user");
    }

    async fn of_two_writes_from_one_version_the_second_fails(f) {
        let id = f.add_block(&block("human", "")).await;
        let locked = f.with(move |conn, actor| blocks::lock(conn, actor.organization_id, id)).await.unwrap();
        let first = locked.clone();
        f.with(move |conn, actor| blocks::update(conn, actor, &first.block, first.version)).await;
        let error = f.attempt(move |conn, actor| blocks::update(conn, actor, &locked.block, locked.version)).await.unwrap_err();
        assert!(matches!(&error, Error::Stale { model: "Block", .. }), "{error:?}");
    }

    async fn writes_at_once_that_lock_first_all_succeed(f) {
        let id = f.add_block(&block("counter", "0")).await;
        let actor = f.actor;
        let tasks: Vec<_> = (0..10).map(|_| {
            let db = f.db.clone();
            tokio::spawn(async move {
                db.write(move |conn| {
                    let mut locked = blocks::lock(conn, actor.organization_id, id)?.unwrap();
                    locked.block.value = (locked.block.value.parse::<i32>().unwrap() + 1).to_string();
                    blocks::update(conn, &actor, &locked.block, locked.version)
                }).await.unwrap();
            })
        }).collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(get(&f, id).await.unwrap().value, "10");
    }

    async fn attached_blocks_keep_their_order_and_attaching_twice_does_nothing(f) {
        let agent = f.add_agent("Ada").await;
        let rows = ["c", "a", "b"].map(|label| block(label, ""));
        for row in &rows {
            f.add_block(row).await;
        }
        let clash = block("a", "another");
        f.add_block(&clash).await;
        let ids = rows.each_ref().map(|row| row.id.to_string());
        f.with(move |conn, actor| {
            let all: Vec<&Block> = rows.iter().collect();
            blocks::attach(conn, agent, &all)?;
            blocks::attach(conn, agent, &all[1..])?;
            let attached = blocks::attached_to(conn, agent)?;
            assert_eq!(attached.iter().map(|block| block.label.as_str()).collect::<Vec<_>>(), ["c", "a", "b"]);
            let page = Page { before: Some(ids[2].clone()), ..Page::first(1, Order::Asc) };
            let listed = blocks::list_attached(conn, actor.organization_id, agent, &page)?;
            assert_eq!(listed.iter().map(|block| block.label.as_str()).collect::<Vec<_>>(), ["a"]);
            let agents = agents::of_block(conn, actor.organization_id, rows[0].id, false, &Page::first(9, Order::Desc))?;
            assert_eq!(agents.iter().map(|row| row.id).collect::<Vec<_>>(), [agent]);
            assert!(blocks::detach(conn, agent, rows[0].id)?);
            assert!(!blocks::detach(conn, agent, rows[0].id)?);
            Ok(())
        }).await;
        let error = f.attempt(move |conn, _| blocks::attach(conn, agent, &[&clash])).await.unwrap_err();
        assert!(matches!(error, Error::Unique { .. }), "{error:?}");
    }

    async fn a_deleted_block_is_gone_from_its_agents(f) {
        let human = block("human", "");
        let (id, agent) = (f.add_block(&human).await, f.add_agent("Ada").await);
        f.with(move |conn, actor| {
            blocks::attach(conn, agent, &[&human])?;
            assert!(blocks::delete(conn, actor.organization_id, id)?);
            assert!(blocks::attached_to(conn, agent)?.is_empty());
            assert!(!blocks::delete(conn, actor.organization_id, id)?);
            Ok(())
        }).await;
    }

    async fn tags_are_replaced_without_a_write_to_the_row(f) {
        let id = f.add_block(&block("human", "")).await;
        let version = f.with(move |conn, actor| blocks::lock(conn, actor.organization_id, id)).await.unwrap().version;
        f.with(move |conn, actor| blocks::set_tags(conn, actor, id, &["new".to_owned()])).await;
        let locked = f.with(move |conn, actor| blocks::lock(conn, actor.organization_id, id)).await.unwrap();
        assert_eq!((locked.block.tags, locked.version), (vec!["new".to_owned()], version));
        f.with(move |conn, actor| blocks::set_tags(conn, actor, id, &[])).await;
        assert!(get(&f, id).await.unwrap().tags.is_empty());
    }
}
