//! Cancelling and resetting what waits.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::{
    answers, calls, cancel, careful, conversation, history, insert, kinds, look, memory, messages, messages_of, pause,
    pending, reset, said, the, yes,
};
use crate::harness::{App, assert_error, each, id, on_each_database};

const CANCELLED: &str = "The user cancelled the request, so the tool call was denied.";

async fn send(app: &mut App, path: &str) -> Value {
    app.client.send("POST", path, None).await.unwrap().expect_json()
}

#[tokio::test]
async fn cancelling_denies_every_call_that_waits() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for of in [agent.clone(), conversation(app, &agent).await] {
            let name = |number: usize| format!("{}_{number}", &of[..5]);
            let waiting = [insert(&name(1), "One."), look(&name(2)), insert(&name(3), "Three.")];
            let paused = pause(app, &of, waiting).await;
            let request = the(messages_of(&paused), "approval_request_message");
            let run = request["run_id"].as_str().unwrap();

            assert_eq!(send(app, &cancel(&of)).await, json!({ run: "cancelled" }));

            let listed = history(app, &of).await;
            let expected = [
                "user_message",
                "tool_call_message",
                "approval_request_message",
                "approval_response_message",
                "tool_return_message",
            ];
            assert_eq!(kinds(&listed), expected);
            let (denials, returned) = (&listed[3], &listed[4]);
            assert_eq!(each(&denials["approvals"], "tool_call_id"), [name(1), name(3)]);
            assert!(denials["approvals"].as_array().unwrap().iter().all(|denial| denial["approve"] == false));
            assert_eq!(calls(returned), [name(1), name(3), name(2)]);
            for tool in returned["tool_returns"].as_array().unwrap() {
                assert_eq!(tool["status"], "error");
                assert!(tool["tool_return"].as_str().unwrap().contains(CANCELLED), "{tool}");
            }
            assert_eq!((&returned["step_id"], &returned["run_id"]), (&request["step_id"], &request["run_id"]));
            let ended = app.list(&format!("/v1/runs/{run}")).await;
            assert_eq!((&ended["status"], &ended["stop_reason"]), (&json!("cancelled"), &json!("cancelled")));
            assert_eq!(app.list(&format!("/v1/agents/{agent}")).await["last_stop_reason"], "cancelled");
            let again = app.client.send("POST", &cancel(&of), None).await.unwrap();
            assert_error(&again, 409, "No active runs to cancel for");
            let named = json!({ "run_ids": [run] });
            assert_eq!(app.post(&cancel(&agent), named).await.expect_json(), json!({ run: "cancelled" }));
            assert_eq!(history(app, &of).await.len(), 5);

            app.model.push(Answer::text("As you wish."));
            let answer = app.post(&messages(&of), said("And now?")).await.expect_json();
            assert_eq!(answer["messages"][0]["content"], "As you wish.");
        }
        assert_eq!(memory(app, &agent).await, "");
    })
    .await;
}

#[tokio::test]
async fn a_named_run_is_given_up_wherever_it_waits_and_no_other() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let conversation = conversation(app, &agent).await;
        let first = pause(app, &conversation, [insert("call_1", "One.")]).await["messages"][0]["run_id"].clone();
        app.post(&messages(&conversation), answers([yes("call_1")])).await.expect_json();
        let second = pause(app, &conversation, [insert("call_2", "Two.")]).await["messages"][0]["run_id"].clone();
        let one = json!({ "run_ids": [first] });
        app.post(&cancel(&agent), one).await.expect_json();
        assert_eq!(app.post(&messages(&conversation), said("Well?")).await.status, 409, "the other one waits on");
        let other = json!({ "run_ids": [second] });
        app.post(&cancel(&agent), other).await.expect_json();
        app.post(&messages(&conversation), said("Well?")).await.expect_json();
        let foreign = careful(app, json!({})).await;
        let paused = pause(app, &foreign, [insert("call_3", "Three.")]).await["messages"][0]["run_id"].clone();
        let run = paused.as_str().unwrap();
        let body = json!({ "run_ids": [run] });
        assert_eq!(app.post(&cancel(&agent), body).await.expect_json(), json!({ run: "failed" }));
        assert_eq!(calls(&pending(app, &foreign).await), ["call_3"]);
    })
    .await;
}

