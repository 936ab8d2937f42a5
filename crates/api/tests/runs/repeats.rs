//! Requests that come again, by their own client's doing: over crashes, on another server, and after a refusal.

use muisti_testkit::{Answer, Client, Response, ScriptedCall};
use serde_json::{Value, json};

use crate::{
    block, crash, ended,
    harness::{App, each, id, on_each_database},
    history, in_background, kinds, messages_of, new_agent, note, on_two_nodes, replay, run_of, said, stream,
    wait_for_model,
};

/// A message that has an id of the client's.
fn message(text: &str, otid: &str) -> Value {
    json!({ "messages": [{ "role": "user", "content": text, "otid": otid }] })
}

fn streamed(mut body: Value) -> Value {
    body["streaming"] = true.into();
    body
}

/// A client that says that it has sent its request before.
fn again(client: Client) -> Client {
    client.with_header("x-stainless-retry-count", "1")
}

/// Sends this, and goes away when the model has been asked so many times.
async fn send_and_leave(app: &App, agent: &str, body: &Value, asked: usize) {
    let (mut client, path, body) = (app.client(), messages_of(agent), body.clone());
    let sent = tokio::spawn(async move { client.post(&path, &body).await });
    wait_for_model(app, asked);
    sent.abort();
}

async fn post(mut client: Client, agent: &str, body: &Value) -> Response {
    client.post(&messages_of(agent), body).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_after_a_crash_is_not_done_twice() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let body = message("Note it.", "mine-1");
        app.model.push_all([note("Once."), Answer::hang()]);
        send_and_leave(app, &agent, &body, 2).await;
        crash(app, |app| app.model.push(Answer::text("Twice?"))).await;
        let told = post(again(app.client()), &agent, &body).await;
        assert_eq!((told.status, told.header("x-should-retry")), (503, Some("false")), "{}", told.text());
        let detail = told.json();
        let run = detail["run_id"].as_str().unwrap();
        assert!(detail["detail"].as_str().unwrap().contains("in the history"), "{detail}");
        assert_eq!(ended(&mut app.client(), run).await["metadata"]["error"]["error_type"], "server_interrupted");
        let shown = stream(&mut again(app.client()), &messages_of(&agent), streamed(body.clone())).await;
        let shown: Vec<_> = kinds(&shown).into_iter().filter(|kind| kind != "ping").collect();
        assert_eq!(shown, ["stop_reason", "error_message", "[DONE]"]);
        assert_eq!(block(app, &agent).await, "Once.");
        let expected = ["user_message", "tool_call_message", "tool_return_message"];
        assert_eq!(said(&mut app.client, &agent).await, expected);

        // Sent once more without that word, it is meant.
        let answer = post(app.client(), &agent, &body).await.expect_json();
        assert_eq!(answer["messages"][0]["content"], "Twice?");
        assert_eq!(said(&mut app.client, &agent).await.iter().filter(|kind| *kind == "user_message").count(), 2);
        let repeated = post(again(app.client()), &agent, &body).await.expect_json();
        assert_eq!(repeated["messages"], answer["messages"], "the newest is the one");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_of_which_nothing_was_kept_is_done_when_it_is_repeated() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let body = message("Hi.", "mine-1");
        app.model.push(Answer::hang());
        send_and_leave(app, &agent, &body, 1).await;
        crash(app, |app| app.model.push(Answer::error(400, "No."))).await;
        assert_eq!(post(again(app.client()), &agent, &body).await.status, 400);
        app.model.push(Answer::text("Here I am."));
        let answer = post(again(app.client()), &agent, &body).await.expect_json();
        assert_eq!(answer["messages"][0]["content"], "Here I am.");
        assert_eq!(said(&mut app.client, &agent).await, ["user_message", "assistant_message"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_repeated_on_another_server_gets_the_answer_of_the_first() {
    on_two_nodes(async |app, other| {
        let agent = new_agent(app, json!({ "parallel_tool_calls": true })).await;
        let body = message("Note it.", "mine-1");
        app.model.push_all([note("Once.").usage(20, 2), Answer::text("Noted.").usage(30, 3).held()]);
        let (mut client, path, sent) = (app.client(), messages_of(&agent), body.clone());
        let first = tokio::spawn(async move { client.post(&path, &sent).await.unwrap() });
        wait_for_model(app, 2);
        let (client, name, sent) = (again(other.client()), agent.clone(), body.clone());
        let second = tokio::spawn(async move { post(client, &name, &sent).await });
        let (mut client, path, sent) = (again(other.client()), messages_of(&agent), streamed(body));
        let third = tokio::spawn(async move { stream(&mut client, &path, sent).await });
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        app.model.release();
        let (first, second) = (first.await.unwrap().expect_json(), second.await.unwrap().expect_json());
        for part in ["messages", "stop_reason"] {
            assert_eq!(first[part], second[part]);
        }
        for figure in ["completion_tokens", "prompt_tokens", "total_tokens", "step_count"] {
            assert_eq!(first["usage"][figure], second["usage"][figure], "{figure}");
        }
        let third: Vec<Value> = third.await.unwrap().iter().map(|event| event.json()).collect();
        let told: Vec<Value> = third.into_iter().filter(|event| event["otid"].is_string()).collect();
        assert_eq!(json!(told), first["messages"]);
        assert_eq!(app.model.requests().len(), 2);
        assert_eq!(block(app, &agent).await, "Once.");
        let expected = ["user_message", "tool_call_message", "tool_return_message", "assistant_message"];
        assert_eq!(said(&mut app.client(), &agent).await, expected);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_could_not_begin_can_be_sent_again() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let tools =
            json!([{ "name": "ask", "description": "Asks.", "parameters": { "type": "object", "properties": {} } }]);
        let mut go = message("Go.", "first");
        go["client_tools"] = tools.clone();
        app.model.push(Answer::tool_calls([ScriptedCall::new("ask", json!({})).with_id("call_1")]).held());
        let (client, name) = (app.client(), agent.clone());
        let paused = tokio::spawn(async move { post(client, &name, &go).await });
        wait_for_model(app, 1);
        let mut waits = in_background("", false);
        waits.as_object_mut().unwrap().remove("input");
        waits["messages"] = message("And then?", "second")["messages"].clone();
        let (mut client, path, sent) = (app.client(), messages_of(&agent), waits.clone());
        let waiting = tokio::spawn(async move { stream(&mut client, &path, sent).await });
        app.active(2).await;
        app.model.release();
        assert_eq!(paused.await.unwrap().expect_json()["stop_reason"]["stop_reason"], "requires_approval");
        let failed = run_of(&waiting.await.unwrap());
        assert_eq!(ended(&mut app.client(), &failed).await["status"], "failed");
        let later = message("Later.", "third");
        let path = format!("{}/async", messages_of(&agent));
        let refused = app.post(&path, later.clone()).await.expect_json();
        assert_eq!(ended(&mut app.client(), refused["id"].as_str().unwrap()).await["status"], "failed");

        let returned = json!({ "type": "tool", "tool_call_id": "call_1", "tool_return": "42", "status": "success" });
        let answer =
            json!({ "messages": [{ "type": "tool_return", "tool_returns": [returned] }], "client_tools": tools });
        app.post(&messages_of(&agent), answer).await.expect_json();
        let events = stream(&mut app.client(), &messages_of(&agent), waits.clone()).await;
        let run = run_of(&events);
        assert_ne!(run, failed);
        assert_eq!(ended(&mut app.client(), &run).await["status"], "completed");
        assert_eq!(run_of(&stream(&mut app.client(), &messages_of(&agent), waits).await), run, "now it has come");
        assert_eq!(replay(&mut app.client(), &run, 0).await.len(), events.len());
        let accepted = app.post(&path, later).await.expect_json();
        assert_ne!(accepted["id"], refused["id"]);
        ended(&mut app.client(), accepted["id"].as_str().unwrap()).await;
        let rows = history(&mut app.client, &agent).await;
        let sent: Vec<Value> = rows.into_iter().filter(|row| row["message_type"] == "user_message").collect();
        assert_eq!(each(&json!(sent), "content"), ["Go.", "And then?", "Later."]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_to_be_read_again_is_not_one_of_a_foreground_request() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let body = message("Hi.", "mine-1");
        post(app.client(), &agent, &body).await.expect_json();
        let mut background = streamed(body);
        background["background"] = true.into();
        let first = run_of(&stream(&mut app.client(), &messages_of(&agent), background.clone()).await);
        let second = run_of(&stream(&mut app.client(), &messages_of(&agent), background).await);
        assert_eq!(first, second);
        assert_eq!(ended(&mut app.client(), &first).await["background"], true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_comes_several_times_at_once_makes_one_run() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let made = app.post(&format!("/v1/conversations/?agent_id={agent}"), json!({})).await.expect_json();
        let path = format!("/v1/conversations/{}/messages", id(&made));
        for round in 0..5 {
            app.model.push(Answer::text("Once."));
            let mut body = message("Hi.", &format!("mine-{round}"));
            body["background"] = true.into();
            let sent: Vec<_> = (0..5)
                .map(|_| {
                    let (mut client, path, body) = (app.client(), path.clone(), body.clone());
                    tokio::spawn(async move { stream(&mut client, &path, body).await })
                })
                .collect();
            let mut seen = Vec::new();
            for sent in sent {
                seen.push(sent.await.unwrap());
            }
            assert!(seen.iter().all(|events| run_of(events) == run_of(&seen[0])));
        }
        let said = each(&app.list(&format!("{path}?order=asc")).await, "message_type");
        assert_eq!(said.iter().filter(|kind| *kind == "user_message").count(), 5);
    })
    .await;
}
