//! `/v1/_internal_templates`

use serde_json::{Value, json};

use crate::harness::{App, MODEL, assert_error, each, id, on_each_database};

const AGENTS: &str = "/v1/_internal_templates/agents";
const BLOCKS: &str = "/v1/_internal_templates/blocks";
const BATCH: &str = "/v1/_internal_templates/blocks/batch";
const GROUPS: &str = "/v1/_internal_templates/groups";
const DEPLOYMENT: &str = "/v1/_internal_templates/deployment/shop-1";
const NO_TOOL: &str = "tool-123e4567-e89b-42d3-8456-426614174000";

/// These fields over those that everything of the deployment has.
fn of_template(fields: Value) -> Value {
    let mut body = json!({ "template_id": "shop:1", "base_template_id": "shop", "deployment_id": "shop-1" });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn agent_of(config: &Value, fields: Value) -> Value {
    let mut body = of_template(json!({ "entity_id": "clerk", "llm_config": config }));
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    body
}

fn block_of(label: &str) -> Value {
    of_template(json!({ "entity_id": format!("{label}-1"), "label": label, "value": "x" }))
}

/// A configuration as a template keeps it.
async fn config(app: &mut App) -> Value {
    app.agent(json!({ "name": "original" })).await["llm_config"].clone()
}

/// The body without this field.
fn without(body: &Value, field: &str) -> Value {
    let mut body = body.clone();
    body.as_object_mut().unwrap().remove(field);
    body
}

#[tokio::test]
async fn an_agent_of_a_template_is_made_with_what_there_is() {
    on_each_database(async |app| {
        let config = config(app).await;
        let fields = json!({
            "name": "Clerk", "enable_sleeptime": true, "tools": ["no_such_tool", "archival_memory_search"],
            "tool_ids": [NO_TOOL], "include_base_tools": false, "model": "nobody/nothing", "embedding": "nobody/nothing",
            "memory_blocks": [{ "label": "human", "value": "x" }], "tags": ["shop"],
        });
        let made = app.post(AGENTS, agent_of(&config, fields)).await.expect_json();
        assert_eq!(made["llm_config"]["model"], config["model"]);
        assert_eq!(made["embedding_config"], Value::Null, "handles are not looked up");
        assert_eq!(each(&made["tools"], "name"), ["archival_memory_search"]);
        assert_eq!((&made["template_id"], &made["base_template_id"]), (&json!("shop:1"), &json!("shop")));
        assert_eq!((&made["deployment_id"], &made["entity_id"]), (&json!("shop-1"), &json!("clerk")));
        assert_eq!(made["managed_group"], Value::Null, "no companion");
        assert_eq!(app.list("/v1/agents/count").await, json!(2));
        let stored = app.list(&format!("/v1/agents/{}", id(&made))).await;
        assert_eq!((&stored["deployment_id"], &stored["entity_id"]), (&json!("shop-1"), &json!("clerk")));
        app.post(&format!("/v1/agents/{}/messages", id(&made)), json!({ "input": "hello" })).await.expect_json();

        let body = agent_of(&config, json!({}));
        assert_error(&app.post(AGENTS, without(&body, "llm_config")).await, 400, "llm_config is required");
        for field in ["template_id", "base_template_id", "deployment_id", "entity_id"] {
            assert_error(&app.post(AGENTS, without(&body, field)).await, 422, field);
        }
        for (fields, status, fragment) in [
            (json!({ "deployment_id": 1 }), 422, "deployment_id"),
            (json!({ "deployment_id": "x".repeat(600) }), 422, "deployment_id"),
            (json!({ "name": "a/b" }), 422, "name"),
            (json!({ "block_ids": ["block-123e4567-e89b-42d3-8456-426614174000"] }), 404, "block-123e4567"),
        ] {
            assert_error(&app.post(AGENTS, agent_of(&config, fields)).await, status, fragment);
        }
        // Elsewhere a tool that is not there is an error as before.
        let other = app.post("/v1/agents/", json!({ "model": MODEL, "tools": ["no_such_tool"] })).await;
        assert_error(&other, 400, "Tools not found by name: {'no_such_tool'}");
        let other = app.post("/v1/agents/", json!({ "model": MODEL, "tool_ids": [NO_TOOL] })).await;
        assert_error(&other, 400, "Tools not found by id");
        assert_eq!(app.list("/v1/agents/count").await, json!(2));
    })
    .await;
}

#[tokio::test]
async fn blocks_of_a_template_are_made_alone_and_together() {
    on_each_database(async |app| {
        let one = app.post(BLOCKS, block_of("human")).await.expect_json();
        assert_eq!((&one["label"], &one["value"]), (&json!("human"), &json!("x")));
        assert_eq!((&one["template_id"], &one["base_template_id"]), (&json!("shop:1"), &json!("shop")));
        assert_eq!((&one["deployment_id"], &one["entity_id"]), (&json!("shop-1"), &json!("human-1")));
        let two = app.post(BATCH, json!([block_of("a"), block_of("b")])).await.expect_json();
        assert_eq!(each(&two, "label"), ["a", "b"]);
        assert_eq!(app.post(BATCH, json!([])).await.expect_json(), json!([]));

        for field in ["template_id", "base_template_id", "deployment_id", "entity_id", "label"] {
            let body = without(&block_of("c"), field);
            assert_error(&app.post(BLOCKS, body.clone()).await, 422, field);
            assert_error(&app.post(BATCH, json!([block_of("d"), body])).await, 422, field);
        }
        let mut long = block_of("e");
        long["deployment_id"] = "x".repeat(600).into();
        assert_error(&app.post(BATCH, json!([block_of("d"), long])).await, 422, "deployment_id");
        assert_error(&app.post(BATCH, block_of("d")).await, 422, "list");
        assert_eq!(app.list("/v1/blocks/count").await, json!(3), "all or none");
    })
    .await;
}

#[tokio::test]
async fn a_group_of_a_template_keeps_where_it_is_from() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let body = of_template(json!({ "agent_ids": [id(&agent)], "description": "A team.",
            "manager_config": { "manager_type": "round_robin", "max_turns": 3 } }));
        let group = app.post(GROUPS, body.clone()).await.expect_json();
        assert_eq!((&group["template_id"], &group["base_template_id"]), (&json!("shop:1"), &json!("shop")));
        assert_eq!((&group["deployment_id"], &group["max_turns"]), (&json!("shop-1"), &json!(3)));
        assert_eq!(app.list(&format!("/v1/groups/{}", id(&group))).await, group);
        for field in ["template_id", "base_template_id", "deployment_id", "agent_ids", "description"] {
            assert_error(&app.post(GROUPS, without(&body, field)).await, 422, field);
        }
        let mut unknown = body.clone();
        unknown["agent_ids"] = json!(["agent-123e4567-e89b-42d3-8456-426614174000"]);
        assert_error(&app.post(GROUPS, unknown).await, 404, "agent-123e4567");
        assert_eq!(app.list("/v1/groups/count").await, json!(1));
    })
    .await;
}

