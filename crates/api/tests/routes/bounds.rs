//! Requests with more in them than one statement of a database can hold: carried out, or refused in words.

use serde_json::{Value, json};

use crate::harness::{assert_error, id, on_each_database};

/// The query string that gives a parameter so many values.
fn repeated(name: &str, count: usize) -> String {
    (0..count).map(|n| format!("{name}=v{n}&")).collect()
}

fn texts(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("t{n}")).collect()
}

#[tokio::test]
async fn more_messages_are_stored_than_fit_into_one_statement() {
    on_each_database(async |app| {
        let sequence: Vec<Value> = (0..2_000).map(|n| json!({ "role": "user", "content": format!("{n}") })).collect();
        let agent = app.agent(json!({ "initial_message_sequence": sequence, "tags": texts(9_000) })).await;
        assert_eq!(agent["message_ids"].as_array().unwrap().len(), 2_001);
        assert_eq!(agent["tags"].as_array().unwrap().len(), 9_000);

        // What an agent of an older type said is two messages.
        let older = app.agent(json!({ "agent_type": "memgpt_v2_agent" })).await;
        let said: Vec<Value> = (0..1_000).map(|n| json!({ "role": "assistant", "content": format!("{n}") })).collect();
        let path = "/v1/conversations/default/messages/import";
        let stored = app.post(path, json!({ "agent_id": id(&older), "messages": said })).await.expect_json();
        assert_eq!(stored.as_array().unwrap().len(), 1_000);
    })
    .await;
}

#[tokio::test]
async fn a_capture_brings_as_many_messages_as_an_import() {
    on_each_database(async |app| {
        let agent = id(&app.agent(json!({})).await).to_owned();
        let path = format!("/v1/agents/{agent}/messages/capture");
        let body = |count: usize| {
            let said: Vec<Value> = (0..count).map(|n| json!({ "role": "user", "content": format!("{n}") })).collect();
            json!({ "provider": "anthropic", "model": "m", "request_messages": said, "response_dict": {} })
        };
        assert_eq!(app.post(&path, body(1_000)).await.expect_json()["messages_created"], 1_000);
        assert_error(&app.post(&path, body(1_001)).await, 422, "at most 1000 messages, not 1001");
    })
    .await;
}

#[tokio::test]
async fn a_parameter_has_a_bounded_number_of_values() {
    on_each_database(async |app| {
        let agent = id(&app.agent(json!({})).await).to_owned();
        for (path, name) in [
            ("/v1/steps/", "tags"),
            ("/v1/steps/", "trace_ids"),
            ("/v1/_internal_runs/", "tools_used"),
            ("/v1/agents/", "tags"),
            ("/v1/agents/", "match_all_tags=true&tags"),
            ("/v1/agents/", "identifier_keys"),
            ("/v1/blocks/", "tags"),
            ("/v1/blocks/", "match_all_tags=true&tags"),
            ("/v1/tools/", "names"),
            (&format!("/v1/agents/{agent}/archival-memory/search"), "query=x&tag_match_mode=all&tags"),
        ] {
            assert_eq!(app.get(&format!("{path}?{}", repeated(name, 500))).await.status, 200, "{path} {name}");
            let more = app.get(&format!("{path}?{}", repeated(name, 1_500))).await;
            assert_error(&more, 422, "at most 500 items");
        }
    })
    .await;
}

#[tokio::test]
async fn a_list_in_a_body_has_a_bound() {
    on_each_database(async |app| {
        let tool = "tool-123e4567-e89b-42d3-8456-426614174000";
        let block = "block-123e4567-e89b-42d3-8456-426614174000";
        for (field, list) in [
            ("tags", json!(texts(10_001))),
            ("tools", json!(texts(10_001))),
            ("tool_ids", json!(vec![tool; 10_001])),
            ("block_ids", json!(vec![block; 10_001])),
        ] {
            let body = json!({ "model": "openai/scripted", "include_base_tools": false, field: list });
            assert_error(&app.post("/v1/agents/", body).await, 422, &format!("{field} has 10001 items"));
        }
        app.post("/v1/archives/", json!({ "name": "a" })).await.expect_json();
        let search = |count: usize| json!({ "query": "", "tags": texts(count), "tag_match_mode": "all" });
        app.post("/v1/passages/search", search(500)).await.expect_json();
        assert_error(&app.post("/v1/passages/search", search(501)).await, 422, "at most 500 tags, not 501");
    })
    .await;
}
