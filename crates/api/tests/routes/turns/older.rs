//! Turns of the older types of agents: one call a step, words by the message tool, thoughts and heartbeats in arguments.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::kinds;
use crate::harness::{App, on_each_database};

/// An agent of an older type that thinks in arguments.
async fn older(app: &mut App, more: Value) -> String {
    let mut fields = json!({ "agent_type": "memgpt_v2_agent", "reasoning": true });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let agent = app.new_agent(fields).await;
    app.model.clear_requests();
    agent
}

fn says(thought: &str, words: &str) -> Answer {
    Answer::tool_call("send_message", json!({ "thinking": thought, "message": words }))
}

fn remembers(heartbeat: bool) -> Answer {
    let arguments =
        json!({ "thinking": "Keep it.", "label": "human", "new_string": "Has a cat.", "request_heartbeat": heartbeat });
    Answer::tool_call("memory_insert", arguments)
}

/// The messages that a stream adds up to: kind, otid and text of each.
fn whole(frames: &[Value]) -> Vec<(String, String, String)> {
    let mut messages: Vec<(String, String, String)> = Vec::new();
    for frame in frames.iter().filter(|frame| frame["otid"].is_string()) {
        let text = [&frame["content"], &frame["reasoning"], &frame["tool_call"]["arguments"], &frame["tool_return"]];
        let text = text.into_iter().find_map(Value::as_str).unwrap_or_default();
        let key = |name: &str| frame[name].as_str().unwrap().to_owned();
        match messages.last_mut() {
            Some((kind, otid, all)) if *kind == key("message_type") && *otid == key("otid") => all.push_str(text),
            _ => messages.push((key("message_type"), key("otid"), text.to_owned())),
        }
    }
    messages
}

#[tokio::test]
async fn the_message_tool_is_how_an_older_agent_speaks() {
    on_each_database(async |app| {
        let agent = older(app, json!({})).await;
        let before = app.history(&agent).await.len();
        app.model.push(says("A greeting.", "Hello to you."));
        let answer = app.say(&agent, "Hello.").await.expect_json();
        let messages = answer["messages"].as_array().unwrap();
        assert_eq!(kinds(messages), ["reasoning_message", "assistant_message"]);
        assert_eq!(
            (&messages[0]["reasoning"], &messages[0]["source"]),
            (&json!("A greeting."), &json!("non_reasoner_model"))
        );
        assert_eq!(messages[1]["content"], "Hello to you.");
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        // The return of the message tool is hidden from the list too.
        let history = app.history(&agent).await;
        assert_eq!(kinds(&history[before..]), ["user_message", "reasoning_message", "assistant_message"]);
        assert_eq!(history[before + 1]["id"], messages[0]["id"]);
    })
    .await;
}

