//! `/v1/groups`, and the groups of agents

use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database};

const UNKNOWN: &str = "group-123e4567-e89b-42d3-8456-426614174000";
const NO_AGENT: &str = "agent-123e4567-e89b-42d3-8456-426614174000";

async fn agents(app: &mut App, names: &[&str]) -> Vec<String> {
    let mut ids = Vec::new();
    for name in names {
        ids.push(id(&app.agent(json!({ "name": name })).await).to_owned());
    }
    ids
}

async fn group(app: &mut App, members: &[String], more: Value) -> Value {
    let mut body = json!({ "agent_ids": members, "description": "A team." });
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.post("/v1/groups/", body).await.expect_json()
}

#[tokio::test]
async fn a_group_is_made_read_changed_and_deleted() {
    on_each_database(async |app| {
        let ids = agents(app, &["a", "b", "c"]).await;
        let made = group(app, &[ids[1].clone(), ids[0].clone()], json!({ "project_id": "p" })).await;
        let path = format!("/v1/groups/{}", id(&made));
        assert_eq!(made["manager_type"], "round_robin");
        assert_eq!(made["agent_ids"], json!([ids[1], ids[0]]), "in their order");
        assert_eq!(made["project_id"], "p");
        assert_eq!(app.list(&path).await, made);
        let change = json!({ "agent_ids": [ids[2]], "description": null,
            "manager_config": { "manager_type": "round_robin", "max_turns": 4 } });
        let changed = app.patch(&path, change).await.expect_json();
        assert_eq!((&changed["agent_ids"], &changed["max_turns"]), (&json!([ids[2]]), &json!(4)));
        assert_eq!(changed["description"], "A team.");
        let pattern = json!({ "manager_config": { "manager_type": "dynamic" } });
        assert_error(&app.patch(&path, pattern).await, 400, "Cannot change group pattern after creation");
        let deleted = app.delete(&path).await.expect_json();
        assert_eq!(deleted, json!({ "message": format!("Group id={} successfully deleted", id(&made)) }));
        for response in [app.get(&path).await, app.delete(&path).await, app.patch(&path, json!({})).await] {
            assert_error(&response, 404, "not found");
        }
        assert_eq!(app.get(&format!("/v1/agents/{}", ids[2])).await.status, 200);
        assert_error(&app.get("/v1/groups/group-1").await, 422, "string_pattern_mismatch");
    })
    .await;
}

#[tokio::test]
async fn each_pattern_has_its_own_configuration() {
    on_each_database(async |app| {
        let ids = agents(app, &["manager", "member"]).await;
        let members = &ids[1..];
        let config = |kind: &str, more: Value| {
            let mut config = json!({ "manager_type": kind, "manager_agent_id": ids[0] });
            config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            json!({ "manager_config": config })
        };
        let dynamic = group(app, members, config("dynamic", json!({}))).await;
        assert_eq!((&dynamic["termination_token"], &dynamic["manager_agent_id"]), (&json!("DONE!"), &json!(ids[0])));
        let sleeptime = group(app, members, config("sleeptime", json!({ "sleeptime_agent_frequency": 2 }))).await;
        assert_eq!((&sleeptime["sleeptime_agent_frequency"], &sleeptime["turns_counter"]), (&json!(2), &json!(-1)));
        let voice = json!({ "max_message_buffer_length": 30, "min_message_buffer_length": 15 });
        assert_eq!(group(app, members, config("voice_sleeptime", voice)).await["max_message_buffer_length"], 30);
        assert_eq!(group(app, members, config("supervisor", json!({}))).await["manager_type"], "supervisor");

        for (config, status, fragment) in [
            (config("swarm", json!({})), 422, "manager_type"),
            (config("voice_sleeptime", json!({ "max_message_buffer_length": 30 })), 400, "both or neither"),
            (config("dynamic", json!({ "manager_agent_id": NO_AGENT })), 404, NO_AGENT),
            (json!({ "agent_ids": [NO_AGENT] }), 404, NO_AGENT),
            (json!({ "agent_ids": ["agent-1"] }), 422, "agent"),
            (json!({ "agent_ids": [ids[1], ids[1]] }), 400, "twice"),
            (json!({ "shared_block_ids": ["block-123e4567-e89b-42d3-8456-426614174000"] }), 404, "block-123e4567"),
        ] {
            let mut body = json!({ "agent_ids": members, "description": "x" });
            body.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
            assert_error(&app.post("/v1/groups/", body).await, status, fragment);
        }
        assert_eq!(app.list("/v1/groups/count").await, json!(4));
    })
    .await;
}

