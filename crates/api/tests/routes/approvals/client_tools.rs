//! Tools that the client runs.

use muisti_testkit::{Answer, ScriptedCall};
use serde_json::{Value, json};

use super::{
    answers, calls, careful, conversation, frames, gave, history, insert, kinds, look, memory, messages, messages_of,
    pending, said, streamed, the, yes,
};
use crate::harness::{App, each, id, on_each_database};

/// A tool of the client's.
fn tool(name: &str) -> Value {
    let parameters = json!({ "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] });
    json!({ "name": name, "description": "Reads a file of the client.", "parameters": parameters })
}

/// The request with tools of the client along.
fn along(mut body: Value, tools: &[&str]) -> Value {
    body["client_tools"] = tools.iter().map(|name| tool(name)).collect();
    body
}

fn read(id: &str) -> ScriptedCall {
    ScriptedCall::new("read_file", json!({ "path": "a.txt" })).with_id(id)
}

fn returned(entries: impl IntoIterator<Item = Value>) -> Value {
    let returns: Vec<Value> = entries.into_iter().collect();
    json!({ "messages": [{ "type": "tool_return", "tool_returns": returns }], "streaming": false })
}

/// Lets the model call the client's tool, and asserts that it waits.
async fn called(app: &mut App, of: &str, call: &str) -> Value {
    app.model.push(Answer::tool_calls([read(call)]));
    let answer = app.post(&messages(of), along(said("Read it."), &["read_file"])).await.expect_json();
    assert_eq!(answer["stop_reason"]["stop_reason"], "requires_approval", "{answer}");
    answer
}

#[tokio::test]
async fn the_client_runs_its_tool_and_the_turn_goes_on() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for of in [agent.clone(), conversation(app, &agent).await] {
            for (number, by_approval) in [(1, false), (2, true)] {
                let call = format!("{}_{number}", &of[..5]);
                let paused = called(app, &of, &call).await;
                let request = the(messages_of(&paused), "approval_request_message");
                assert_eq!(request["tool_call"]["name"], "read_file");
                let asked = app.model.last_request();
                let offered = asked.body["tools"].as_array().unwrap().last().unwrap().clone();
                assert_eq!(offered["function"]["description"], "Reads a file of the client.");
                assert_eq!(offered["function"]["parameters"]["required"], json!(["path"]));

                app.model.push(Answer::text("It says hello."));
                let entry = gave(&call, "hello");
                let body = if by_approval { answers([entry]) } else { returned([entry]) };
                let answer = app.post(&messages(&of), along(body, &["read_file"])).await.expect_json();
                assert_eq!(kinds(messages_of(&answer)), ["tool_return_message", "assistant_message"]);
                let tool_return = &messages_of(&answer)[0];
                assert_eq!((&tool_return["tool_return"], &tool_return["status"]), (&json!("hello"), &json!("success")));
                assert_eq!(tool_return["name"], "read_file");
                let asked = app.model.last_request();
                assert!(asked.tool_names().contains(&"read_file".to_owned()));
                assert_eq!(asked.last_role(), "tool");
                assert!(asked.last_text().contains("hello"));
            }
        }
    })
    .await;
}

#[tokio::test]
async fn an_error_of_the_client_s_tool_is_told_to_the_model() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        called(app, &agent, "call_1").await;
        let failed = json!({
            "type": "tool", "tool_call_id": "call_1", "tool_return": "no such file", "status": "error",
            "stdout": ["looking"], "stderr": ["not found"],
        });
        let answer = app.post(&messages(&agent), along(returned([failed]), &["read_file"])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let tool_return = the(messages_of(&answer), "tool_return_message");
        assert_eq!((&tool_return["status"], &tool_return["tool_return"]), (&json!("error"), &json!("no such file")));
        assert_eq!((&tool_return["stdout"], &tool_return["stderr"]), (&json!(["looking"]), &json!(["not found"])));
        assert!(app.model.last_request().last_text().contains("no such file"));
    })
    .await;
}

#[tokio::test]
async fn a_client_s_tool_stands_in_for_one_of_the_agent_s_as_long_as_it_is_sent_along() {
    on_each_database(async |app| {
        let agent = careful(app, json!({ "tool_rules": [] })).await;
        app.model.push(Answer::tool_calls([insert("call_1", "By the server.")]));
        let answer = app.post(&messages(&agent), along(said("Go."), &["memory_insert"])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "requires_approval");
        let asked = app.model.last_request();
        let same: Vec<&Value> = asked.body["tools"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|tool| tool["function"]["name"] == "memory_insert")
            .collect();
        assert_eq!(same.len(), 1, "the model knows one tool of this name");
        assert_eq!(same[0]["function"]["description"], "Reads a file of the client.");
        let body = returned([gave("call_1", "By the client.")]);
        app.post(&messages(&agent), along(body, &["memory_insert"])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "");

        app.model.push_all([Answer::tool_calls([insert("call_2", "By the server.")]), Answer::text("Done.")]);
        let answer = app.post(&messages(&agent), said("Go.")).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert_eq!(memory(app, &agent).await, "By the server.");
    })
    .await;
}

