//! What becomes of calls that wait when nobody decides on them.

use std::time::Duration;

use muisti_testkit::{Answer, ServerBuilder};
use serde_json::json;

use super::{
    answers, calls, careful, conversation, history, insert, kinds, look, memory, messages, messages_of, pause, pending,
    said, streamed, the, yes,
};
use crate::harness::{App, assert_error, on_each_database, on_sqlite};

/// The header that says what to do with what waits.
const HEADER: &str = "x-muisti-on-pending";

fn with(app: &App, policy: &str) -> muisti_testkit::Client {
    app.client().with_header("x-stainless-package-version", "1.12.1").with_header(HEADER, policy)
}

#[tokio::test]
async fn a_message_can_deny_what_waits() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for of in [agent.clone(), conversation(app, &agent).await] {
            let name = |number: usize| format!("{}_{number}", &of[..5]);
            pause(app, &of, [insert(&name(1), "One."), look(&name(2))]).await;
            let refused = with(app, "refuse").post(&messages(&of), &said("Never mind.")).await.unwrap();
            assert_eq!(refused.status, 409);
            app.model.push(Answer::text("Very well."));
            let answer = with(app, "deny").post(&messages(&of), &said("Never mind.")).await.unwrap().expect_json();
            assert_eq!(kinds(messages_of(&answer)), ["assistant_message"]);
            let expected = [
                "user_message",
                "tool_call_message",
                "approval_request_message",
                "approval_response_message",
                "tool_return_message",
                "user_message",
                "assistant_message",
            ];
            let listed = history(app, &of).await;
            assert_eq!(kinds(&listed), expected);
            assert_eq!(calls(&listed[4]), [name(1), name(2)]);
            assert_eq!(listed[4]["run_id"], listed[6]["run_id"], "the run that denied them");
            let asked = app.model.last_request();
            let roles: Vec<&str> = asked.messages().iter().map(|said| said["role"].as_str().unwrap()).collect();
            assert_eq!(roles[2..], ["assistant", "tool", "tool", "user"]);

            pause(app, &of, [insert(&name(3), "Three.")]).await;
            let stream = with(app, "deny").stream(&messages(&of), &streamed(said("No."), true)).await.unwrap();
            assert!(stream.collect().await.unwrap().last().unwrap().is_done());
            pause(app, &of, [insert(&name(4), "Four.")]).await;
            let answer = with(app, "deny").post(&messages(&of), &answers([yes(&name(4))])).await.unwrap();
            assert_eq!(the(messages_of(&answer.expect_json()), "tool_return_message")["status"], "success");
        }
        pause(app, &agent, [insert("call_9", "Nine.")]).await;
        let path = format!("{}/async", messages(&agent));
        let run = with(app, "deny").post(&path, &said("Never mind.")).await.unwrap().expect_json();
        let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
        assert_eq!(app.when(&path, |run| run["completed_at"].is_string()).await["status"], "completed");
        let odd = with(app, "perhaps").post(&messages(&agent), &said("Hi.")).await.unwrap();
        assert_error(&odd, 422, HEADER);
    })
    .await;
}

#[tokio::test]
async fn a_model_that_fails_leaves_what_waits_as_it_is() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One.")]).await;
        app.model.push(Answer::error(400, "I have had enough."));
        let failed = with(app, "deny").post(&messages(&agent), &said("Never mind.")).await.unwrap();
        assert_eq!(failed.status, 400);
        assert_eq!(calls(&pending(app, &agent).await), ["call_1"]);
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "One.");
    })
    .await;
}

#[tokio::test]
async fn a_server_can_deny_what_waits_by_itself() {
    let denies = |server: ServerBuilder| server.env("MUISTI_ON_PENDING", "deny");
    on_sqlite(denies, async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One.")]).await;
        let refused = with(app, "refuse").post(&messages(&agent), &said("Never mind.")).await.unwrap();
        assert_eq!(refused.status, 409, "a request that says otherwise is heard");
        app.post(&messages(&agent), said("Never mind.")).await.expect_json();
        pause(app, &agent, [insert("call_2", "Two.")]).await;
        let chat = json!({ "model": agent, "messages": [{ "role": "user", "content": "Hi." }] });
        app.post("/v1/chat/completions", chat).await.expect_json();
        pause(app, &agent, [insert("call_3", "Three.")]).await;
        app.post(&messages(&agent), answers([yes("call_3")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "Three.");
    })
    .await;
}

#[tokio::test]
async fn a_chat_client_can_deny_what_it_cannot_approve() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One.")]).await;
        let chat = json!({ "model": agent, "messages": [{ "role": "user", "content": "Hi." }] });
        let refused = app.post("/v1/chat/completions", chat.clone()).await;
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (409, &json!("PENDING_APPROVAL")));
        let answer = with(app, "deny").post("/v1/chat/completions", &chat).await.unwrap().expect_json();
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
    })
    .await;
}

#[tokio::test]
async fn calls_wait_no_longer_than_they_may() {
    let expire = |seconds: &'static str| move |server: ServerBuilder| server.env("MUISTI_APPROVAL_LIFETIME", seconds);
    on_sqlite(expire("60"), async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One.")]).await;
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "One.", "in time");
    })
    .await;
    on_sqlite(expire("1"), async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_2", "Two.")]).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        app.post(&messages(&agent), said("Are you there?")).await.expect_json();
        let listed = history(app, &agent).await;
        let expected = ["approval_response_message", "tool_return_message", "user_message", "assistant_message"];
        assert_eq!(kinds(&listed[listed.len() - 4..]), expected);
        let returned = listed[listed.len() - 3]["tool_return"].as_str().unwrap();
        assert!(returned.contains("in time"), "{returned}");

        pause(app, &agent, [insert("call_3", "Three."), look("call_4")]).await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        app.model.push(Answer::text("Too late."));
        let answer = app.post(&messages(&agent), answers([yes("call_3")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert!(app.model.last_request().last_text().contains("in time"), "the model is told");
        assert_eq!(memory(app, &agent).await, "", "an answer that comes too late lets nothing through");
        let listed = history(app, &agent).await;
        assert_eq!(kinds(&listed[listed.len() - 2..]), ["tool_return_message", "assistant_message"]);
    })
    .await;
}
