//! Answers of a model that are not as they should be: nothing of them does harm, and the agent goes on.

use muisti_testkit::{Answer, ScriptedCall};
use serde_json::{Value, json};

use super::{compaction::assert_paired, kinds};
use crate::harness::{App, assert_error, on_each_database};

const PATH: &str = "/v1/agents";

/// An agent with an empty block to write into.
async fn writer(app: &mut App, fields: Value) -> String {
    let mut body = json!({ "memory_blocks": [{ "label": "human", "value": "" }], "include_base_tool_rules": false });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    app.new_agent(body).await
}

async fn memory(app: &mut App, agent: &str) -> String {
    let block = app.list(&format!("{PATH}/{agent}/core-memory/blocks/human")).await;
    block["value"].as_str().unwrap().to_owned()
}

fn insert(text: &str) -> ScriptedCall {
    ScriptedCall::new("memory_insert", json!({ "label": "human", "new_string": text }))
}

/// The ids of all calls that the model was last shown.
fn calls_shown(app: &App) -> Vec<String> {
    let request = app.model.last_request();
    assert_paired(&request);
    let calls = request.messages().iter().flat_map(|message| message["tool_calls"].as_array().cloned());
    calls.flatten().map(|call| call["id"].as_str().unwrap().to_owned()).collect()
}

/// The ids of the calls and of the returns among these messages, each once, in their order.
fn ids_of(messages: &[Value], kind: &str) -> Vec<String> {
    let of_kind = messages.iter().filter(|message| message["message_type"] == kind);
    let id = |message: &Value| {
        let call =
            if kind == "tool_call_message" { &message["tool_call"]["tool_call_id"] } else { &message["tool_call_id"] };
        call.as_str().unwrap().to_owned()
    };
    let mut ids: Vec<String> = of_kind.map(id).collect();
    ids.dedup();
    ids
}

#[tokio::test]
async fn calls_that_are_counted_anew_in_each_answer_are_told_apart() {
    on_each_database(async |app| {
        let agent = writer(app, json!({})).await;
        for tokens in [false, true] {
            let before = app.history(&agent).await.len();
            app.model.push_all([
                Answer::tool_calls([insert("One.").with_id("call_0")]),
                Answer::tool_calls([insert("Two.").with_id("call_0")]),
                Answer::text("Done."),
            ]);
            let frames: Vec<Value> = app
                .stream(&agent, "Write.", tokens)
                .await
                .iter()
                .filter(|event| !event.is_done())
                .map(|event| event.json())
                .collect();
            let shown = calls_shown(app);
            let listed = app.history(&agent).await;
            let listed = &listed[before..];
            let called = ids_of(listed, "tool_call_message");
            assert_eq!(called.len(), 2);
            assert!(called[0] != called[1] && called[1].starts_with("call_") && called[1] != "call_0", "{called:?}");
            assert_eq!(shown[shown.len() - 2..], called[..], "the model is shown both");
            for messages in [listed, frames.as_slice()] {
                assert_eq!(ids_of(messages, "tool_call_message"), called, "tokens: {tokens}");
                assert_eq!(ids_of(messages, "tool_return_message"), called, "tokens: {tokens}");
            }
        }
        assert_eq!(calls_shown(app).len(), 4);
        assert_eq!(memory(app, &agent).await, "One.\nTwo.\nOne.\nTwo.");
    })
    .await;
}

#[tokio::test]
async fn an_approval_is_of_the_call_that_it_was_given_for_and_of_no_later_one() {
    on_each_database(async |app| {
        let rules = json!([{ "type": "requires_approval", "tool_name": "memory_insert" }]);
        let agent = writer(app, json!({ "tool_rules": rules })).await;
        let path = format!("{PATH}/{agent}/messages");
        let approve = |call: &str| {
            let approval = json!({ "type": "approval", "tool_call_id": call, "approve": true });
            json!({ "messages": [{ "type": "approval", "approvals": [approval] }] })
        };
        app.model.push(Answer::tool_calls([insert("One.").with_id("call_0")]));
        app.say(&agent, "Write.").await.expect_json();
        app.post(&path, approve("call_0")).await.expect_json();
        app.model.push(Answer::tool_calls([insert("Two.").with_id("call_0")]));
        let waits = app.say(&agent, "Write more.").await.expect_json();
        assert_eq!(waits["stop_reason"]["stop_reason"], "requires_approval");
        let call = waits["messages"][0]["tool_call"]["tool_call_id"].as_str().unwrap().to_owned();
        assert_ne!(call, "call_0");
        assert_error(&app.post(&path, approve("call_0")).await, 400, "Invalid tool call IDs");
        assert_eq!(memory(app, &agent).await, "One.");
        app.post(&path, approve(&call)).await.expect_json();
        assert_eq!(memory(app, &agent).await, "One.\nTwo.");
    })
    .await;
}

#[tokio::test]
async fn a_call_that_breaks_off_is_not_carried_out_with_half_its_arguments() {
    on_each_database(async |app| {
        let agent = writer(app, json!({})).await;
        app.model.push_all([Answer::tool_calls([insert("Name: Anna. Lives in Turku.")]), Answer::text("Noted.")]);
        app.say(&agent, "I am Anna.").await.expect_json();
        let half = r#"{"label":"human","old_string":"Name: Anna. Lives in Turku.","new_string":"Name: Ann"#;
        for finish in ["length", "stop"] {
            app.model
                .push_all([Answer::tool_call("memory_replace", half).finish_reason(finish), Answer::text("Well.")]);
            let answer = app.say(&agent, "I moved to Oulu.").await.expect_json();
            let messages = answer["messages"].as_array().unwrap();
            assert_eq!(kinds(messages), ["tool_call_message", "tool_return_message", "assistant_message"]);
            assert_eq!(messages[0]["tool_call"]["arguments"], half, "as the model wrote it");
            assert_eq!(messages[1]["status"], "error");
            let told = messages[1]["tool_return"].as_str().unwrap();
            assert!(told.contains("broke off before their end") && told.contains("Send the call again"), "{told}");
            assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
            assert_eq!(memory(app, &agent).await, "Name: Anna. Lives in Turku.");
        }
    })
    .await;
}