#[tokio::test]
async fn a_deployment_is_listed_and_deleted_as_a_whole() {
    on_each_database(async |app| {
        let config = config(app).await;
        let block = app.post(BLOCKS, block_of("human")).await.expect_json();
        let shared = json!({ "block_ids": [id(&block)], "name": "Clerk", "project_id": "p", "hidden": true });
        let clerk = app.post(AGENTS, agent_of(&config, shared.clone())).await.expect_json();
        let boss = app.post(AGENTS, agent_of(&config, json!({ "name": "Boss" }))).await.expect_json();
        let outsider = app.agent(json!({ "name": "outsider", "block_ids": [id(&block)] })).await;
        let manager = json!({ "manager_type": "supervisor", "manager_agent_id": id(&boss) });
        let group = of_template(json!({ "agent_ids": [id(&clerk), id(&outsider)], "description": "A team.",
            "manager_config": manager }));
        let group = app.post(GROUPS, group).await.expect_json();

        let all = app.list(DEPLOYMENT).await;
        assert_eq!(
            all["entities"][0],
            json!({ "id": id(&block), "type": "block", "name": "human",
            "description": block["description"], "entity_id": "human-1", "project_id": null })
        );
        assert_eq!(
            all["entities"][1],
            json!({ "id": id(&clerk), "type": "agent", "name": "Clerk", "description": null,
            "entity_id": "clerk", "project_id": "p" })
        );
        assert_eq!(
            all["entities"][3],
            json!({ "id": id(&group), "type": "group", "name": null,
            "description": "A team.", "entity_id": null, "project_id": null })
        );
        assert_eq!((&all["total_count"], &all["deployment_id"]), (&json!(4), &json!("shop-1")));
        for (query, kinds) in [
            ("entity_types=block", vec!["block"]),
            ("entity_types=group&entity_types=block", vec!["block", "group"]),
            ("entity_types=group,%20block", vec!["block", "group"]),
            ("entity_types=agent,house", vec!["agent", "agent"]),
            ("entity_types=house", vec!["block", "agent", "agent", "group"]),
            ("entity_types=", vec!["block", "agent", "agent", "group"]),
        ] {
            let listed = app.list(&format!("{DEPLOYMENT}?{query}")).await;
            assert_eq!(each(&listed["entities"], "type"), kinds, "{query}");
            assert_eq!(listed["total_count"], json!(kinds.len()), "{query}");
        }
        let empty = app.list("/v1/_internal_templates/deployment/shop").await;
        assert_eq!((&empty["entities"], &empty["total_count"]), (&json!([]), &json!(0)));

        let organization = app.post("/v1/admin/orgs/", json!({ "name": "other" })).await.expect_json();
        let user = json!({ "name": "stranger", "organization_id": organization["id"] });
        let user = app.post("/v1/admin/users/", user).await.expect_json();
        let mut stranger = app.client().with_header("user_id", id(&user));
        let seen = stranger.get(DEPLOYMENT).await.unwrap().expect_json();
        assert_eq!((&seen["entities"], &seen["total_count"]), (&json!([]), &json!(0)));
        let deleted = stranger.delete(DEPLOYMENT).await.unwrap().expect_json();
        assert_eq!(deleted["deleted_agents"], json!([]));
        assert_eq!(app.list(DEPLOYMENT).await, all);

        let deleted = app.delete(DEPLOYMENT).await.expect_json();
        assert_eq!(deleted["deleted_blocks"], json!([id(&block)]));
        assert_eq!(deleted["deleted_agents"], json!([id(&clerk), id(&boss)]), "also the one that managed the group");
        assert_eq!(deleted["deleted_groups"], json!([id(&group)]));
        let outsider = app.list(&format!("/v1/agents/{}?include=agent.blocks", id(&outsider))).await;
        assert_eq!(outsider["blocks"], json!([]));
        assert_eq!(app.list(DEPLOYMENT).await["total_count"], json!(0));
        let again = app.delete(DEPLOYMENT).await.expect_json();
        assert_eq!((&again["deleted_blocks"], &again["deleted_groups"]), (&json!([]), &json!([])));
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_others_need_stays_when_its_deployment_goes() {
    on_each_database(async |app| {
        let config = config(app).await;
        let boss = app.post(AGENTS, agent_of(&config, json!({ "name": "Boss" }))).await.expect_json();
        let block = app.post(BLOCKS, block_of("human")).await.expect_json();
        let outsider = app.agent(json!({ "name": "outsider" })).await;
        let group = app
            .post(
                "/v1/groups/",
                json!({ "agent_ids": [id(&outsider)], "description": "x",
                    "manager_config": { "manager_type": "supervisor", "manager_agent_id": id(&boss) } }),
            )
            .await
            .expect_json();
        let deleted = app.delete(DEPLOYMENT).await.expect_json();
        assert_eq!(deleted["deleted_blocks"], json!([id(&block)]));
        assert_eq!(deleted["deleted_agents"], json!([]));
        let message = deleted["message"].as_str().unwrap();
        assert!(message.contains(id(&boss)) && message.contains(id(&group)), "{message}");
        assert_eq!(each(&app.list(DEPLOYMENT).await["entities"], "id"), [id(&boss)]);
        app.delete(&format!("/v1/groups/{}", id(&group))).await.expect_json();
        assert_eq!(app.delete(DEPLOYMENT).await.expect_json()["deleted_agents"], json!([id(&boss)]));
    })
    .await;
}
