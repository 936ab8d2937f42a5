//! `/v1/agents`, its blocks and its tools

use serde_json::{Value, json};

use crate::harness::{App, MODEL, assert_error, each, id, on_each_database};

const UNKNOWN: &str = "agent-123e4567-e89b-42d3-8456-426614174000";

#[tokio::test]
async fn an_agent_is_made_read_changed_and_deleted() {
    on_each_database(async |app| {
        let agent = app
            .agent(json!({
                "name": "Ada",
                "memory_blocks": [{ "label": "human", "value": "Nothing known yet." }],
                "tags": ["demo"],
            }))
            .await;
        assert_eq!(agent["model"], MODEL);
        assert_eq!(agent["tags"], json!(["demo"]));
        assert_eq!(agent["blocks"][0]["value"], "Nothing known yet.");
        let path = format!("/v1/agents/{}", id(&agent));
        let changed = app.patch(&path, json!({ "name": "Grace", "tags": ["a"] })).await.expect_json();
        assert_eq!((&changed["name"], &changed["tags"]), (&json!("Grace"), &json!(["a"])));
        assert_eq!(app.list(&path).await["name"], "Grace");
        let deleted = app.delete(&path).await.expect_json();
        assert_eq!(deleted, json!({ "message": format!("Agent id={} successfully deleted", id(&agent)) }));
        for response in [app.get(&path).await, app.delete(&path).await, app.patch(&path, json!({})).await] {
            assert_error(&response, 404, "not found");
        }
    })
    .await;
}

#[tokio::test]
async fn relationships_are_loaded_when_asked_for_or_for_older_clients() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "tags": ["t"], "memory_blocks": [{ "label": "human", "value": "x" }] })).await;
        let path = format!("/v1/agents/{}", id(&agent));
        let counts = |agent: &Value| ["tags", "blocks", "tools"].map(|key| !agent[key].as_array().unwrap().is_empty());
        assert_eq!(counts(&app.list(&path).await), [false, false, false]);
        assert_eq!(counts(&app.list(&format!("{path}?include=agent.tags")).await), [true, false, false]);
        let both = app.list(&format!("{path}?include=agent.blocks&include=agent.tools")).await;
        assert_eq!(counts(&both), [true, true, true]);
        assert_eq!(counts(&app.list(&format!("{path}?include_relationships=tools")).await), [false, false, true]);
        let mut curl = app.client().with_header("user-agent", "curl/8.5.0");
        assert_eq!(counts(&curl.get(&path).await.unwrap().expect_json()), [true, true, true]);
        assert_error(
            &app.get(&format!("{path}?include=agent.everything")).await,
            422,
            "Input should be 'agent.blocks'",
        );
    })
    .await;
}