#[tokio::test]
async fn a_client_s_tool_that_is_not_sent_again_is_not_known_any_more() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        called(app, &agent, "call_1").await;
        app.model.push_all([Answer::tool_calls([read("call_2")]), Answer::text("Gone.")]);
        let answer = app.post(&messages(&agent), returned([gave("call_1", "hello")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert!(!app.model.last_request().tool_names().contains(&"read_file".to_owned()));
        let shown = messages_of(&answer);
        let expected = ["tool_return_message", "tool_call_message", "tool_return_message", "assistant_message"];
        assert_eq!(kinds(shown), expected);
        assert_eq!(shown[2]["status"], "error");
    })
    .await;
}

#[tokio::test]
async fn images_of_a_client_s_tool_stay_parts() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        called(app, &agent, "call_1").await;
        let pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";
        let parts = json!([
            { "type": "text", "text": "A picture.", "signature": null },
            { "type": "image", "source": { "type": "base64", "media_type": "image/png", "data": pixel, "detail": null } },
        ]);
        let entry = json!({ "type": "tool", "tool_call_id": "call_1", "tool_return": parts, "status": "success" });
        let answer = app.post(&messages(&agent), along(returned([entry]), &["read_file"])).await.expect_json();
        let tool_return = the(messages_of(&answer), "tool_return_message");
        assert_eq!(tool_return["tool_returns"][0]["tool_return"], parts);
        assert_eq!(tool_return["tool_return"], "A picture.\n[Image omitted]");
        let asked = app.model.last_request().body["messages"].to_string();
        assert!(asked.contains(pixel) && asked.contains("A picture."), "the model sees it");
        let listed = history(app, &agent).await;
        let response = the(&listed, "approval_response_message");
        assert_eq!(response["approvals"][0]["tool_return"], parts);
    })
    .await;
}

#[tokio::test]
async fn long_returns_are_cut_before_they_are_stored() {
    on_each_database(async |app| {
        let agent = careful(app, json!({ "context_window_limit": 8000 })).await;
        called(app, &agent, "call_1").await;
        let long = "x".repeat(10_000);
        let answer = app.post(&messages(&agent), along(returned([gave("call_1", &long)]), &["read_file"])).await;
        let answer = answer.expect_json();
        let text = the(messages_of(&answer), "tool_return_message")["tool_return"].as_str().unwrap().to_owned();
        assert!(text.ends_with("... [truncated 3600 chars]"), "{}", &text[text.len() - 40..]);
        assert_eq!(text.chars().filter(|char| *char == 'x').count(), 6_400);
        called(app, &agent, "call_2").await;
        let object = json!({ "message": long, "lines": 3 }).to_string();
        let body = along(returned([gave("call_2", &object)]), &["read_file"]);
        app.post(&messages(&agent), body).await.expect_json();
        let listed = history(app, &agent).await;
        let response = listed.iter().rfind(|message| message["message_type"] == "approval_response_message").unwrap();
        let given = response["approvals"][0]["tool_return"].as_str().unwrap();
        let given: Value = serde_json::from_str(given).unwrap();
        assert_eq!(given["lines"], 3);
        assert!(given["message"].as_str().unwrap().ends_with("... [truncated 3600 chars]"));
    })
    .await;
}

#[tokio::test]
async fn tools_of_both_sides_can_be_called_at_once() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for (round, tokens) in [(1, false), (2, true)] {
            let name = |call: &str| format!("{call}_{round}");
            let all = [look(&name("free")), insert(&name("asked"), "Green."), read(&name("mine"))];
            app.model.push(Answer::tool_calls(all));
            let body = streamed(along(said("Go."), &["read_file"]), tokens);
            let shown = frames(app, &agent, &body).await;
            let mut seen = kinds(&shown);
            seen.dedup();
            assert_eq!(seen, ["tool_call_message", "approval_request_message", "stop_reason", "usage_statistics"]);
            assert_eq!(calls(&pending(app, &agent).await), [name("asked"), name("mine")]);
            let body = answers([yes(&name("asked")), gave(&name("mine"), "hello")]);
            let shown = frames(app, &agent, &streamed(along(body, &["read_file"]), tokens)).await;
            assert_eq!(calls(&shown[0]), [name("mine"), name("asked"), name("free")]);
            assert_eq!(each(&shown[0]["tool_returns"], "status"), ["success", "success", "success"]);
        }
        assert_eq!(memory(app, &agent).await, "Green.\nGreen.");
    })
    .await;
}

#[tokio::test]
async fn what_a_client_left_behind_does_not_hold_up_the_next_one() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let paused = called(app, &agent, "call_1").await;
        let refused = app.post(&messages(&agent), said("Hello?")).await;
        assert_eq!(refused.json()["detail"]["pending_tool_call_ids"], json!(["call_1"]));
        let path = refused.json()["detail"]["run_id"].as_str().unwrap().to_owned();
        assert_eq!(path, the(messages_of(&paused), "approval_request_message")["run_id"]);
        let cancelled = app.post(&super::cancel(&agent), json!({ "run_ids": [path] })).await.expect_json();
        assert_eq!(cancelled[path.as_str()], "cancelled");
        app.post(&messages(&agent), said("Hello?")).await.expect_json();
        assert!(id(&app.list(&format!("/v1/agents/{agent}")).await).starts_with("agent-"));
    })
    .await;
}
