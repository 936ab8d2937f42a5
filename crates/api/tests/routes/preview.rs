//! What a model would be asked, and what another program has asked one: previews and captures.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use crate::harness::{App, assert_error, id, on_each_database};

const UNKNOWN: &str = "agent-123e4567-e89b-42d3-8456-426614174000";

fn sky() -> Value {
    let schema = json!({ "type": "object", "properties": { "sky": { "type": "string" } }, "required": ["sky"] });
    json!({ "type": "json_schema", "json_schema": { "name": "sky", "schema": schema } })
}

impl App {
    /// What the model would be asked by this agent for a text.
    async fn preview(&mut self, agent: &str, fields: Value) -> Value {
        let mut body = json!({ "input": "Hello" });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.post(&format!("/v1/agents/{agent}/messages/preview-raw-payload"), body).await.expect_json()
    }
}

#[tokio::test]
async fn a_preview_is_what_is_sent_and_leaves_nothing_behind() {
    on_each_database(async |app| {
        let agent = id(&app.agent(json!({})).await).to_owned();
        let before = app.list(&format!("/v1/agents/{agent}")).await;
        let preview = app.preview(&agent, json!({})).await;
        assert_eq!(preview["model"], "scripted");
        assert_eq!(preview["messages"][0]["role"], "system");
        assert_eq!(app.model.requests().iter().filter(|request| request.path.contains("completions")).count(), 0);
        assert_eq!(app.list(&format!("/v1/agents/{agent}")).await, before);
        assert_eq!(app.list(&format!("/v1/runs/?agent_id={agent}")).await, json!([]));
        assert_eq!(app.list(&format!("/v1/steps/?agent_id={agent}")).await, json!([]));

        app.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": "Hello" })).await.expect_json();
        assert_eq!(app.model.last_request().body, preview);
    })
    .await;
}

#[tokio::test]
async fn a_preview_obeys_the_request() {
    on_each_database(async |app| {
        let agent = id(&app.agent(json!({})).await).to_owned();
        let preview = app.preview(&agent, json!({ "override_system": "Be brief.", "top_logprobs": 2 })).await;
        assert_eq!(preview["messages"][0]["content"], "Be brief.");
        assert!(preview.get("logprobs").is_none());
        let preview = app.preview(&agent, json!({ "return_logprobs": true, "top_logprobs": 2 })).await;
        assert_eq!((&preview["logprobs"], &preview["top_logprobs"]), (&json!(true), &json!(2)));

        let path = format!("/v1/agents/{agent}/messages/preview-raw-payload");
        assert_error(&app.post(&path, json!({ "messages": [] })).await, 422, "Messages must not be empty");
        assert_error(&app.post(&path, json!({ "input": "x", "override_model": "openai/none" })).await, 404, "none");
        let unknown = format!("/v1/agents/{UNKNOWN}/messages/preview-raw-payload");
        assert_error(&app.post(&unknown, json!({ "input": "x" })).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn a_conversation_is_previewed_with_its_own_history() {
    on_each_database(async |app| {
        let agent = id(&app.agent(json!({})).await).to_owned();
        app.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": "In the default." })).await.expect_json();
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let of = |name: &str| format!("/v1/conversations/{name}/messages/preview-raw-payload");
        let own = app.post(&of(id(&made)), json!({ "input": "Here." })).await.expect_json().to_string();
        assert!(own.contains("Here.") && !own.contains("In the default."), "{own}");
        for path in [of(&agent), of("default")] {
            let body = json!({ "input": "Here.", "agent_id": agent });
            let default = app.post(&path, body).await.expect_json().to_string();
            assert!(default.contains("Here.") && default.contains("In the default."), "{default}");
        }
        assert_error(&app.post(&of(id(&made)), json!({ "messages": [] })).await, 422, "Messages must not be empty");
        assert_error(&app.post(&of("default"), json!({ "input": "x" })).await, 404, "agent_id");
    })
    .await;
}

#[tokio::test]
async fn the_form_of_answers_is_that_of_the_model_or_else_of_the_agent() {
    on_each_database(async |app| {
        let settings = json!({ "provider_type": "openai", "response_format": { "type": "json_object" } });
        let both = json!({ "model_settings": settings, "response_format": sky() });
        let agent = id(&app.agent(both).await).to_owned();
        assert_eq!(app.preview(&agent, json!({})).await["response_format"], json!({ "type": "json_object" }));

        let agent = id(&app.agent(json!({ "response_format": sky() })).await).to_owned();
        assert_eq!(app.preview(&agent, json!({})).await["response_format"], sky());

        let older = json!({ "agent_type": "memgpt_v2_agent", "response_format": sky() });
        let agent = id(&app.agent(older).await).to_owned();
        let preview = app.preview(&agent, json!({})).await;
        assert!(preview.get("response_format").is_none());
        let tools = preview["tools"].as_array().unwrap();
        let speaks = tools.iter().find(|tool| tool["function"]["name"] == "send_message").unwrap();
        let message = &speaks["function"]["parameters"]["properties"]["message"];
        assert_eq!(message["properties"]["sky"]["type"], "string", "{message}");
    })
    .await;
}

#[tokio::test]
async fn a_foreign_turn_is_stored_beside_the_context() {
    on_each_database(async |app| {
        let agent = id(&app.agent(json!({})).await).to_owned();
        let before = app.list(&format!("/v1/agents/{agent}")).await["message_ids"].clone();
        let body = json!({
            "provider": "anthropic", "model": "claude",
            "request_messages": [
                { "role": "system", "content": "Be kind." },
                { "role": "user", "content": [{ "type": "text", "text": "What is the sky?" }] },
            ],
            "response_dict": { "content": [{ "type": "text", "text": "Blue." }] },
        });
        let path = format!("/v1/agents/{agent}/messages/capture");
        let stored = app.post(&path, body.clone()).await.expect_json();
        assert_eq!(stored, json!({ "success": true, "messages_created": 2, "run_ids": [] }));
        assert_eq!(app.list(&format!("/v1/agents/{agent}")).await["message_ids"], before);
        let listed = app.list(&format!("/v1/agents/{agent}/messages?order=asc")).await;
        let last: Vec<_> = listed.as_array().unwrap().iter().rev().take(2).collect();
        assert_eq!((&last[1]["content"], &last[0]["content"]), (&json!("What is the sky?"), &json!("Blue.")));
        app.model.push(Answer::text("Hi."));
        app.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": "Hello" })).await.expect_json();
        assert!(!app.model.last_request().body.to_string().contains("What is the sky?"));
        let unknown = app.post(&format!("/v1/agents/{UNKNOWN}/messages/capture"), body).await;
        assert_error(&unknown, 404, "not found");
    })
    .await;
}