#[tokio::test]
async fn agents_are_listed_and_counted_by_what_is_asked_for() {
    on_each_database(async |app| {
        let mut ids = Vec::new();
        for (name, tags) in [("one", vec!["a"]), ("two", vec!["a", "b"]), ("three_", vec![])] {
            ids.push(id(&app.agent(json!({ "name": name, "tags": tags })).await).to_owned());
        }
        assert_eq!(each(&app.list("/v1/agents/").await, "name"), ["three_", "two", "one"]);
        assert_eq!(each(&app.list("/v1/agents/?order=asc&limit=2").await, "name"), ["one", "two"]);
        assert_eq!(each(&app.list(&format!("/v1/agents/?order=asc&after={}", ids[0])).await, "id"), ids[1..]);
        assert_eq!(each(&app.list(&format!("/v1/agents/?order=asc&before={}", ids[2])).await, "id"), ids[..2]);
        assert_eq!(each(&app.list("/v1/agents/?name=one").await, "name"), ["one"]);
        assert_eq!(each(&app.list("/v1/agents/?query_text=T&order=asc").await, "name"), ["two", "three_"]);
        assert_eq!(each(&app.list("/v1/agents/?query_text=_").await, "name"), ["three_"]);
        assert_eq!(each(&app.list("/v1/agents/?tags=a&tags=b&order=asc").await, "name"), ["one", "two"]);
        assert_eq!(each(&app.list("/v1/agents/?tags=a&tags=b&match_all_tags=true").await, "name"), ["two"]);
        assert_eq!(app.list("/v1/agents/?tags=c").await, json!([]));
        assert_eq!(app.list("/v1/agents/count").await, json!(3));
        assert_eq!(app.list("/v1/agents/count?tags=a").await, json!(2));
        for by in ["created_at", "updated_at", "last_run_completion"] {
            assert_eq!(app.list(&format!("/v1/agents/?order_by={by}")).await.as_array().unwrap().len(), 3, "{by}");
        }
        assert_error(&app.get("/v1/agents/?order_by=size").await, 422, "'last_run_completion'");
        assert_error(&app.get("/v1/agents/?last_stop_reason=boredom").await, 422, "Input should be 'end_turn'");
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_cannot_be_made_is_refused_and_leaves_nothing() {
    on_each_database(async |app| {
        let cases = [
            (json!({ "model": "openai/no-such-model" }), 404, "no-such-model"),
            (json!({ "model": "nonsense" }), 400, "nonsense"),
            (json!({ "model": 5 }), 422, "string_type"),
            (json!({ "model": MODEL, "name": 5 }), 422, "name"),
            (json!({ "model": MODEL, "block_ids": ["block-1"] }), 422, "block"),
            (json!({ "model": MODEL, "block_ids": ["block-123e4567-e89b-42d3-8456-426614174000"] }), 404, "block-"),
            (json!({ "model": MODEL, "tools": ["no_such_tool"] }), 400, "Tools not found by name"),
            (json!({ "model": MODEL, "agent_type": "spy" }), 422, "agent_type"),
        ];
        for (body, status, fragment) in cases {
            let response = app.post("/v1/agents/", body.clone()).await;
            assert_eq!(response.status, status, "{body}: {}", response.text());
            assert!(response.text().contains(fragment), "{body}: {}", response.text());
        }
        let twice = json!({ "model": MODEL, "memory_blocks": [
            { "label": "human", "value": "1" }, { "label": "human", "value": "2" },
        ] });
        let response = app.post("/v1/agents/", twice).await;
        assert!((400..500).contains(&response.status), "{}", response.text());
        assert_eq!(app.list("/v1/agents/count").await, json!(0));
        assert_eq!(app.list("/v1/blocks/count").await, json!(0));
    })
    .await;
}

#[tokio::test]
async fn texts_with_nul_or_of_great_length_never_break_the_server() {
    on_each_database(async |app| {
        let long = "x".repeat(20_000);
        for text in ["\0", "a\0b", long.as_str(), "", "👩‍👩‍👧 \u{202e}"] {
            for field in ["name", "description", "system", "timezone", "project_id", "agent_type", "model"] {
                let mut body = json!({ "model": MODEL });
                body[field] = json!(text);
                let response = app.post("/v1/agents/", body).await;
                assert!(response.status < 500, "{field}: {}", response.text());
            }
            for body in [
                json!({ "model": MODEL, "tags": [text] }),
                json!({ "model": MODEL, "metadata": { "key": text } }),
                json!({ "model": MODEL, "memory_blocks": [{ "label": text, "value": text, "description": text }] }),
                json!({ "model": MODEL, "secrets": { "KEY": text } }),
                json!({ "model": MODEL, "tools": [text] }),
            ] {
                let response = app.post("/v1/agents/", body).await;
                assert!(response.status < 500, "{}", response.text());
            }
        }
        assert_eq!(app.get("/v1/agents/?limit=1000").await.status, 200);
    })
    .await;
}

async fn agent_with_block(app: &mut App) -> (String, Value) {
    let agent = app.agent(json!({ "memory_blocks": [{ "label": "human", "value": "x" }] })).await;
    (format!("/v1/agents/{}/core-memory/blocks", id(&agent)), agent)
}

#[tokio::test]
async fn a_block_of_an_agent_is_read_and_changed_by_its_label() {
    on_each_database(async |app| {
        let (blocks, agent) = agent_with_block(app).await;
        assert_eq!(app.list(&format!("{blocks}/human")).await["value"], "x");
        let change = json!({ "value": "Likes green." });
        assert_eq!(app.patch(&format!("{blocks}/human"), change).await.expect_json()["value"], "Likes green.");
        assert_eq!(each(&app.list(&blocks).await, "value"), ["Likes green."]);
        let expected = format!("No block with label 'cat' found for agent '{}'", id(&agent));
        assert_error(&app.get(&format!("{blocks}/cat")).await, 404, &expected);
        assert_error(&app.get(&format!("{blocks}/%00")).await, 422, "NUL");
        assert_error(&app.get(&format!("/v1/agents/{UNKNOWN}/core-memory/blocks/human")).await, 404, "not found");
        assert_eq!(app.list(&blocks.replace("/blocks", "")).await["blocks"][0]["value"], "Likes green.");
    })
    .await;
}

#[tokio::test]
async fn a_label_with_a_slash_is_found_in_either_spelling() {
    on_each_database(async |app| {
        let (blocks, agent) = agent_with_block(app).await;
        let block = app.block("notes/today", "sunny").await;
        app.patch(&format!("{blocks}/attach/{}", id(&block)), json!({})).await.expect_json();
        for label in ["notes%2Ftoday", "notes/today", "notes%2ftoday/"] {
            assert_eq!(app.list(&format!("{blocks}/{label}")).await["value"], "sunny", "{label}");
        }
        let change = json!({ "value": "rain" });
        assert_eq!(app.patch(&format!("{blocks}/notes%2Ftoday"), change).await.expect_json()["value"], "rain");
        assert_eq!(app.list(&format!("/v1/agents/{}", id(&agent))).await["id"], agent["id"]);
    })
    .await;
}

#[tokio::test]
async fn blocks_are_attached_and_detached() {
    on_each_database(async |app| {
        let (blocks, _) = agent_with_block(app).await;
        let block = app.block("notes", "y").await;
        let attach = format!("{blocks}/attach/{}", id(&block));
        let detach = format!("{blocks}/detach/{}", id(&block));
        for _ in 0..2 {
            let agent = app.patch(&attach, json!({})).await.expect_json();
            assert_eq!(each(&agent["blocks"], "label"), ["human", "notes"]);
        }
        assert_eq!(app.list(&blocks).await.as_array().unwrap().len(), 2);
        let agent = app.patch(&detach, json!({})).await.expect_json();
        assert_eq!(each(&agent["blocks"], "label"), ["human"]);
        assert_error(&app.patch(&detach, json!({})).await, 404, "No block with id");
        assert_eq!(app.get(&format!("/v1/blocks/{}", id(&block))).await.status, 200);

        let same_label = app.block("human", "z").await;
        let response = app.patch(&format!("{blocks}/attach/{}", id(&same_label)), json!({})).await;
        assert_error(&response, 409, "A unique constraint was violated for Agent");
        assert_eq!(response.header("x-should-retry"), Some("false"));
    })
    .await;
}

#[tokio::test]
async fn tools_are_attached_and_detached() {
    on_each_database(async |app| {
        let agent = app.agent(json!({ "include_base_tools": false })).await;
        let tools = format!("/v1/agents/{}/tools", id(&agent));
        assert_eq!(app.list(&tools).await, json!([]));
        let tool = app.list("/v1/tools/?name=memory_insert").await[0].clone();
        let attach = format!("{tools}/attach/{}", id(&tool));
        for _ in 0..2 {
            assert_eq!(app.patch(&attach, json!({})).await.text(), "null");
        }
        assert_eq!(each(&app.list(&tools).await, "name"), ["memory_insert"]);
        let mut curl = app.client().with_header("user-agent", "curl/8.5.0");
        let answer = curl.send("PATCH", &attach, None).await.unwrap().expect_json();
        assert_eq!(each(&answer["tools"], "name"), ["memory_insert"]);
        let detach = format!("{tools}/detach/{}", id(&tool));
        for _ in 0..2 {
            assert_eq!(app.patch(&detach, json!({})).await.text(), "null");
        }
        assert_eq!(app.list(&tools).await, json!([]));
        let unknown = format!("{tools}/attach/tool-123e4567-e89b-42d3-8456-426614174000");
        assert_error(&app.patch(&unknown, json!({})).await, 404, "tool-123e4567");
        assert_error(&app.get(&tools.replace(id(&agent), UNKNOWN)).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn a_tool_can_be_made_to_need_an_approval() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        let path = format!("/v1/agents/{}", id(&agent));
        let approval = format!("{path}/tools/approval/memory_insert");
        let rules = |agent: &Value| agent["tool_rules"].to_string().matches("requires_approval").count();
        assert_eq!(app.patch(&approval, json!({ "requires_approval": true })).await.text(), "null");
        assert_eq!(rules(&app.list(&path).await), 1);
        let query = format!("{approval}?requires_approval=false");
        assert_eq!(app.client.send("PATCH", &query, None).await.unwrap().text(), "null");
        assert_eq!(rules(&app.list(&path).await), 0);
        let neither = app.client.send("PATCH", &approval, None).await.unwrap();
        assert_error(&neither, 422, "requires_approval must be provided either in request body or as query parameter");
        assert_error(&app.patch(&approval, json!({ "requires_aproval": true })).await, 422, "extra_forbidden");
    })
    .await;
}
