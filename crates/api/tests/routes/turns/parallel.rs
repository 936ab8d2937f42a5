//! Several tool calls in one answer.

use muisti_testkit::{Answer, ScriptedCall};
use serde_json::{Value, json};

use super::kinds;
use crate::harness::{App, MODEL, each, id, on_each_database};

fn insert(text: &str) -> ScriptedCall {
    ScriptedCall::new("memory_insert", json!({ "label": "human", "new_string": text }))
}

fn replace(old: &str, new: &str) -> ScriptedCall {
    ScriptedCall::new("memory_replace", json!({ "label": "human", "old_string": old, "new_string": new }))
}

impl App {
    /// An agent that may make several calls at once, if `fields` do not say otherwise.
    async fn at_once(&mut self, fields: Value) -> String {
        let mut body = json!({ "memory_blocks": [{ "label": "human", "value": "" }], "parallel_tool_calls": true });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.new_agent(body).await
    }
}

#[tokio::test]
async fn calls_are_one_message_and_their_returns_another_in_the_order_of_the_calls() {
    on_each_database(async |app| {
        let agent = app.at_once(json!({})).await;
        let unknown = ScriptedCall::new("no_such_tool", json!({}));
        let broken = ScriptedCall::new("memory_insert", r#"{"label": "hum"#);
        let calls = [insert("One."), unknown, broken, replace("One.", "Two.")];
        app.model.push_all([Answer::tool_calls(calls), Answer::text("Done.")]);

        let answer = app.say(&agent, "Go.").await.expect_json();

        let messages = answer["messages"].as_array().unwrap();
        assert_eq!(kinds(messages), ["tool_call_message", "tool_return_message", "assistant_message"]);
        let returns = &messages[1]["tool_returns"];
        assert_eq!(each(returns, "tool_call_id"), each(&messages[0]["tool_calls"], "tool_call_id"));
        assert_eq!(each(returns, "status"), ["success", "error", "error", "success"]);
        assert_eq!(messages[1]["tool_call_id"], returns[0]["tool_call_id"], "the older members are those of the first");
        let block = app.list(&format!("/v1/agents/{agent}/core-memory/blocks/human")).await;
        assert_eq!(block["value"], "Two.", "they were made in their order");
        assert_eq!(app.history(&agent).await[2..], messages[..]);
        assert_eq!(answer["usage"]["step_count"], 2);
        let told = app.model.last_request();
        let roles: Vec<_> = told.messages().iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "tool", "tool"]);
    })
    .await;
}

#[tokio::test]
async fn tools_that_may_run_side_by_side_go_before_those_that_may_not() {
    on_each_database(async |app| {
        let agent = app.at_once(json!({})).await;
        let tools = app.list(&format!("/v1/agents/{agent}/tools")).await;
        let tool = tools.as_array().unwrap().iter().find(|tool| tool["name"] == "memory_replace").unwrap();
        let change = json!({ "enable_parallel_execution": true });
        let changed = app.patch(&format!("/v1/tools/{}", id(tool)), change).await.expect_json();
        assert_eq!(changed["enable_parallel_execution"], true);
        let calls = [insert("One."), replace("One.", "Two."), insert("Three."), replace("None.", "Four.")];
        app.model.push_all([Answer::tool_calls(calls), Answer::text("Done.")]);

        let answer = app.say(&agent, "Go.").await.expect_json();

        let returns = &answer["messages"][1]["tool_returns"];
        assert_eq!(each(returns, "tool_call_id"), each(&answer["messages"][0]["tool_calls"], "tool_call_id"));
        // There is nothing to be replaced yet.
        assert_eq!(each(returns, "status"), ["success", "error", "success", "error"]);
    })
    .await;
}

