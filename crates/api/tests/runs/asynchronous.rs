//! `POST /v1/agents/{agent_id}/messages/async`: a run that nobody follows.

use muisti_testkit::{Answer, Receiver, TestDatabase};
use serde_json::{Value, json};

use crate::{
    assert_goes_on, crash, ended,
    harness::{App, assert_error, each, id, on_each_database, when},
    kinds, messages_of, new_agent, note, replay, said, wait_for_model,
};

/// Sends in the background, and gives the run as it was answered.
async fn send(app: &mut App, agent: &str, body: Value) -> Value {
    app.post(&format!("{}/async", messages_of(agent)), body).await.expect_json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_begins_works_and_has_its_result() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        app.model.push(Answer::text("Done.").held());
        let run = send(app, &agent, json!({ "input": "Work." })).await;
        assert_eq!(run["status"], "created");
        assert_eq!((&run["background"], &run["completed_at"]), (&json!(true), &Value::Null));
        when(&mut app.client, &format!("/v1/runs/{}", id(&run)), |run| run["status"] == "running").await;
        assert_eq!(each(&app.list("/v1/runs/active?background=true").await, "id"), [id(&run)]);
        assert_eq!(app.list(&format!("/v1/runs/{}/metrics", id(&run))).await["run_ns"], Value::Null);
        wait_for_model(app, 1);
        app.model.release();
        let run = ended(&mut app.client, id(&run)).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("end_turn")));
        let messages = app.list(&format!("/v1/runs/{}/messages", id(&run))).await;
        assert_eq!(each(&messages, "message_type"), ["user_message", "assistant_message"]);
        let events = replay(&mut app.client(), id(&run), 0).await;
        assert_eq!(
            kinds(&events)[kinds(&events).len() - 4..],
            ["assistant_message", "stop_reason", "usage_statistics", "[DONE]"]
        );
        let metrics = app.list(&format!("/v1/runs/{}/metrics", id(&run))).await;
        assert!(metrics["run_start_ns"].as_i64().unwrap() > 0 && metrics["run_ns"].as_i64().unwrap() > 0);
        assert_eq!(metrics["num_steps"], 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_of_the_client_are_asked_for_and_answered() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let tools = json!([{ "name": "open_door", "description": "Opens it.", "parameters": { "type": "object", "properties": {} } }]);
        app.model.push(Answer::tool_call("open_door", json!({})));
        let run = send(app, &agent, json!({ "input": "Let me in.", "client_tools": tools })).await;
        let run = ended(&mut app.client, id(&run)).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("requires_approval")));
        let messages = app.list(&format!("/v1/runs/{}/messages", id(&run))).await;
        assert_eq!(each(&messages, "message_type"), ["user_message", "approval_request_message"]);

        // Something else cannot be said meanwhile: that shows in the run.
        let refused = send(app, &agent, json!({ "input": "Hello?" })).await;
        let refused = ended(&mut app.client, id(&refused)).await;
        assert_eq!((&refused["status"], &refused["stop_reason"]), (&json!("failed"), &json!("error")));
        let error = &refused["metadata"]["error"];
        assert_eq!(error["error_type"], "internal_error");
        assert!(error["message"].as_str().unwrap().contains("waiting for approval"), "{error}");
        assert_eq!((&error["run_id"], error["detail"].is_string()), (&refused["id"], true));
        assert_eq!(refused["metadata"]["run_type"], "send_message_async");

        let call = &messages[1]["tool_calls"][0]["tool_call_id"];
        let answer = json!({ "type": "tool", "tool_call_id": call, "tool_return": "It is open.", "status": "success" });
        let answer = json!({ "messages": [{ "type": "approval", "approvals": [answer] }], "client_tools": tools });
        app.model.push(Answer::text("Come in."));
        let run = send(app, &agent, answer).await;
        let run = ended(&mut app.client, id(&run)).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("completed"), &json!("end_turn")), "{run}");
        assert!(app.model.last_request().last_text().contains("It is open."));
        assert_goes_on(app, &agent).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_request_is_said_at_once_and_leaves_no_run() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let path = format!("{}/async", messages_of(&agent));
        assert_error(&app.post(&path, json!({ "messages": [] })).await, 422, "Messages must not be empty");
        assert_error(&app.post(&path, json!({ "input": "Hi.", "max_steps": 0 })).await, 422, "max_steps");
        assert_error(&app.post(&path, json!({ "input": "Hi.", "override_model": "openai/none" })).await, 404, "none");
        let unknown = "agent-123e4567-e89b-42d3-8456-426614174000";
        assert_error(
            &app.post(&format!("{}/async", messages_of(unknown)), json!({ "input": "Hi." })).await,
            404,
            unknown,
        );
        assert_eq!(app.list("/v1/runs/").await, json!([]));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_hear_of_runs_that_were_cancelled_and_of_those_that_outlived_a_crash() {
    for database in TestDatabase::each() {
        println!("on {:?}", database.backend());
        let receiver = Receiver::start();
        let mut app = App::start(database, |server| server.arg("--allow-private-addresses"));
        let app = &mut app;
        let agent = new_agent(app, json!({})).await;
        let body = json!({ "input": "Work.", "callback_url": receiver.url("/done") });
        app.model.push(Answer::hang());
        let run = send(app, &agent, body.clone()).await;
        wait_for_model(app, 1);
        app.post(&format!("{}/cancel", messages_of(&agent)), json!({})).await.expect_json();
        let run = ended(&mut app.client, id(&run)).await;
        let told = tokio::task::block_in_place(|| receiver.wait_for_requests(1));
        assert_eq!((&told[0].body["run_id"], &told[0].body["status"]), (&run["id"], &json!("cancelled")));
        assert_eq!(told[0].body["completed_at"], run["completed_at"]);
        // What is not known to have been told would be told again after the crash.
        when(&mut app.client, &format!("/v1/runs/{}", id(&run)), |run| run["callback_status_code"] == 200).await;

        app.model.push_all([note("Once."), Answer::hang()]);
        let run = send(app, &agent, body).await;
        wait_for_model(app, 3);
        crash(app, |app| app.model.push(Answer::text("Done."))).await;
        let told = tokio::task::block_in_place(|| receiver.wait_for_requests(2));
        assert_eq!((&told[1].body["run_id"], &told[1].body["status"]), (&run["id"], &json!("completed")));
        let result = &told[1].body["metadata"]["result"];
        let messages = app.list(&format!("/v1/runs/{}/messages", id(&run))).await;
        assert_eq!(result["messages"], messages);
        assert_eq!(result["usage"]["step_count"], 2);
        when(&mut app.client, &format!("/v1/runs/{}", id(&run)), |run| run["callback_status_code"] == 200).await;
        let expected = ["user_message", "tool_call_message", "tool_return_message", "assistant_message"];
        assert_eq!(said(&mut app.client, &agent).await, expected);
    }
}
