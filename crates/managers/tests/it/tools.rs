//! Tools: the built-in ones, lists, and what agents have.

use muisti_managers::{
    Actor, Error, Services,
    orm::{Order, Page, organizations, tools, users},
    schema::{AgentId, OrganizationId, Tool, ToolCreate, ToolId, ToolRule, ToolType, ToolUpdate, UserId},
    tool::{ToolOrigin, ToolQuery, base},
};
use serde_json::{Value, json};

use crate::helpers::on_both;

/// All tools that match.
async fn list(services: &Services, query: ToolQuery) -> Vec<String> {
    let page = Page::first(100, Order::Asc);
    let tools = services.tools().list(&muisti_managers::DEFAULT_ACTOR, query, page).await.unwrap();
    tools.into_iter().map(|tool| tool.name).collect()
}

on_both! {
    async fn the_built_in_tools_are_there_from_the_start(f) {
        assert_eq!(f.services.tools().count(&f.actor, ToolQuery::default()).await.unwrap(), 26);
        let tools = f.services.tools().add_base_tools(&f.actor).await.unwrap();
        assert_eq!(tools.len(), 26);
        assert_eq!(f.services.tools().count(&f.actor, ToolQuery::default()).await.unwrap(), 26);
        for tool in &tools {
            assert_eq!(tool.tags, [tool.tool_type.to_string()]);
            assert_eq!((tool.source_type.as_deref(), &tool.source_code), (Some("python"), &None));
            assert_eq!(tool.description.as_deref(), tool.json_schema.as_ref().unwrap()["description"].as_str());
            assert_eq!(tool.return_char_limit, 50_000);
            assert_eq!(&f.services.tools().get(&f.actor, tool.id).await.unwrap(), tool);
        }
    }

    async fn registering_again_mends_tools_and_keeps_what_users_have_set(f) {
        let actor = f.actor;
        let mut tool = f.services.tools().add_base_tools(&actor).await.unwrap().remove(0);
        tool.description = Some("old".to_owned());
        tool.return_char_limit = 10;
        tool.tags = vec!["mine".to_owned()];
        let (id, changed) = (tool.id, tool.clone());
        f.services.db().write(move |conn| tools::update(conn, &actor, &changed)).await.unwrap();
        f.services.db().write(move |conn| base::register(conn, &actor)).await.unwrap();
        let mended = f.services.tools().get(&actor, id).await.unwrap();
        assert_ne!(mended.description.as_deref(), Some("old"));
        assert_eq!((mended.return_char_limit, mended.tags), (10, tool.tags));
    }

    async fn filters_narrow_the_list(f) {
        let query = ToolQuery { search: Some("MEMORY_R".to_owned()), ..ToolQuery::default() };
        assert_eq!(list(&f.services, query).await, ["core_memory_replace", "memory_replace", "memory_rethink"]);
        let query = ToolQuery { types: vec!["letta_core".to_owned()], ..ToolQuery::default() };
        assert_eq!(list(&f.services, query.clone()).await.len(), 4);
        let query = ToolQuery { name: Some("send_message".to_owned()), names: vec!["memory".to_owned()], ..query };
        assert_eq!(list(&f.services, query).await, ["send_message"]);
        let query = ToolQuery { exclude_built_in: true, ..ToolQuery::default() };
        assert_eq!(f.services.tools().count(&f.actor, query).await.unwrap(), 0);
        let query = ToolQuery { only_built_in: true, ..ToolQuery::default() };
        assert_eq!(f.services.tools().count(&f.actor, query).await.unwrap(), 26);
    }

    async fn attaching_is_idempotent_and_brings_the_approval_rule(f) {
        let (actor, manager) = (f.actor, f.services.tools());
        let agent = f.agent(json!({"include_base_tools": false, "include_base_tool_rules": false})).await;
        let mut tool = manager.add_base_tools(&actor).await.unwrap().remove(0);
        assert_eq!(tool.tool_type, ToolType::LettaCore);
        tool.default_requires_approval = Some(true);
        let (id, name, changed) = (tool.id, tool.name.clone(), tool);
        f.services.db().write(move |conn| tools::update(conn, &actor, &changed)).await.unwrap();

        for _ in 0..2 {
            manager.attach(&actor, agent.id, id).await.unwrap();
        }
        let rules = || async { f.services.agents().row(&actor, agent.id).await.unwrap().tool_rules };
        assert_eq!(rules().await, [ToolRule::requires_approval(&name)]);
        assert_eq!(manager.list_of_agent(&actor, agent.id, Page::first(10, Order::Desc)).await.unwrap().len(), 1);
        assert_eq!(manager.get_by_name(&actor, agent.id, &name).await.unwrap().id, id);

        for _ in 0..2 {
            manager.detach(&actor, agent.id, id).await.unwrap();
        }
        assert_eq!(rules().await.len(), 1);
        let error = manager.get_by_name(&actor, agent.id, &name).await.unwrap_err();
        assert_eq!(error.to_string(), format!("Tool '{name}' not found or not attached to agent '{}'", agent.id));
        for required in [false, false, true, true] {
            manager.set_approval(&actor, agent.id, "anything", required).await.unwrap();
        }
        manager.set_approval(&actor, agent.id, &name, false).await.unwrap();
        assert_eq!(rules().await, [ToolRule::requires_approval("anything")]);
    }

    async fn what_does_not_exist_is_not_found(f) {
        let manager = f.services.tools();
        let (agent, tool) = (AgentId::random(), ToolId::random());
        assert!(matches!(manager.get(&f.actor, tool).await, Err(Error::NotFound(_))));
        assert!(matches!(manager.attach(&f.actor, agent, tool).await, Err(Error::NotFound(_))));
        assert!(matches!(manager.detach(&f.actor, agent, tool).await, Err(Error::NotFound(_))));
        assert!(matches!(manager.set_approval(&f.actor, agent, "x", true).await, Err(Error::NotFound(_))));
        let agent = f.agent(json!({})).await.id;
        assert!(matches!(manager.attach(&f.actor, agent, tool).await, Err(Error::NotFound(_))));
    }
}