#[tokio::test]
async fn tools_are_offered_with_a_thought_and_a_heartbeat_and_one_must_be_called() {
    on_each_database(async |app| {
        let agent = older(app, json!({})).await;
        app.model.push(says("Hm.", "Hello."));
        app.say(&agent, "Hello.").await.expect_json();
        let request = app.model.last_request();
        assert_eq!(request.body["tool_choice"], "required");
        for tool in request.body["tools"].as_array().unwrap() {
            let parameters = &tool["function"]["parameters"];
            let names: Vec<&String> = parameters["properties"].as_object().unwrap().keys().collect();
            assert_eq!(names[0], "thinking");
            let asks = names.iter().any(|name| *name == "request_heartbeat");
            // A tool that ends the turn is not asked about.
            assert_eq!(asks, tool["function"]["name"] != "send_message", "{tool:#}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_heartbeat_wakes_the_agent_again_and_is_written_into_the_call() {
    on_each_database(async |app| {
        let agent = older(app, json!({ "include_base_tool_rules": false })).await;
        let before = app.history(&agent).await.len();
        app.model.push_all([remembers(true), says("Done.", "Noted.")]);
        let answer = app.say(&agent, "I have a cat.").await.expect_json();
        let shown = answer["messages"].as_array().unwrap();
        assert_eq!(
            kinds(shown),
            ["reasoning_message", "tool_call_message", "tool_return_message", "reasoning_message", "assistant_message"]
        );
        let arguments: Value = serde_json::from_str(shown[1]["tool_call"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments, json!({ "label": "human", "new_string": "Has a cat.", "request_heartbeat": true }));
        let history = app.history(&agent).await;
        let heartbeat = &history[before + 4];
        assert_eq!(heartbeat["message_type"], "user_message");
        assert!(heartbeat["otid"].is_string());
        let envelope: Value = serde_json::from_str(heartbeat["content"].as_str().unwrap()).unwrap();
        assert_eq!(envelope["type"], "heartbeat");
        let reason = envelope["reason"].as_str().unwrap();
        assert!(reason.starts_with("[This is an automated system message hidden from the user] "), "{reason}");
        assert_eq!(app.model.last_request().last_role(), "user");
    })
    .await;
}

#[tokio::test]
async fn without_a_heartbeat_the_turn_is_over() {
    on_each_database(async |app| {
        let agent = older(app, json!({ "include_base_tool_rules": false })).await;
        app.model.push(remembers(false));
        let answer = app.say(&agent, "I have a cat.").await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let shown = answer["messages"].as_array().unwrap();
        let arguments: Value = serde_json::from_str(shown[1]["tool_call"]["arguments"].as_str().unwrap()).unwrap();
        assert_eq!(arguments["request_heartbeat"], false);
        assert_eq!(app.model.requests().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_rule_says_better_than_a_heartbeat_whether_a_turn_goes_on() {
    on_each_database(async |app| {
        let rules = json!([
            { "type": "continue_loop", "tool_name": "memory_insert" },
            { "type": "exit_loop", "tool_name": "send_message" },
        ]);
        let agent = older(app, json!({ "tool_rules": rules, "include_base_tool_rules": false })).await;
        app.model.push_all([remembers(false), says("Done.", "Noted.")]);
        let answer = app.say(&agent, "I have a cat.").await.expect_json();
        assert_eq!(answer["usage"]["step_count"], 2);
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let wants_more = json!({ "thinking": "More.", "message": "Yes.", "request_heartbeat": true });
        app.model.push(Answer::tool_call("send_message", wants_more));
        let answer = app.say(&agent, "Is that so?").await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "tool_rule");
    })
    .await;
}

#[tokio::test]
async fn a_tool_that_ends_the_turn_ends_it_whatever_else_rules_say_of_it() {
    on_each_database(async |app| {
        for rule in [
            json!({ "type": "max_count_per_step", "tool_name": "send_message", "max_count_limit": 1 }),
            json!({ "type": "constrain_child_tools", "tool_name": "send_message", "children": ["memory_insert"] }),
        ] {
            let agent = older(app, json!({ "tool_rules": [rule], "include_base_tool_rules": true })).await;
            app.model.push(says("A greeting.", "Hello."));
            let answer = app.say(&agent, "Hello.").await.expect_json();
            assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn", "{rule}");
            assert_eq!(app.model.requests().len(), 1, "{rule}");
        }
    })
    .await;
}

#[tokio::test]
async fn arguments_that_cannot_be_read_are_not_called_a_breach_of_the_rules() {
    on_each_database(async |app| {
        let agent = older(app, json!({})).await;
        app.model.push_all([Answer::tool_call("memory_insert", "remember"), says("Never mind.", "Sorry.")]);
        let answer = app.say(&agent, "I have a cat.").await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert_eq!(answer["messages"][1]["status"], "error");
        let told = app.model.last_request().last_user().unwrap();
        assert!(told.contains("The call of memory_insert has failed.") && !told.contains("allowed"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_must_call_a_tool_and_has_none_is_told_so() {
    on_each_database(async |app| {
        let agent = older(app, json!({ "agent_type": "react_agent" })).await;
        app.model.push(Answer::text("Hello to you."));
        let failed = app.say(&agent, "Hello.").await;
        assert_eq!(failed.status, 500);
        let told = failed.json()["error"].to_string();
        assert!(told.contains("no tool to call") && !told.contains("required tool choice"), "{told}");
    })
    .await;
}

#[tokio::test]
async fn a_token_stream_shows_the_words_that_a_rule_has_set() {
    on_each_database(async |app| {
        let first = json!({ "type": "run_first", "tool_name": "send_message", "args": { "message": "Welcome." } });
        let agent = older(app, json!({ "tool_rules": [first], "include_base_tool_rules": true })).await;
        app.model.push(says("A greeting.", "Get lost."));
        let frames: Vec<Value> = app.stream(&agent, "Hello.", true).await.iter().map(|event| event.json()).collect();
        let said = |frames: &[Value], kind: &str, member: &str| -> String {
            let of_kind = frames.iter().filter(|frame| frame["message_type"] == kind);
            of_kind.filter_map(|frame| frame[member].as_str()).collect()
        };
        assert_eq!(said(&frames, "assistant_message", "content"), "Welcome.");
        assert_eq!(said(&frames, "reasoning_message", "reasoning"), "A greeting.");
        assert_eq!(app.history(&agent).await.last().unwrap()["content"], "Welcome.");
    })
    .await;
}

#[tokio::test]
async fn the_steps_of_a_turn_are_counted() {
    on_each_database(async |app| {
        let agent = older(app, json!({ "include_base_tool_rules": false })).await;
        app.model.push_all([remembers(true), remembers(true)]);
        let path = format!("/v1/agents/{agent}/messages");
        let body = json!({ "input": "I have a cat.", "max_steps": 2 });
        let answer = app.post(&path, body).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "max_steps");
        assert_eq!(answer["usage"]["step_count"], 2);
    })
    .await;
}

#[tokio::test]
async fn an_answer_without_a_call_fails_the_run() {
    on_each_database(async |app| {
        let agent = older(app, json!({})).await;
        let before = app.history(&agent).await;
        app.model.push(Answer::text("Hello to you."));
        let response = app.say(&agent, "Hello.").await;
        assert_eq!(response.status, 500);
        assert_eq!(response.json()["error"]["type"], "llm_error");
        let runs = app.list(&format!("/v1/runs/?agent_id={agent}")).await;
        assert_eq!((&runs[0]["status"], &runs[0]["stop_reason"]), (&json!("failed"), &json!("no_tool_call")));
        // A failed first step leaves nothing behind, and the agent can be spoken to again.
        assert_eq!(app.history(&agent).await, before);
        app.model.push(says("Again.", "Hello."));
        app.say(&agent, "Hello?").await.expect_json();
    })
    .await;
}

#[tokio::test]
async fn only_the_first_call_of_an_answer_is_carried_out() {
    on_each_database(async |app| {
        let agent = older(app, json!({ "parallel_tool_calls": true })).await;
        let second = remembers(true).tool_calls.remove(0);
        app.model.push(says("One.", "Hello.").and_call(second));
        let answer = app.say(&agent, "Hello.").await.expect_json();
        assert_eq!(kinds(answer["messages"].as_array().unwrap()), ["reasoning_message", "assistant_message"]);
    })
    .await;
}

#[tokio::test]
async fn a_token_stream_shows_what_the_list_shows() {
    on_each_database(async |app| {
        let agent = older(app, json!({ "include_base_tool_rules": false })).await;
        let before = app.history(&agent).await.len();
        app.model.push_all([remembers(true), says("Done.", "Noted.")]);
        let frames: Vec<Value> =
            app.stream(&agent, "I have a cat.", true).await.iter().map(|event| event.json()).collect();
        let names: Vec<&str> = frames.iter().filter_map(|frame| frame["tool_call"]["name"].as_str()).collect();
        assert_eq!(names, ["memory_insert"], "the message tool is not shown as a call");
        let history = app.history(&agent).await;
        let listed: Vec<Value> =
            history[before..].iter().filter(|m| m["message_type"] != "user_message").cloned().collect();
        assert_eq!(whole(&frames), whole(&listed));
    })
    .await;
}
