//! Turns of one history come one after the other.

use std::time::Duration;

use muisti_testkit::Answer;
use serde_json::json;

use super::kinds;
use crate::harness::on_each_database;

#[tokio::test]
async fn two_messages_at_once_are_two_turns_in_a_row() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.always(Answer::text("Here.").delay(Duration::from_millis(150)));
        let path = format!("/v1/agents/{agent}/messages");
        let sends: Vec<_> = (0..4)
            .map(|number| {
                let (mut client, path) = (app.client(), path.clone());
                tokio::spawn(async move { client.post(&path, &json!({"input": format!("Message {number}")})).await })
            })
            .collect();
        for send in sends {
            send.await.unwrap().unwrap().expect_json();
        }
        let history = app.history(&agent).await;
        assert_eq!(history.len(), 9);
        for turn in history[1..].chunks(2) {
            assert_eq!(kinds(turn), ["user_message", "assistant_message"]);
            assert_eq!(turn[0]["run_id"], turn[1]["run_id"]);
        }
    })
    .await;
}

#[tokio::test]
async fn agents_do_not_wait_for_each_other() {
    on_each_database(async |app| {
        let slow = app.new_agent(json!({})).await;
        let quick = app.new_agent(json!({})).await;
        app.model.push(Answer::text("Here.").held());
        let (mut client, path) = (app.client(), format!("/v1/agents/{slow}/messages"));
        let waiting = tokio::spawn(async move { client.post(&path, &json!({"input": "slow"})).await });
        app.asked(1).await;
        app.say(&quick, "quick").await.expect_json();
        assert!(!waiting.is_finished());
        app.model.release();
        waiting.await.unwrap().unwrap().expect_json();
    })
    .await;
}

#[tokio::test]
async fn an_agent_that_is_deleted_in_the_middle_of_a_turn_is_not_found() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::text("Here.").held());
        let (mut client, path) = (app.client(), format!("/v1/agents/{agent}/messages"));
        let waiting = tokio::spawn(async move { client.post(&path, &json!({"input": "Hi."})).await });
        app.asked(1).await;
        assert!(app.delete(&format!("/v1/agents/{agent}")).await.is_success());
        app.model.release();
        assert_eq!(waiting.await.unwrap().unwrap().status, 404);
    })
    .await;
}

#[tokio::test]
async fn nobody_waits_for_the_history_of_an_agent_that_is_gone() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::text("Here.").held());
        let path = format!("/v1/agents/{agent}/messages");
        let send = || {
            let (mut client, path) = (app.client(), path.clone());
            tokio::spawn(async move { client.post(&path, &json!({"input": "Hi."})).await.unwrap().status })
        };
        let first = send();
        app.asked(1).await;
        let second = send();
        app.active(2).await;
        assert!(app.delete(&format!("/v1/agents/{agent}")).await.is_success());
        app.model.release();
        // Without the lease of the first the second would wait until that has run out.
        let both =
            tokio::time::timeout(Duration::from_secs(20), async { (first.await.unwrap(), second.await.unwrap()) });
        assert_eq!(both.await.unwrap(), (404, 404));
    })
    .await;
}

#[tokio::test]
async fn a_request_that_an_impatient_client_repeats_is_one_turn() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.always(Answer::text("Let me think.").held());
        let (path, body) = (format!("/v1/agents/{agent}/messages"), json!({"input": "Hi."}));
        tokio::select! {
            answer = async { app.client().post(&path, &body).await } => panic!("nobody has answered yet: {answer:?}"),
            // The client gives up.
            () = app.asked(1) => {}
        }

        let mut again = app.client().with_header("x-stainless-retry-count", "1");
        let release = async {
            // Sooner or later: the repeat joins the turn, or gets what it has said.
            tokio::time::sleep(Duration::from_millis(200)).await;
            app.model.release();
        };
        let (answer, ()) = tokio::join!(again.post(&path, &body), release);
        let answers = [answer.unwrap(), again.post(&path, &body).await.unwrap()];

        assert_eq!(answers[0].expect_json(), answers[1].expect_json());
        assert_eq!(app.model.requests().len(), 1);
        assert_eq!(kinds(&app.history(&agent).await), ["system_message", "user_message", "assistant_message"]);
    })
    .await;
}