#[tokio::test]
async fn an_older_agent_does_not_say_half_of_what_it_meant() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({ "agent_type": "memgpt_v2_agent", "reasoning": true })).await;
        app.model.push_all([
            Answer::tool_call("send_message", r#"{"thinking":"A secret.","message":"The password is not"#)
                .finish_reason("length"),
            Answer::tool_call("send_message", json!({ "thinking": "Short.", "message": "I keep it." })),
        ]);
        let answer = app.say(&agent, "What is the password?").await.expect_json();
        let said = answer["messages"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|message| message["message_type"] == "assistant_message");
        let said: Vec<&str> =
            said.filter_map(|message| message["content"].as_str()).filter(|text| !text.is_empty()).collect();
        assert_eq!(said, ["I keep it."], "{answer:#}");
        assert_eq!(answer["usage"]["step_count"], 2);
        assert_paired(&app.model.last_request());
    })
    .await;
}

#[tokio::test]
async fn what_strict_providers_refuse_in_a_call_is_not_sent_to_them_again() {
    on_each_database(async |app| {
        let agent = writer(app, json!({})).await;
        let malformed = [
            ("memory_insert", r#""remember""#),
            ("memory_insert", "[1, 2]"),
            ("memory insert!", "{}"),
            ("", "{}"),
            ("memory_insert", r#"{"label": "human"}{"#),
        ];
        for (name, arguments) in malformed {
            app.model.push_all([Answer::tool_call(name, Value::from(arguments)), Answer::text("Oh.")]);
            let answer = app.say(&agent, "Write.").await.expect_json();
            assert_eq!(answer["messages"][1]["status"], "error", "{answer}");
        }
        app.say(&agent, "And now?").await.expect_json();
        let request = app.model.last_request();
        let calls = request.messages().iter().filter_map(|message| message["tool_calls"].as_array()).flatten();
        let sent: Vec<(&str, Value)> = calls
            .map(|call| &call["function"])
            .map(|call| {
                (call["name"].as_str().unwrap(), serde_json::from_str(call["arguments"].as_str().unwrap()).unwrap())
            })
            .collect();
        let expected = [
            ("memory_insert", json!({})),
            ("memory_insert", json!({})),
            ("memory_insert_", json!({})),
            ("unknown_tool", json!({})),
            ("memory_insert", json!({ "label": "human" })),
        ];
        assert_eq!(sent, expected);
    })
    .await;
}

#[tokio::test]
async fn arguments_that_only_older_agents_have_are_no_fault() {
    on_each_database(async |app| {
        let agent = writer(app, json!({})).await;
        let call = ScriptedCall::new(
            "memory_insert",
            json!({ "thinking": "Keep it.", "label": "human", "new_string": "One.", "request_heartbeat": true }),
        );
        app.model.push_all([Answer::tool_calls([call]), Answer::text("Noted.")]);
        let answer = app.say(&agent, "Write.").await.expect_json();
        let messages = answer["messages"].as_array().unwrap();
        assert_eq!(messages[1]["status"], "success", "{answer}");
        let arguments: Value = serde_json::from_str(messages[0]["tool_call"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({ "label": "human", "new_string": "One." }));

        // A tool of the client that has such an argument itself gets it.
        let parameters = json!({ "type": "object", "properties": { "thinking": { "type": "string" } } });
        let tools = json!([{ "name": "ponder", "description": "Ponders.", "parameters": parameters }]);
        let written = json!({ "thinking": "Hm.", "request_heartbeat": false });
        app.model.push(Answer::tool_calls([ScriptedCall::new("ponder", written)]));
        let body = json!({ "input": "Ponder.", "client_tools": tools });
        let answer = app.post(&format!("{PATH}/{agent}/messages"), body).await.expect_json();
        let arguments = answer["messages"][0]["tool_call"]["arguments"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(arguments).unwrap(), json!({ "thinking": "Hm." }));
    })
    .await;
}

#[tokio::test]
async fn nothing_that_was_cut_off_is_nothing() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::text("").finish_reason("length"));
        let answer = app.say(&agent, "Tell me.").await.expect_json();
        assert_eq!((&answer["messages"], &answer["stop_reason"]["stop_reason"]), (&json!([]), &json!("end_turn")));
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_told_as_one() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::tokens(9).broken_frame_at(3));
        assert_error(&app.say(&agent, "Hello.").await, 400, "not readable JSON");
        let run = app.list(&format!("/v1/runs/?agent_id={agent}&limit=1")).await;
        assert_eq!((&run[0]["status"], &run[0]["stop_reason"]), (&json!("failed"), &json!("invalid_llm_response")));
        app.model.push(Answer::tokens(9).broken_frame_at(3));
        let frames = app.stream(&agent, "Hello.", true).await;
        let frames: Vec<Value> = frames.iter().filter(|event| !event.is_done()).map(|event| event.json()).collect();
        let [stop, error] = &frames[frames.len() - 2..] else { panic!("{frames:?}") };
        assert_eq!(stop["stop_reason"], "invalid_llm_response");
        assert_eq!(error["error_type"], "llm_error");
        assert!(error["detail"].as_str().unwrap().contains("not readable JSON"), "{error}");
        app.say(&agent, "And now?").await.expect_json();
    })
    .await;
}