#[tokio::test]
async fn what_waits_can_be_reset_by_one_plain_request() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let nothing = json!({ "pending_request_id": null, "pending_tool_call_ids": [], "run_id": null });
        for of in [agent.clone(), conversation(app, &agent).await] {
            assert_eq!(send(app, &reset(&of)).await, nothing);
            let name = |number: usize| format!("{}_{number}", &of[..5]);
            let paused = pause(app, &of, [insert(&name(1), "One."), look(&name(2))]).await;
            let request = the(messages_of(&paused), "approval_request_message");
            let expected = json!({
                "pending_request_id": request["id"],
                "pending_tool_call_ids": [name(1)],
                "run_id": request["run_id"],
            });
            assert_eq!(send(app, &reset(&of)).await, expected);
            assert_eq!(send(app, &reset(&of)).await, nothing);
            let listed = history(app, &of).await;
            assert_eq!(calls(listed.last().unwrap()), [name(1), name(2)]);
            let run = app.list(&format!("/v1/runs/{}", request["run_id"].as_str().unwrap())).await;
            assert_eq!(run["status"], "cancelled");
            assert_eq!(app.list(&format!("/v1/agents/{agent}")).await["last_stop_reason"], "cancelled");
            app.post(&messages(&of), said("And now?")).await.expect_json();
        }
        let by_default = format!("/v1/conversations/default/reset-pending?agent_id={agent}");
        pause(app, &agent, [insert("call_9", "One.")]).await;
        assert_eq!(send(app, &by_default).await["pending_tool_call_ids"], json!(["call_9"]));
        let unknown = "/v1/agents/agent-123e4567-e89b-42d3-8456-426614174000/messages/reset-pending";
        assert_eq!(app.client.send("POST", unknown, None).await.unwrap().status, 404);
    })
    .await;
}

#[tokio::test]
async fn what_waits_can_be_given_up_after_its_run_is_gone() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for (call, path) in [("call_1", cancel(&agent)), ("call_2", reset(&agent))] {
            let run = pause(app, &agent, [insert(call, "One.")]).await["messages"][0]["run_id"].clone();
            assert!(app.delete(&format!("/v1/runs/{}", run.as_str().unwrap())).await.is_success());
            let refused = app.post(&messages(&agent), said("Well?")).await;
            assert_eq!(refused.json()["detail"]["pending_tool_call_ids"], json!([call]));
            send(app, &path).await;
            app.post(&messages(&agent), said("And now?")).await.expect_json();
        }
    })
    .await;
}

#[tokio::test]
async fn a_fork_waits_by_itself() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let conversation = conversation(app, &agent).await;
        pause(app, &conversation, [insert("call_1", "One.")]).await;
        let fork = app.post(&format!("/v1/conversations/{conversation}/fork"), json!({})).await.expect_json();
        let fork = id(&fork);
        send(app, &cancel(fork)).await;
        app.post(&messages(fork), said("And now?")).await.expect_json();
        assert_eq!(app.post(&messages(&conversation), said("And now?")).await.status, 409);
        app.post(&messages(&conversation), answers([yes("call_1")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "One.");
    })
    .await;
}

#[tokio::test]
async fn what_is_done_in_a_fork_is_not_listed_in_its_source() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let conversation = conversation(app, &agent).await;
        let default = format!("default/fork?agent_id={agent}");
        for (of, source) in [(agent.clone(), default), (conversation.clone(), format!("{conversation}/fork"))] {
            let name = |number: usize| format!("{}_{number}", &of[..5]);
            pause(app, &of, [insert(&name(1), "One."), look(&name(2))]).await;
            let before = history(app, &of).await;
            for way in ["answer", "reset", "cancel", "deny"] {
                let fork = app.post(&format!("/v1/conversations/{source}"), json!({})).await.expect_json();
                let fork = id(&fork);
                match way {
                    "answer" => _ = app.post(&messages(fork), answers([yes(&name(1))])).await.expect_json(),
                    "reset" => _ = send(app, &reset(fork)).await,
                    "cancel" => _ = send(app, &cancel(fork)).await,
                    _ => {
                        let mut client = app.client().with_header("x-muisti-on-pending", "deny");
                        client.post(&messages(fork), &said("And now?")).await.unwrap().expect_json();
                    }
                }
                assert_eq!(history(app, &of).await, before, "{way}");
                let rows = history(app, fork).await;
                assert!(calls(the(&rows, "tool_return_message")).contains(&name(1)), "{way}: {rows:?}");
            }
            app.post(&messages(&of), answers([yes(&name(1))])).await.expect_json();
        }
    })
    .await;
}

#[tokio::test]
async fn a_history_that_is_begun_afresh_leaves_nothing_waiting() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let paused = pause(app, &agent, [insert("call_1", "One."), look("call_2")]).await;
        let run = the(messages_of(&paused), "approval_request_message")["run_id"].as_str().unwrap().to_owned();
        let state = app.patch(&format!("/v1/agents/{agent}/reset-messages"), json!({})).await.expect_json();
        assert_eq!(
            (&state["last_stop_reason"], state["message_ids"].as_array().unwrap().len()),
            (&json!("cancelled"), 1)
        );
        assert_eq!(app.list(&format!("/v1/runs/{run}")).await["status"], "cancelled");
        let listed = app.list(&format!("{}?order=asc&limit=100", messages(&agent))).await;
        assert_eq!(calls(the(listed.as_array().unwrap(), "tool_return_message")), ["call_1", "call_2"]);
        app.post(&messages(&agent), said("And now?")).await.expect_json();
        assert_eq!(memory(app, &agent).await, "");
    })
    .await;
}
