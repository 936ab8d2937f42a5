use muisti_orm::{Error, Order, Page, schema::ToolType, tools, tools::ToolFilter};

use crate::support::{Fixture, on_both, tool};

async fn names(f: &Fixture, filter: ToolFilter) -> Vec<String> {
    let page = Page::first(100, Order::Asc);
    let counted = filter.clone();
    let found = f.with(move |conn, actor| tools::list(conn, actor.organization_id, &filter, &page)).await;
    let count = f.with(move |conn, actor| tools::count(conn, actor.organization_id, &counted)).await;
    assert_eq!(count, i64::try_from(found.len()).unwrap());
    found.into_iter().map(|tool| tool.name).collect()
}

on_both! {
    async fn an_upsert_replaces_all_but_the_id_and_the_maker(f) {
        let first = tool("web");
        let id = first.id;
        assert_eq!(f.with(move |conn, actor| tools::upsert(conn, actor, &first)).await, id);
        let mut second = tool("web");
        second.description = Some("Reads the web.".to_owned());
        second.tags = vec!["net".to_owned()];
        let mut expected = second.clone();
        assert_eq!(f.with(move |conn, actor| tools::upsert(conn, actor, &second)).await, id);
        expected.id = id;
        expected.created_by_id = Some(f.actor.user_id);
        expected.last_updated_by_id = Some(f.actor.user_id);
        assert_eq!(f.with(move |conn, actor| tools::get(conn, actor.organization_id, id)).await, Some(expected));
    }

    async fn a_second_tool_of_one_name_is_refused(f) {
        f.with(|conn, actor| tools::insert(conn, actor, &tool("web"))).await;
        let error = f.attempt(|conn, actor| tools::insert(conn, actor, &tool("web"))).await.unwrap_err();
        assert!(matches!(error, Error::Unique { model: "Tool" }), "{error:?}");
        let mail = tool("mail");
        let error = f.attempt(move |conn, actor| {
            tools::insert(conn, actor, &mail)?;
            let mut renamed = tools::lock(conn, actor.organization_id, mail.id)?.unwrap();
            renamed.name = "web".to_owned();
            tools::update(conn, actor, &renamed)
        }).await.unwrap_err();
        assert!(matches!(error, Error::Unique { model: "Tool" }), "{error:?}");
    }

    async fn tools_are_found_by_each_filter(f) {
        let mut rows = ["memory", "web_search", "mine", "theirs"].map(tool);
        rows[0].tool_type = ToolType::LettaMemoryCore;
        rows[1].tool_type = ToolType::LettaBuiltin;
        rows[2].project_id = Some("p".to_owned());
        rows[3].project_id = Some("q".to_owned());
        let id = rows[2].id;
        f.with(move |conn, actor| rows.iter().try_for_each(|row| tools::insert(conn, actor, row))).await;
        let all = ToolFilter::default;
        let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();

        assert_eq!(names(&f, all()).await, ["memory", "web_search", "mine", "theirs"]);
        assert_eq!(names(&f, ToolFilter { names: Some(strings(&["mine", "none"])), ..all() }).await, ["mine"]);
        assert_eq!(names(&f, ToolFilter { names: Some(Vec::new()), ..all() }).await, [""; 0]);
        assert_eq!(names(&f, ToolFilter { ids: Some(vec![id]), ..all() }).await, ["mine"]);
        assert_eq!(names(&f, ToolFilter { search: Some("B_S".into()), ..all() }).await, ["web_search"]);
        assert_eq!(names(&f, ToolFilter { types: Some(vec![ToolType::Custom]), ..all() }).await, ["mine", "theirs"]);
        assert_eq!(names(&f, ToolFilter { exclude_types: vec![ToolType::Custom], ..all() }).await, ["memory", "web_search"]);
        assert_eq!(names(&f, ToolFilter { exclude_names: strings(&["memory"]), ..all() }).await, ["web_search", "mine", "theirs"]);
        assert_eq!(names(&f, ToolFilter { project_id: Some("p".into()), ..all() }).await, ["memory", "web_search", "mine"]);
        let found = f.with(|conn, actor| tools::by_names(conn, actor.organization_id, &["mine", "none"])).await;
        assert_eq!(found.len(), 1);
    }

    async fn agents_share_tools_and_each_keeps_its_order(f) {
        let (one, two) = (f.add_agent("one").await, f.add_agent("two").await);
        let rows = ["a", "b", "c"].map(tool);
        let [a, b, c] = rows.each_ref().map(|row| row.id);
        f.with(move |conn, actor| {
            rows.iter().try_for_each(|row| tools::insert(conn, actor, row))?;
            tools::attach(conn, one, &[c, a, b])?;
            tools::attach(conn, one, &[a])?;
            tools::attach(conn, two, &[b, c])?;
            let map = tools::of_agents(conn, &[one, two])?;
            let names = |agent| map[&agent].iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>();
            assert_eq!((names(one), names(two)), (vec!["c", "a", "b"], vec!["b", "c"]));
            let page = Page { after: Some(b.to_string()), ..Page::first(10, Order::Desc) };
            let listed = tools::list_attached(conn, actor.organization_id, one, &page)?;
            assert_eq!(listed.iter().map(|tool| tool.id).collect::<Vec<_>>(), [a, c]);
            assert!(tools::detach(conn, one, a)?);
            assert!(!tools::detach(conn, one, a)?);
            assert!(tools::delete(conn, actor.organization_id, c)?);
            assert_eq!(tools::attached_to(conn, one)?.len(), 1);
            Ok(())
        }).await;
    }
}
