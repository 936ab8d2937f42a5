//! Answers that come again.

use muisti_testkit::Answer;
use serde_json::json;

use super::{
    answers, careful, frames, gave, history, insert, kinds, look, memory, messages, messages_of, no, pause, streamed,
    yes,
};
use crate::harness::{assert_error, on_each_database};

#[tokio::test]
async fn an_answer_that_comes_again_is_known_and_nothing_is_done_twice() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One."), insert("call_2", "Two."), look("call_3")]).await;
        let body = answers([yes("call_1"), no("call_2", "No.")]);
        app.post(&messages(&agent), body.clone()).await.expect_json();
        for _ in 0..2 {
            app.model.push(Answer::text("Yes?"));
            let answer = app.post(&messages(&agent), body.clone()).await.expect_json();
            assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
            let listed = history(app, &agent).await;
            let [ping, said] = &listed[listed.len() - 2..] else { panic!() };
            assert!(ping["content"].as_str().unwrap().contains("keep-alive"), "{ping}");
            assert_eq!((&ping["message_type"], &said["content"]), (&json!("user_message"), &json!("Yes?")));
        }
        let streamed = frames(app, &agent, &streamed(body, true)).await;
        assert_eq!(kinds(&streamed[streamed.len() - 2..]), ["stop_reason", "usage_statistics"]);
        assert_eq!(memory(app, &agent).await, "One.");
    })
    .await;
}

#[tokio::test]
async fn a_part_of_an_earlier_answer_is_a_repeat_too_and_other_calls_are_not() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One."), insert("call_2", "Two.")]).await;
        app.post(&messages(&agent), answers([yes("call_1"), yes("call_2")])).await.expect_json();
        app.post(&messages(&agent), answers([yes("call_2")])).await.expect_json();
        app.post(&messages(&agent), answers([gave("call_1", "Mine.")])).await.expect_json();
        let unknown = app.post(&messages(&agent), answers([yes("call_1"), yes("call_9")])).await;
        assert_error(&unknown, 400, "No tool call is currently awaiting approval");
        assert_eq!(memory(app, &agent).await, "One.\nTwo.");
    })
    .await;
}

#[tokio::test]
async fn what_is_said_along_with_a_repeat_is_heard() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One.")]).await;
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        let mut body = answers([yes("call_1")]);
        body["messages"].as_array_mut().unwrap().push(json!({ "role": "user", "content": "Go on." }));
        app.post(&messages(&agent), body).await.expect_json();
        assert_eq!(app.model.last_request().last_user().unwrap(), "Go on.");
        assert!(!history(app, &agent).await.iter().any(|message| message.to_string().contains("keep-alive")));
    })
    .await;
}

#[tokio::test]
async fn a_repeat_is_known_after_everything_was_compacted_away() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One.")]).await;
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        app.model.push(Answer::text("They talked about numbers."));
        let compact = json!({ "compaction_settings": { "mode": "all" } });
        app.post(&format!("/v1/agents/{agent}/summarize"), compact).await.expect_json();
        for _ in 0..2 {
            let answer = app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
            assert_eq!(kinds(messages_of(&answer)), ["assistant_message"]);
        }
        let unknown = app.post(&messages(&agent), answers([yes("call_9")])).await;
        assert_error(&unknown, 400, "No tool call is currently awaiting approval");
    })
    .await;
}

#[tokio::test]
async fn what_was_given_up_is_known_when_its_answer_comes_after_all() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One."), look("call_2")]).await;
        app.client.send("POST", &super::cancel(&agent), None).await.unwrap().expect_json();
        let answer = app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert_eq!(memory(app, &agent).await, "");
    })
    .await;
}

#[tokio::test]
async fn two_clients_that_answer_at_once_have_the_calls_made_once() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for round in 0..5 {
            let call = format!("call_{round}");
            pause(app, &agent, [insert(&call, &format!("Text {round}."))]).await;
            let (mut other, body, path) = (app.client(), answers([yes(&call)]), messages(&agent));
            let (one, two) = tokio::join!(app.client.post(&path, &body), other.post(&path, &body));
            for answer in [one, two] {
                assert_eq!(answer.unwrap().expect_json()["stop_reason"]["stop_reason"], "end_turn");
            }
        }
        assert_eq!(memory(app, &agent).await, "Text 0.\nText 1.\nText 2.\nText 3.\nText 4.");
        let listed = history(app, &agent).await;
        let returns = listed.iter().filter(|message| message["message_type"] == "tool_return_message").count();
        assert_eq!(returns, 5);
    })
    .await;
}

#[tokio::test]
async fn the_answer_of_a_turn_that_was_cancelled_later_is_known() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One.")]).await;
        app.model.push(Answer::hang());
        let run = app.post(&format!("{}/async", messages(&agent)), answers([yes("call_1")])).await.expect_json();
        let run = run["id"].as_str().unwrap().to_owned();
        let of_run = format!("/v1/runs/{run}/messages");
        app.when(&of_run, |messages| messages.to_string().contains("tool_return_message")).await;
        let cancelled = app.client.send("POST", &super::cancel(&agent), None).await.unwrap().expect_json();
        assert_eq!(cancelled, json!({ run: "cancelled" }));
        let answer = app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert_eq!(memory(app, &agent).await, "One.");
    })
    .await;
}