#[tokio::test]
async fn groups_are_listed_by_what_is_asked_for_and_page_by_page() {
    on_each_database(async |app| {
        let ids = agents(app, &["a", "b"]).await;
        let mut groups = Vec::new();
        for more in [
            json!({}),
            json!({ "project_id": "p" }),
            json!({ "manager_config": { "manager_type": "supervisor", "manager_agent_id": ids[1] } }),
            json!({ "hidden": true }),
        ] {
            groups.push(id(&group(app, &ids[..1], more).await).to_owned());
        }
        let list = async |app: &mut App, path: &str| each(&app.list(path).await, "id");
        assert_eq!(list(app, "/v1/groups/").await, groups[..3]);
        assert_eq!(list(app, "/v1/groups/?show_hidden_groups=true").await, groups);
        assert_eq!(list(app, "/v1/groups/?project_id=p").await, groups[1..2]);
        assert_eq!(list(app, "/v1/groups/?manager_type=supervisor").await, groups[2..3]);
        assert_eq!(list(app, &format!("/v1/groups/?limit=1&after={}", groups[0])).await, groups[1..2]);
        assert_eq!(list(app, &format!("/v1/groups/?limit=1&before={}", groups[2])).await, groups[1..2]);
        assert_eq!(app.list("/v1/groups/count").await, json!(4));
        assert_error(&app.get("/v1/groups/?manager_type=cat").await, 422, "Input should be 'round_robin'");
        assert_error(&app.get(&format!("/v1/groups/?after={UNKNOWN}")).await, 404, UNKNOWN);

        let of_agent = format!("/v1/agents/{}/groups", ids[0]);
        assert_eq!(list(app, &format!("{of_agent}?order=asc")).await, groups);
        assert_eq!(list(app, &format!("{of_agent}?manager_type=supervisor")).await, groups[2..3]);
        assert_eq!(app.list(&format!("{of_agent}?manager_type=cat")).await, json!([]));
        assert_eq!(list(app, &of_agent.replace(&ids[0], &ids[1])).await, [""; 0], "managing is not being a member");
        assert_error(&app.get(&of_agent.replace(&ids[0], NO_AGENT)).await, 404, NO_AGENT);
    })
    .await;
}

#[tokio::test]
async fn blocks_of_a_group_are_those_of_all_its_agents() {
    on_each_database(async |app| {
        let ids = agents(app, &["manager", "member"]).await;
        let blocks = [app.block("shared", "x").await, app.block("more", "y").await];
        let config = json!({ "manager_type": "supervisor", "manager_agent_id": ids[0] });
        let made =
            group(app, &ids[1..], json!({ "manager_config": config, "shared_block_ids": [id(&blocks[0])] })).await;
        assert_eq!(made["shared_block_ids"], json!([id(&blocks[0])]));
        let attach = format!("/v1/groups/{}/blocks/attach/{}", id(&made), id(&blocks[1]));
        for _ in 0..2 {
            assert_eq!(app.patch(&attach, json!({})).await.text(), "null");
        }
        for agent in &ids {
            let path = format!("/v1/agents/{agent}/core-memory/blocks?order=asc");
            assert_eq!(each(&app.list(&path).await, "label"), ["shared", "more"]);
        }
        let detach = attach.replace("attach", "detach");
        for _ in 0..2 {
            assert_eq!(app.patch(&detach, json!({})).await.text(), "null");
        }
        for agent in &ids {
            let path = format!("/v1/agents/{agent}/core-memory/blocks");
            assert_eq!(each(&app.list(&path).await, "label"), ["shared"]);
        }
        let twin = app.block("shared", "z").await;
        let twin = attach.replace(id(&blocks[1]), id(&twin));
        assert_error(&app.patch(&twin, json!({})).await, 409, "unique");
        assert_error(&app.patch(&attach.replace(id(&made), UNKNOWN), json!({})).await, 404, UNKNOWN);
        let unknown = "block-123e4567-e89b-42d3-8456-426614174000";
        assert_error(&app.patch(&attach.replace(id(&blocks[1]), unknown), json!({})).await, 404, unknown);
    })
    .await;
}

