use std::collections::BTreeMap;

use muisti_orm::{
    Error, Order, Page, agents,
    agents::{AgentChanges, AgentFilter, AgentSort},
    blocks,
    schema::{AgentId, MessageId, StopReason, Timestamp},
    secrets, tags, tools,
};
use serde_json::json;

use crate::support::{Fixture, agent, block, new_actor, on_both, tool};

async fn names(f: &Fixture, filter: AgentFilter) -> Vec<String> {
    let page = Page::first(100, Order::Asc);
    let counted = filter.clone();
    let rows = f
        .with(move |conn, actor| agents::list(conn, actor.organization_id, &filter, AgentSort::CreatedAt, &page))
        .await;
    let count = f.with(move |conn, actor| agents::count(conn, actor.organization_id, &counted)).await;
    assert_eq!(count, i64::try_from(rows.len()).unwrap());
    rows.into_iter().map(|row| row.name).collect()
}

on_both! {
    async fn an_agent_comes_back_as_it_was_stored_but_without_nul(f) {
        let mut row = agent(&f.actor, "Ada");
        row.message_ids = vec![MessageId::random(), MessageId::random()];
        row.metadata = serde_json::from_value(json!({"quote": "a \\u0000 is no NUL", "n": 1.0, "nested": [null]})).unwrap();
        row.tool_rules = serde_json::from_value(json!([{"type": "exit_loop", "tool_name": "send"}])).unwrap();
        row.last_run_completion = Some(Timestamp::parse("2026-01-02T03:04:05.000007Z").unwrap());
        row.last_stop_reason = Some(StopReason::EndTurn);
        row.hidden = Some(true);
        let mut dirty = row.clone();
        dirty.system = "You re\0member.".to_owned();
        dirty.description = Some("\0".to_owned());
        row.description = Some(String::new());
        let id = row.id;
        f.with(move |conn, _| agents::insert(conn, &dirty)).await;
        let stored = f.with(move |conn, actor| agents::get(conn, actor.organization_id, id)).await;
        assert_eq!(stored, Some(row));
    }

    async fn agents_are_found_by_each_filter_and_by_all_at_once(f) {
        let mut rows = [agent(&f.actor, "100% Ada"), agent(&f.actor, "Grace"), agent(&f.actor, "ada_2"), agent(&f.actor, "Äiti")];
        rows[1].project_id = Some("p".to_owned());
        rows[1].last_stop_reason = Some(StopReason::MaxSteps);
        rows[2].hidden = Some(true);
        let ids: Vec<AgentId> = rows.iter().map(|row| row.id).collect();
        f.with(move |conn, actor| {
            for row in &rows {
                agents::insert(conn, row)?;
            }
            tags::replace_of_agent(conn, actor, ids[0], &["x".into(), "y".into(), "x".into()])?;
            tags::replace_of_agent(conn, actor, ids[1], &["y".into()])
        }).await;
        let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let all = AgentFilter::default;

        assert_eq!(names(&f, all()).await, ["100% Ada", "Grace", "Äiti"]);
        assert_eq!(names(&f, AgentFilter { show_hidden: true, query_text: Some("ADA".into()), ..all() }).await, ["100% Ada", "ada_2"]);
        assert_eq!(names(&f, AgentFilter { query_text: Some("%".into()), ..all() }).await, ["100% Ada"]);
        assert_eq!(names(&f, AgentFilter { query_text: Some("_".into()), ..all() }).await, [""; 0]);
        assert_eq!(names(&f, AgentFilter { name: Some("grace".into()), ..all() }).await, [""; 0]);
        assert_eq!(names(&f, AgentFilter { name: Some("Grace".into()), ..all() }).await, ["Grace"]);
        assert_eq!(names(&f, AgentFilter { tags: strings(&["x", "y"]), ..all() }).await, ["100% Ada", "Grace"]);
        let both = AgentFilter { tags: strings(&["x", "y", "x"]), match_all_tags: true, ..all() };
        assert_eq!(names(&f, both).await, ["100% Ada"]);
        let stopped = AgentFilter {
            project_id: Some("p".into()),
            last_stop_reasons: vec![StopReason::MaxSteps],
            created_by_id: Some(f.actor.user_id.to_string()),
            tags: strings(&["y"]),
            ..all()
        };
        assert_eq!(names(&f, stopped).await, ["Grace"]);
        assert_eq!(names(&f, AgentFilter { template_id: Some("t".into()), ..all() }).await, [""; 0]);
        let nul = AgentFilter { name: Some("\0".into()), ..all() };
        let found = f.attempt(move |conn, actor| agents::count(conn, actor.organization_id, &nul)).await;
        assert!(matches!(found, Ok(0) | Err(Error::Nul)), "{found:?}");
    }

    async fn an_agent_of_another_organization_is_not_there(f) {
        let id = f.add_agent("Ada").await;
        let other = new_actor(&f.db).await;
        let page = Page { after: Some(id.to_string()), ..Page::first(10, Order::Asc) };
        let result: Result<(), Error> = f.db.write(move |conn| {
            assert!(agents::get(conn, other.organization_id, id)?.is_none());
            assert!(agents::lock(conn, other.organization_id, id)?.is_none());
            assert!(!agents::is_there(conn, other.organization_id, id)?);
            assert!(agents::get_many(conn, other.organization_id, &[id])?.is_empty());
            assert!(!agents::update(conn, &other, id, AgentChanges { name: Some("Eve".into()), ..AgentChanges::default() })?);
            assert!(!agents::append_message_ids(conn, &other, id, &[MessageId::random()])?);
            assert!(!agents::delete(conn, other.organization_id, id)?);
            agents::list(conn, other.organization_id, &AgentFilter::default(), AgentSort::CreatedAt, &page).map(drop)
        }).await;
        assert_eq!(result.unwrap_err().to_string(), format!("No Agent found with id {id}"));
        assert!(f.with(move |conn, actor| agents::is_there(conn, actor.organization_id, id)).await);
    }

    async fn agents_without_a_last_run_come_last_on_every_page(f) {
        let rows: Vec<_> = (0..7).map(|n| {
            let mut row = agent(&f.actor, &format!("agent {n}"));
            row.last_run_completion = (n % 3 != 0).then(|| Timestamp::parse(&format!("2026-01-0{}", 1 + n / 2)).unwrap());
            row
        }).collect();
        let times: BTreeMap<_, _> = rows.iter().map(|row| (row.id.to_string(), row.last_run_completion)).collect();
        f.with(move |conn, _| rows.iter().try_for_each(|row| agents::insert(conn, row))).await;
        for order in [Order::Asc, Order::Desc] {
            let mut seen: Vec<String> = Vec::new();
            loop {
                let page = Page { after: seen.last().cloned(), ..Page::first(2, order) };
                let rows = f.with(move |conn, actor| {
                    agents::list(conn, actor.organization_id, &AgentFilter::default(), AgentSort::LastRunCompletion, &page)
                }).await;
                if rows.is_empty() { break }
                seen.extend(rows.iter().map(|row| row.id.to_string()));
            }
            let mut expected: Vec<_> = times.iter().map(|(id, time)| (*time, id.clone())).collect();
            expected.sort();
            if order == Order::Desc { expected.reverse() }
            expected.sort_by_key(|(time, _)| time.is_none());
            assert_eq!(seen, expected.into_iter().map(|(_, id)| id).collect::<Vec<_>>());
        }
    }

    async fn a_change_touches_what_it_names_and_null_clears(f) {
        let id = f.add_agent("Ada").await;
        let changes = AgentChanges {
            name: Some("Grace".into()), timezone: Some(None), description: Some(Some("new".into())), ..AgentChanges::default()
        };
        assert!(f.with(move |conn, actor| agents::update(conn, actor, id, changes)).await);
        let row = f.with(move |conn, actor| agents::get(conn, actor.organization_id, id)).await.unwrap();
        assert_eq!((row.name.as_str(), row.timezone, row.description.as_deref()), ("Grace", None, Some("new")));
        assert_eq!(row.system, "You remember.");
        assert!(row.updated_at > row.created_at);
        let empty = f.with(move |conn, actor| agents::update(conn, actor, id, AgentChanges::default())).await;
        assert!(empty);
    }

    async fn message_ids_appended_at_once_are_all_kept(f) {
        let id = f.add_agent("Ada").await;
        let actor = f.actor;
        let tasks: Vec<_> = (0..8).map(|_| {
            let db = f.db.clone();
            tokio::spawn(async move {
                let new = [MessageId::random(), MessageId::random()];
                db.write(move |conn| agents::append_message_ids(conn, &actor, id, &new)).await.unwrap();
                new
            })
        }).collect();
        let mut expected = Vec::new();
        for task in tasks {
            expected.extend(task.await.unwrap());
        }
        let mut ids = f.with(move |conn, actor| agents::message_ids(conn, actor.organization_id, id)).await;
        assert_eq!(ids.len(), 16);
        ids.sort_unstable();
        expected.sort_unstable();
        assert_eq!(ids, expected);
    }

    async fn a_row_that_cannot_be_read_does_not_take_the_list_with_it(f) {
        let good = f.add_agent("good").await;
        let bad = f.add_agent("bad").await;
        let odd = f.add_agent("odd").await;
        f.sql(&format!("UPDATE agents SET llm_config = '\"gone\"' WHERE id = '{bad}'"));
        f.sql(&format!("UPDATE agents SET agent_type = 'agent_of_2030', last_stop_reason = 'bored' WHERE id = '{odd}'"));
        assert_eq!(names_unchecked(&f).await, [good, odd]);
        let error = f.attempt(move |conn, actor| agents::get(conn, actor.organization_id, bad)).await.unwrap_err();
        assert!(error.to_string().contains("llm_config"), "{error}");
    }

    async fn deleting_an_agent_takes_what_is_its_own_and_leaves_the_rest(f) {
        let id = f.add_agent("Ada").await;
        let human = block("human", "Ada");
        let block_id = f.add_block(&human).await;
        let web = tool("web");
        let tool_id = web.id;
        f.with(move |conn, actor| {
            tools::insert(conn, actor, &web)?;
            tools::attach(conn, id, &[tool_id])?;
            blocks::attach(conn, id, &[&human])?;
            tags::replace_of_agent(conn, actor, id, &["x".into()])?;
            secrets::replace(conn, actor, id, &[("KEY".to_owned(), "v".to_owned())].into())
        }).await;
        f.with(move |conn, actor| {
            let organization = actor.organization_id;
            assert!(agents::delete(conn, organization, id)?);
            assert!(!agents::delete(conn, organization, id)?);
            assert!(blocks::get(conn, organization, block_id)?.is_some());
            assert!(tools::get(conn, organization, tool_id)?.is_some());
            assert!(blocks::agents_of(conn, block_id)?.is_empty());
            assert!(tools::agents_of(conn, tool_id)?.is_empty());
            assert!(tags::of_agents(conn, &[id])?.is_empty());
            assert!(secrets::of_agents(conn, &[id])?.is_empty());
            Ok(())
        }).await;
    }

    async fn secrets_are_replaced_as_a_whole_and_keep_their_ids(f) {
        let id = f.add_agent("Ada").await;
        let set = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<BTreeMap<_, _>>();
        let (first, second) = (set(&[("A", "1"), ("B", "2")]), set(&[("B", "3"), ("C", "4")]));
        f.with(move |conn, actor| secrets::replace(conn, actor, id, &first)).await;
        let before = f.with(move |conn, _| secrets::of_agents(conn, &[id])).await.remove(&id).unwrap();
        f.with(move |conn, actor| secrets::replace(conn, actor, id, &second)).await;
        let after = f.with(move |conn, _| secrets::of_agents(conn, &[id])).await.remove(&id).unwrap();
        let pairs: Vec<_> = after.iter().map(|s| (s.key.as_str(), s.value_enc.as_str())).collect();
        assert_eq!(pairs, [("B", "3"), ("C", "4")]);
        assert_eq!(before.iter().find(|s| s.key == "B").unwrap().id, after[0].id);
        f.with(move |conn, actor| secrets::replace(conn, actor, id, &BTreeMap::new())).await;
        assert!(f.with(move |conn, _| secrets::of_agents(conn, &[id])).await.is_empty());
    }
}

async fn names_unchecked(f: &Fixture) -> Vec<AgentId> {
    let page = Page::first(100, Order::Asc);
    f.with(move |conn, actor| {
        agents::list(conn, actor.organization_id, &AgentFilter::default(), AgentSort::CreatedAt, &page)
    })
    .await
    .into_iter()
    .map(|row| row.id)
    .collect()
}