#[tokio::test]
async fn where_rules_speak_of_an_order_only_the_first_call_is_made() {
    on_each_database(async |app| {
        let rule = |kind: &str| json!([{ "type": kind, "tool_name": "conversation_search" }]);
        for (fields, calls) in [
            (json!({}), 2),
            (json!({ "tool_rules": rule("requires_approval"), "include_base_tool_rules": false }), 2),
            (json!({ "tool_rules": rule("continue_loop"), "include_base_tool_rules": false }), 1),
            (json!({ "parallel_tool_calls": false }), 1),
            (json!({ "parallel_tool_calls": null }), 1),
        ] {
            let agent = app.at_once(fields.clone()).await;
            for tokens in [false, true] {
                app.model.push_all([Answer::tool_calls([insert("One."), insert("Two.")]), Answer::text("Done.")]);
                let frames: Vec<Value> =
                    app.stream(&agent, "Go.", tokens).await.iter().map(|event| event.json()).collect();
                assert_eq!(app.model.last_request().body["parallel_tool_calls"], calls == 2, "{fields}");
                let of_calls = frames.iter().filter(|frame| frame["message_type"] == "tool_call_message");
                let mut ids: Vec<String> = of_calls
                    .flat_map(|frame| match &frame["tool_calls"] {
                        Value::Array(calls) => calls.clone(),
                        delta => vec![delta.clone()],
                    })
                    .map(|call| call["tool_call_id"].as_str().unwrap().to_owned())
                    .collect();
                ids.dedup();
                let returned = frames.iter().find(|frame| frame["message_type"] == "tool_return_message").unwrap();
                assert_eq!(ids, each(&returned["tool_returns"], "tool_call_id"), "{fields}");
                assert_eq!(ids.len(), calls, "{fields}");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn whether_several_calls_were_asked_for_is_shown_as_it_was_said() {
    on_each_database(async |app| {
        let settings = |parallel: bool| json!({ "provider_type": "openai", "parallel_tool_calls": parallel });
        let shown = |agent: &Value| {
            (agent["model_settings"]["parallel_tool_calls"].clone(), agent["llm_config"]["parallel_tool_calls"].clone())
        };
        let agent = app.agent(json!({})).await;
        assert_eq!(shown(&agent), (json!(true), json!(false)), "as clients know it where nothing was said");
        for (fields, said) in [
            (json!({ "model_settings": settings(false) }), false),
            (json!({ "model_settings": settings(true) }), true),
            (json!({ "model_settings": settings(true), "parallel_tool_calls": false }), false),
            (json!({ "parallel_tool_calls": true }), true),
        ] {
            let made = app.agent(fields.clone()).await;
            assert_eq!(shown(&made), (json!(said), json!(said)), "{fields}");
            let changed = app.patch(&format!("/v1/agents/{}", id(&agent)), fields.clone()).await.expect_json();
            assert_eq!(shown(&changed), (json!(said), json!(said)), "{fields}");
            assert_eq!(shown(&app.list(&format!("/v1/agents/{}", id(&agent))).await), shown(&changed));
        }
    })
    .await;
}

#[tokio::test]
async fn another_model_is_asked_for_as_many_calls_as_the_agents_unless_its_settings_say_so() {
    on_each_database(async |app| {
        let agent = app.at_once(json!({})).await;
        let settings = json!({ "provider_type": "openai", "parallel_tool_calls": false });
        for (body, parallel) in [
            (json!({}), true),
            (json!({ "model": MODEL }), true),
            (json!({ "model": MODEL, "model_settings": settings }), false),
        ] {
            let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), body).await.expect_json();
            let path = format!("/v1/conversations/{}/messages/preview-raw-payload", id(&made));
            let preview = app.post(&path, json!({ "input": "Go." })).await.expect_json();
            assert_eq!(preview["parallel_tool_calls"], parallel);
        }
        let path = format!("/v1/agents/{agent}/messages/preview-raw-payload");
        let preview = app.post(&path, json!({ "input": "Go.", "override_model": MODEL })).await.expect_json();
        assert_eq!(preview["parallel_tool_calls"], true);
    })
    .await;
}