#[tokio::test]
async fn messages_of_a_group_are_listed_and_deleted() {
    on_each_database(async |app| {
        let ids = agents(app, &["a"]).await;
        let made = group(app, &ids, json!({})).await;
        for (text, group) in [("to the group", json!(id(&made))), ("alone", json!(null))] {
            app.model.push(muisti_testkit::Answer::text("Yes."));
            let body = json!({ "messages": [{ "role": "user", "content": text, "group_id": group }] });
            app.post(&format!("/v1/agents/{}/messages", ids[0]), body).await.expect_json();
        }
        let path = format!("/v1/groups/{}", id(&made));
        let contents = |list: Value| each(&list, "content");
        assert_eq!(contents(app.list(&format!("{path}/messages")).await), ["to the group"]);
        let message = app.list(&format!("{path}/messages")).await[0]["id"].as_str().unwrap().to_owned();
        let context = async |app: &mut App| app.list(&format!("/v1/agents/{}", ids[0])).await["message_ids"].clone();
        assert!(context(app).await.as_array().unwrap().contains(&json!(message)));
        assert_eq!(app.patch(&format!("{path}/messages/{message}"), json!({})).await.status, 405);

        assert_eq!(app.patch(&format!("{path}/reset-messages"), json!({})).await.text(), "null");
        assert_eq!(app.list(&format!("{path}/messages")).await, json!([]));
        assert!(!context(app).await.as_array().unwrap().contains(&json!(message)));
        let of_agent = app.list(&format!("/v1/agents/{}/messages", ids[0])).await;
        assert!(of_agent.to_string().contains("alone") && !of_agent.to_string().contains("to the group"));
        app.model.push(muisti_testkit::Answer::text("Still here."));
        let body = json!({ "messages": [{ "role": "user", "content": "And now?" }] });
        app.post(&format!("/v1/agents/{}/messages", ids[0]), body).await.expect_json();
        for path in [format!("/v1/groups/{UNKNOWN}/messages"), format!("{path}/messages?after=message-1")] {
            assert_eq!(app.get(&path).await.status, 404, "{path}");
        }
        assert_error(&app.patch(&format!("/v1/groups/{UNKNOWN}/reset-messages"), json!({})).await, 404, UNKNOWN);
    })
    .await;
}

async fn with_companion(app: &mut App) -> (Value, Value) {
    let blocks = json!([{ "label": "human", "value": "Ada" }, { "label": "persona", "value": "Kind." }]);
    let main = app.agent(json!({ "name": "Ada", "enable_sleeptime": true, "memory_blocks": blocks })).await;
    let companion = main["multi_agent_group"]["agent_ids"][0].as_str().unwrap();
    let include = "include=agent.blocks&include=agent.tools&include=agent.managed_group";
    let companion = app.list(&format!("/v1/agents/{companion}?{include}")).await;
    (main, companion)
}

#[tokio::test]
async fn an_agent_with_sleeptime_gets_a_companion_that_shares_its_memory() {
    on_each_database(async |app| {
        let (main, companion) = with_companion(app).await;
        let group = &main["multi_agent_group"];
        assert_eq!(&main["managed_group"], group);
        assert_eq!((&group["manager_type"], &group["manager_agent_id"]), (&json!("sleeptime"), &main["id"]));
        assert_eq!((&group["sleeptime_agent_frequency"], &group["turns_counter"]), (&json!(5), &json!(-1)));
        let mut tools = each(&main["tools"], "name");
        tools.sort();
        assert_eq!(tools, ["archival_memory_search", "conversation_search", "send_message"]);

        assert_eq!(
            (&companion["name"], &companion["agent_type"]),
            (&json!("Ada-sleeptime"), &json!("sleeptime_agent"))
        );
        assert_eq!(companion["model"], main["model"]);
        assert_eq!(companion["multi_agent_group"], Value::Null);
        assert_eq!(companion["message_ids"].as_array().unwrap().len(), 1);
        let mut tools = each(&companion["tools"], "name");
        tools.sort();
        assert_eq!(tools, ["memory_finish_edits", "memory_insert", "memory_replace", "memory_rethink"]);
        assert!(companion["tool_rules"].to_string().contains("exit_loop"));
        let mut labels = each(&companion["blocks"], "label");
        labels.sort();
        assert_eq!(labels, ["human", "memory_persona", "persona"]);
        let human = main["blocks"].as_array().unwrap().iter().find(|block| block["label"] == "human").unwrap();
        let sharing = app.list(&format!("/v1/blocks/{}/agents", id(human))).await;
        assert_eq!(each(&sharing, "id"), [id(&companion), id(&main)]);
        let of_companion = app.list(&format!("/v1/agents/{}/groups", id(&companion))).await;
        assert_eq!(each(&of_companion, "id"), [id(group)]);
        let path = format!("/v1/agents/{}", id(&main));
        assert_eq!(app.list(&path).await["managed_group"], Value::Null);
        assert_eq!(&app.list(&format!("{path}?include=agent.managed_group")).await["multi_agent_group"], group);
    })
    .await;
}

