//! What a model can answer, and what becomes of it.

use muisti_testkit::{Answer, CallId, ScriptedCall};
use serde_json::{Value, json};

use super::kinds;
use crate::harness::on_each_database;

fn insert(text: &str) -> ScriptedCall {
    ScriptedCall::new("memory_insert", json!({ "label": "human", "new_string": text }))
}

#[tokio::test]
async fn a_model_that_has_nothing_to_say_ends_the_turn() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({ "memory_blocks": [{ "label": "human", "value": "" }] })).await;
        app.model.push(Answer::text(""));
        let answer = app.say(&agent, "Say nothing.").await.expect_json();
        assert_eq!((&answer["messages"], &answer["stop_reason"]["stop_reason"]), (&json!([]), &json!("end_turn")));
        assert_eq!(answer["usage"]["step_count"], 1);
        for tokens in [false, true] {
            app.model.push_all([Answer::tool_calls([insert("x")]), Answer::text("")]);
            let frames: Vec<Value> =
                app.stream(&agent, "Write.", tokens).await.iter().map(|event| event.json()).collect();
            let mut told = kinds(&frames[..frames.len() - 1]);
            told.dedup();
            let expected = ["ping", "tool_call_message", "tool_return_message", "stop_reason", "usage_statistics"];
            assert_eq!(told, expected, "tokens: {tokens}");
        }
        let turn = ["user_message", "tool_call_message", "tool_return_message"];
        let expected = [&["system_message", "user_message"][..], &turn, &turn].concat();
        assert_eq!(kinds(&app.history(&agent).await), expected);
        app.say(&agent, "And now?").await.expect_json();
    })
    .await;
}

#[tokio::test]
async fn thoughts_alone_are_an_answer() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::text("").reasoning("Better not."));
        let answer = app.say(&agent, "What do you think?").await.expect_json();
        assert_eq!(kinds(answer["messages"].as_array().unwrap()), ["reasoning_message"]);
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        app.say(&agent, "And now?").await.expect_json();
        assert_eq!(kinds(&app.history(&agent).await)[1..3], ["user_message", "reasoning_message"]);
    })
    .await;
}

#[tokio::test]
async fn a_tool_that_must_still_be_called_is_named_to_a_model_that_stops() {
    on_each_database(async |app| {
        let rules = json!([{ "type": "required_before_exit", "tool_name": "memory_insert" }]);
        let fields = json!({
            "memory_blocks": [{ "label": "human", "value": "" }],
            "tool_rules": rules,
            "include_base_tool_rules": false,
        });
        let agent = app.new_agent(fields).await;
        app.model.push_all([
            Answer::text(""),
            Answer::text("Bye."),
            Answer::tool_calls([insert("x")]),
            Answer::text("Bye, really."),
        ]);
        let answer = app.say(&agent, "Go.").await.expect_json();
        let expected = ["assistant_message", "tool_call_message", "tool_return_message", "assistant_message"];
        assert_eq!(kinds(answer["messages"].as_array().unwrap()), expected, "what the server says is not for clients");
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert_eq!(answer["usage"]["step_count"], 4);
        let listed = app.history(&agent).await;
        let reminders = listed.iter().filter(|message| message["message_type"] == "user_message");
        let reminders = reminders.filter(|message| message["content"].as_str().unwrap().contains("memory_insert"));
        assert_eq!(reminders.count(), 2);
    })
    .await;
}

#[tokio::test]
async fn a_call_is_mended_where_it_can_be() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({ "memory_blocks": [{ "label": "human", "value": "" }] })).await;
        let arguments = json!({ "label": "human", "new_string": "One." }).to_string();
        let twice = ScriptedCall::new("memory_insert", format!("{arguments}{arguments}"));
        let quoted = ScriptedCall::new("memory_insert", Value::String(Value::String(arguments.clone()).to_string()));
        let nameless = ScriptedCall { id: CallId::Missing, ..ScriptedCall::new("memory_insert", arguments) };
        for call in [twice, quoted, nameless] {
            app.model.push_all([Answer::tool_calls([call]), Answer::text("Done.")]);
            let answer = app.say(&agent, "Write.").await.expect_json();
            let (call, returned) = (&answer["messages"][0]["tool_call"], &answer["messages"][1]);
            assert_eq!(returned["status"], "success", "{answer}");
            assert!(!call["tool_call_id"].as_str().unwrap().is_empty());
            assert_eq!(call["tool_call_id"], returned["tool_call_id"]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_is_listed_with_the_clients_own_id_and_its_parts_are_counted() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({ "memory_blocks": [{ "label": "human", "value": "" }] })).await;
        app.model.push_all([
            Answer::tool_calls([insert("x")]).and_text("Let me see.").reasoning("Hm."),
            Answer::text("Noted."),
        ]);
        let body = json!({ "messages": [{ "role": "user", "content": "Go.", "otid": "of-the-client" }] });
        let answer = app.post(&format!("/v1/agents/{agent}/messages"), body).await.expect_json();
        let listed = app.history(&agent).await;
        assert_eq!((&listed[1]["content"], &listed[1]["otid"]), (&json!("Go."), &json!("of-the-client")));
        assert_eq!(listed[2..], answer["messages"].as_array().unwrap()[..]);
        let last = |message: &Value| message["otid"].as_str().unwrap().chars().last().unwrap();
        let numbers: Vec<char> = listed[2..].iter().map(last).collect();
        assert_eq!(numbers, ['0', '1', '2', '0', '0']);
        assert_eq!(listed[2]["id"], listed[4]["id"], "thought, words and call are one message");
        assert!(listed[1..].iter().all(|message| message["run_id"] == listed[1]["run_id"]));
    })
    .await;
}

#[tokio::test]
async fn another_model_for_one_request_is_not_the_agents() {
    on_each_database(async |app| {
        let settings = json!({ "provider_type": "openai", "temperature": 0.4 });
        let agent = app.agent(json!({ "model_settings": settings })).await;
        let path = format!("/v1/agents/{}", crate::harness::id(&agent));
        let body = json!({ "input": "Hello.", "override_model": "openai-proxy/scripted" });
        app.post(&format!("{path}/messages"), body).await.expect_json();
        assert_eq!(app.model.last_request().body["temperature"], 1.0);
        app.post(&format!("{path}/messages"), json!({ "input": "Hello." })).await.expect_json();
        assert_eq!(app.model.last_request().body["temperature"], 0.4);
        let after = app.list(&path).await;
        assert_eq!((&after["llm_config"], &after["model"]), (&agent["llm_config"], &agent["model"]));
        let body = json!({ "input": "Hello.", "override_model": "nobody/none" });
        assert_eq!(app.post(&format!("{path}/messages"), body).await.status, 404);
    })
    .await;
}
