//! `POST /v1/agents/{agent_id}/messages/async`, and what hears of the end: callbacks and the step webhook.

use std::time::Duration;

use muisti_testkit::{Answer, Port, Receiver, Reply, TestDatabase};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, id, on_each_database, on_sqlite};

impl App {
    /// Sends a text in the background and gives the path of the run.
    async fn send_async(&mut self, agent: &Value, callback_url: Option<&str>) -> String {
        let body = json!({ "input": "Are you there?", "callback_url": callback_url });
        let run = self.post(&format!("/v1/agents/{}/messages/async", id(agent)), body).await.expect_json();
        assert_eq!((&run["background"], &run["callback_url"]), (&json!(true), &json!(callback_url)));
        assert_eq!(run["metadata"]["run_type"], "send_message_async");
        format!("/v1/runs/{}", id(&run))
    }
}

/// Runs a test on each kind of database, with private addresses allowed.
async fn on_each_open_server(test: impl AsyncFn(&mut App)) {
    for database in TestDatabase::each() {
        println!("on {:?}", database.backend());
        test(&mut App::start(database, |server| server.arg("--allow-private-addresses"))).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_background_run_is_answered_at_once_and_ends_by_itself() {
    on_each_database(async |app| {
        let agent = app.agent(json!({})).await;
        app.model.push(Answer::text("I am here.").held());
        let path = app.send_async(&agent, None).await;
        app.asked(1).await;
        app.model.release();
        let run = app.when(&path, |run| run["status"] == "completed").await;
        assert_eq!((&run["stop_reason"], &run["callback_sent_at"]), (&json!("end_turn"), &Value::Null));
        let messages = app.list(&format!("{path}/messages")).await;
        assert_eq!(messages[0]["content"], "Are you there?");
        assert_eq!(messages[1]["content"], "I am here.");
        assert!(app.list(&format!("{path}/usage")).await["total_tokens"].as_i64().unwrap() > 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_result_is_posted_to_the_callback_address_once() {
    on_each_open_server(async |app| {
        let receiver = Receiver::start();
        receiver.always(Reply::status(202));
        let agent = app.agent(json!({})).await;
        let path = app.send_async(&agent, Some(&receiver.url("/done?by=you"))).await;
        let run = app.when(&path, |run| !run["callback_sent_at"].is_null()).await;
        assert_eq!((&run["callback_status_code"], &run["callback_error"]), (&json!(202), &Value::Null));

        let requests = receiver.requests();
        assert_eq!(requests.len(), 1);
        let (request, body) = (&requests[0], &requests[0].body);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/done?by=you"));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(body["run_id"], run["id"]);
        assert_eq!((&body["status"], &body["completed_at"]), (&run["status"], &run["completed_at"]));
        assert_eq!(body["metadata"]["run_type"], "send_message_async");
        assert_eq!(body["metadata"].get("lettuce"), Some(&Value::Null));
        let result = &body["metadata"]["result"];
        assert_eq!(result["messages"], app.list(&format!("{path}/messages")).await);
        assert_eq!(result["stop_reason"], json!({ "message_type": "stop_reason", "stop_reason": "end_turn" }));
        assert_eq!(result["usage"]["total_tokens"], app.list(&format!("{path}/usage")).await["total_tokens"]);
        assert_eq!(result["usage"]["step_count"], 1);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        assert_eq!(receiver.requests().len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_run_is_posted_too() {
    on_each_open_server(async |app| {
        let receiver = Receiver::start();
        let agent = app.agent(json!({})).await;
        app.model.push(Answer::error(400, "I have had enough."));
        let path = app.send_async(&agent, Some(&receiver.url("/"))).await;
        app.when(&path, |run| !run["callback_sent_at"].is_null()).await;
        let body = &receiver.requests()[0].body;
        assert_eq!(body["status"], "failed");
        assert!(body["metadata"]["error"].is_object(), "{body}");
        assert_eq!(body["metadata"]["result"]["messages"], json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_with_a_fault_is_tried_again() {
    on_each_open_server(async |app| {
        let receiver = Receiver::start();
        receiver.push(Reply::status(503));
        receiver.push(Reply::status(204));
        let agent = app.agent(json!({})).await;
        let path = app.send_async(&agent, Some(&receiver.url("/"))).await;
        app.when(&path, |run| run["callback_status_code"] == 204).await;
        let requests = receiver.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].body, requests[1].body);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_noted_and_harms_nobody() {
    on_each_open_server(async |app| {
        let nobody = Port::free();
        let agent = app.agent(json!({})).await;
        let path = app.send_async(&agent, Some(&nobody.url("/"))).await;
        let run = app.when(&path, |run| !run["callback_error"].is_null()).await;
        assert_eq!((&run["status"], &run["callback_sent_at"]), (&json!("completed"), &Value::Null));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_that_was_not_posted_before_a_crash_is_posted_after_it() {
    for database in TestDatabase::each() {
        println!("on {:?}", database.backend());
        let receiver = Receiver::start();
        // The server is killed while it waits for this answer.
        receiver.push(Reply::status(500).after(Duration::from_secs(4)));
        let mut app = App::start(database, |server| server.arg("--allow-private-addresses"));
        let agent = app.agent(json!({})).await;
        let path = app.send_async(&agent, Some(&receiver.url("/"))).await;
        receiver.wait_for_requests(1);
        app.server = app.server.restart();
        app.client = app.client();
        let requests = tokio::task::block_in_place(|| receiver.wait_for_requests(2));
        assert_eq!(requests[0].body, requests[1].body);
        app.when(&path, |run| run["callback_status_code"] == 200).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_cannot_be_called_is_refused_with_the_request() {
    on_sqlite(
        |server| server,
        async |app| {
            let agent = app.agent(json!({})).await;
            let path = format!("/v1/agents/{}/messages/async", id(&agent));
            for url in [
                "file:///etc/passwd",
                "example.com",
                "",
                "http://127.0.0.1:9/",
                "http://[::1]/",
                "http://localhost/",
                "http://169.254.169.254/",
            ] {
                let answer = app.post(&path, json!({ "input": "Hi", "callback_url": url })).await;
                assert_error(&answer, 422, "callback_url");
            }
            assert_error(&app.post(&path, json!({ "messages": [] })).await, 422, "Messages must not be empty");
            assert_eq!(app.list("/v1/runs/").await, json!([]));
        },
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_step_webhook_hears_of_every_step() {
    let receiver = Receiver::start();
    on_sqlite(
        |server| server.env("STEP_COMPLETE_WEBHOOK", receiver.url("/steps")).env("MUISTI_STEP_COMPLETE_KEY", "word"),
        async |app| {
            let agent = app.agent(json!({})).await;
            app.model.push(Answer::tool_call("conversation_search", json!({ "query": "anything" })));
            app.model.push(Answer::text("Nothing."));
            let path = format!("/v1/agents/{}/messages", id(&agent));
            app.post(&path, json!({ "input": "Look." })).await.expect_json();
            app.model.push(Answer::error(400, "I have had enough."));
            assert_eq!(app.post(&path, json!({ "input": "Again." })).await.status, 400);
            let requests = tokio::task::block_in_place(|| receiver.wait_for_requests(3));
            let mut told: Vec<String> =
                requests.iter().map(|request| request.body["step_id"].as_str().unwrap().to_owned()).collect();
            let mut steps = crate::harness::each(&app.list("/v1/steps/").await, "id");
            told.sort();
            steps.sort();
            assert_eq!(told, steps);
            assert_eq!(requests[0].header("authorization"), Some("Bearer word"));
        },
    )
    .await;
}