#[tokio::test]
async fn blocks_come_to_the_companion_and_go_with_the_agent_s() {
    on_each_database(async |app| {
        let (main, companion) = with_companion(app).await;
        let labels = async |app: &mut App| {
            let path = format!("/v1/agents/{}/core-memory/blocks?order=asc", id(&companion));
            let mut labels = each(&app.list(&path).await, "label");
            labels.retain(|label| label.starts_with('n'));
            labels
        };
        let block = app.block("notes", "x").await;
        let blocks = format!("/v1/agents/{}/core-memory/blocks", id(&main));
        app.patch(&format!("{blocks}/attach/{}", id(&block)), json!({})).await.expect_json();
        assert_eq!(labels(app).await, ["notes"]);
        app.patch(&format!("{blocks}/detach/{}", id(&block)), json!({})).await.expect_json();
        assert_eq!(labels(app).await, [""; 0]);
        let change = json!({ "block_ids": [id(&block)] });
        app.patch(&format!("/v1/agents/{}", id(&main)), change).await.expect_json();
        assert_eq!(labels(app).await, ["notes"]);
        let own = app.block("memory_persona", "y").await;
        app.patch(&format!("{blocks}/attach/{}", id(&own)), json!({})).await.expect_json();
    })
    .await;
}

#[tokio::test]
async fn an_update_makes_the_companion_once() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "name": "Grace" })).await;
        let path = format!("/v1/agents/{}", id(&agent));
        let first = app.patch(&path, json!({ "enable_sleeptime": true })).await.expect_json();
        assert_eq!(first["managed_group"]["agent_ids"].as_array().unwrap().len(), 1);
        let off = app.patch(&path, json!({ "enable_sleeptime": false })).await.expect_json();
        assert_eq!((&off["enable_sleeptime"], &off["managed_group"]), (&json!(false), &first["managed_group"]));
        let again = app.patch(&path, json!({ "enable_sleeptime": true })).await.expect_json();
        assert_eq!(again["managed_group"], first["managed_group"]);
        assert_eq!(app.list("/v1/agents/count").await, json!(2));
    })
    .await;
}

#[tokio::test]
async fn an_agent_and_its_companion_are_deleted_together_but_not_the_other_way_round() {
    on_each_database(async |app| {
        let (main, companion) = with_companion(app).await;
        app.delete(&format!("/v1/agents/{}", id(&main))).await.expect_json();
        for path in [
            format!("/v1/agents/{}", id(&main)),
            format!("/v1/agents/{}", id(&companion)),
            format!("/v1/groups/{}", id(&main["managed_group"])),
        ] {
            assert_eq!(app.get(&path).await.status, 404, "{path}");
        }

        let (main, companion) = with_companion(app).await;
        app.delete(&format!("/v1/agents/{}", id(&companion))).await.expect_json();
        let kept = app.list(&format!("/v1/agents/{}?include=agent.managed_group", id(&main))).await;
        assert_eq!((&kept["enable_sleeptime"], &kept["managed_group"]), (&Value::Null, &Value::Null));
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_manages_others_cannot_be_deleted_before_the_group() {
    on_each_database(async |app| {
        let ids = agents(app, &["manager", "member"]).await;
        let config = json!({ "manager_type": "supervisor", "manager_agent_id": ids[0] });
        let made = group(app, &ids[1..], json!({ "manager_config": config })).await;
        assert_error(&app.delete(&format!("/v1/agents/{}", ids[0])).await, 409, id(&made));
        app.delete(&format!("/v1/agents/{}", ids[1])).await.expect_json();
        assert_eq!(app.list(&format!("/v1/groups/{}", id(&made))).await["agent_ids"], json!([]));
        app.delete(&format!("/v1/groups/{}", id(&made))).await.expect_json();
        app.delete(&format!("/v1/agents/{}", ids[0])).await.expect_json();
    })
    .await;
}