const SOURCE: &str =
    "def add(a: int) -> int:\n    \"\"\"Add.\n\n    Args:\n        a: left\n    \"\"\"\n    return a\n";

fn create(request: Value) -> ToolCreate {
    serde_json::from_value(request).unwrap()
}

fn change(request: Value) -> ToolUpdate {
    serde_json::from_value(request).unwrap()
}

on_both! {
    async fn another_organization_has_tools_of_its_own(f) {
        let manager = f.services.tools();
        let stranger = Actor { organization_id: OrganizationId::random(), user_id: UserId::random() };
        let Actor { organization_id, user_id } = stranger;
        f.services.db().write::<_, muisti_managers::orm::Error, _>(move |conn| {
            organizations::ensure(conn, organization_id, "other")?;
            users::ensure(conn, user_id, organization_id, "other")
        }).await.unwrap();
        let origin = ToolOrigin::default;
        let mine = manager.upsert(&f.actor, create(json!({"source_code": SOURCE})), origin()).await.unwrap();
        assert!(matches!(manager.get(&stranger, mine.id).await, Err(Error::NotFound(_))));
        assert!(matches!(manager.delete(&stranger, mine.id).await, Err(Error::NotFound(_))));
        let patched = manager.update(&stranger, mine.id, change(json!({"tags": ["x"]})), false).await;
        assert!(matches!(patched, Err(Error::NotFound(_))));
        let search = serde_json::from_value(json!({"query": "add"})).unwrap();
        assert!(manager.search(&stranger, search).await.unwrap().is_empty());
        let theirs = manager.upsert(&stranger, create(json!({"source_code": SOURCE})), origin()).await.unwrap();
        assert_ne!(theirs.id, mine.id);
        assert_eq!(manager.get(&f.actor, mine.id).await.unwrap(), mine);
        // A list of everything brings the built-in tools to an organization that has none.
        let all = manager.list(&stranger, ToolQuery::default(), Page::first(100, Order::Asc)).await.unwrap();
        assert_eq!(all.len(), 27);
    }

    async fn many_requests_for_one_name_make_one_tool(f) {
        let manager = f.services.tools();
        let requests = (0..8).map(|n| {
            let (manager, actor) = (manager.clone(), f.actor);
            let request = create(json!({"source_code": SOURCE, "description": n.to_string()}));
            tokio::spawn(async move { manager.upsert(&actor, request, ToolOrigin::default()).await.unwrap().id })
        });
        let mut ids = Vec::new();
        for request in requests.collect::<Vec<_>>() {
            ids.push(request.await.unwrap());
        }
        ids.dedup();
        assert_eq!(ids.len(), 1);
    }

    async fn changes_made_at_once_are_all_kept(f) {
        let manager = f.services.tools();
        let tool = manager.upsert(&f.actor, create(json!({"source_code": SOURCE})), ToolOrigin::default()).await.unwrap();
        let changes = [json!({"tags": ["a"]}), json!({"return_char_limit": 7}), json!({"default_requires_approval": true})];
        let requests = changes.map(|body| {
            let (manager, actor) = (manager.clone(), f.actor);
            tokio::spawn(async move { manager.update(&actor, tool.id, change(body), false).await.unwrap() })
        });
        for request in requests {
            request.await.unwrap();
        }
        let tool = manager.get(&f.actor, tool.id).await.unwrap();
        assert_eq!((tool.tags, tool.return_char_limit), (vec!["a".to_owned()], 7));
        assert_eq!(tool.default_requires_approval, Some(true));
    }

    async fn arguments_of_a_tool_can_be_described_anew(f) {
        let manager = f.services.tools();
        let tool = manager.upsert(&f.actor, create(json!({"source_code": SOURCE})), ToolOrigin::default()).await.unwrap();
        let arguments = json!({"properties": {"a": {"type": "number"}}, "required": ["a"]});
        let update = change(json!({"args_json_schema": arguments}));
        let changed = manager.update(&f.actor, tool.id, update, false).await.unwrap();
        let schema = Value::from(changed.json_schema.unwrap());
        assert_eq!(schema["description"], "Add.\n\nArgs:\n    a: left");
        assert_eq!(schema["parameters"]["properties"], json!({"a": {"type": "number", "description": ""}}));
        // The schema was derived from the arguments, and is again.
        let update = change(json!({"source_code": SOURCE.replace("left", "right")}));
        let changed = manager.update(&f.actor, tool.id, update, false).await.unwrap();
        let schema = Value::from(changed.json_schema.unwrap());
        assert_eq!(schema["description"], "Add.\n\nArgs:\n    a: right");
        assert_eq!(schema["parameters"]["properties"], json!({"a": {"type": "number", "description": ""}}));
    }

    async fn the_place_where_a_tool_runs_follows_the_request(f) {
        let manager = f.services.tools();
        let on_modal = ToolOrigin { on_modal: true, ..ToolOrigin::default() };
        let tool = manager.upsert(&f.actor, create(json!({"source_code": SOURCE})), on_modal).await.unwrap();
        let place = |tool: &Tool| tool.metadata_.as_ref().unwrap().get("sandbox").cloned();
        assert_eq!(place(&tool), Some(json!("modal")));
        let update = change(json!({"metadata_": {"mine": 1, "sandbox": "modal"}}));
        let changed = manager.update(&f.actor, tool.id, update, false).await.unwrap();
        assert_eq!(changed.metadata_.unwrap(), *json!({"mine": 1}).as_object().unwrap());
        let update = change(json!({}));
        assert_eq!(place(&manager.update(&f.actor, tool.id, update, true).await.unwrap()), Some(json!("modal")));
    }
}
