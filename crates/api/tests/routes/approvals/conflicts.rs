//! What cannot be taken while calls wait, and which answers fit nothing.

use serde_json::{Value, json};

use super::{
    answers, calls, careful, conversation, gave, history, insert, look, memory, messages, messages_of, no, pause,
    pending, said, streamed, the, yes,
};
use crate::harness::{assert_error, on_each_database};

#[tokio::test]
async fn a_message_is_refused_with_what_waits_as_data() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for of in [agent.clone(), conversation(app, &agent).await] {
            let call = format!("call_of_{}", &of[..5]);
            let paused = pause(app, &of, [insert(&call, "One."), look(&format!("{call}_free"))]).await;
            let request = the(messages_of(&paused), "approval_request_message");
            let before = history(app, &of).await;
            let detail = json!({
                "code": "PENDING_APPROVAL",
                "message": "CONFLICT: Cannot send a new message: The agent is waiting for approval on a tool call. \
                            Please approve or deny the pending request before continuing.",
                "pending_request_id": request["id"],
                "pending_tool_call_ids": [call],
                "run_id": request["run_id"],
            });
            let mut in_background = streamed(said("Well?"), true);
            in_background["background"] = true.into();
            for body in [said("Well?"), streamed(said("Well?"), false), streamed(said("Well?"), true), in_background] {
                let refused = app.post(&messages(&of), body).await;
                assert_eq!((refused.status, refused.header("x-should-retry")), (409, Some("false")));
                assert_eq!(refused.json()["detail"], detail);
            }
            assert_eq!(history(app, &of).await, before, "nothing is stored");
            app.post(&messages(&of), answers([yes(&call)])).await.expect_json();
        }
        let preview = format!("{}/preview-raw-payload", messages(&agent));
        assert_eq!(app.post(&preview, said("Hi.")).await.status, 200);
        pause(app, &agent, [insert("call_9", "One.")]).await;
        assert_error(&app.post(&preview, said("Hi.")).await, 409, "call_9");
        assert_eq!(app.post(&preview, answers([yes("call_9")])).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn other_histories_of_the_agent_go_on() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let conversation = conversation(app, &agent).await;
        pause(app, &conversation, [insert("call_1", "One.")]).await;
        assert_eq!(pending(app, &agent).await, Value::Null, "the agent shows what waits in its default history");
        app.post(&messages(&agent), said("Hi.")).await.expect_json();
        pause(app, &agent, [insert("call_2", "Two.")]).await;
        app.post(&messages(&conversation), answers([yes("call_1")])).await.expect_json();
        assert_eq!(app.post(&messages(&agent), said("Hi.")).await.status, 409);
        assert_eq!(app.post(&messages(&conversation), said("Hi.")).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn in_the_background_it_is_the_run_that_fails_and_says_what_waits() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let paused = pause(app, &agent, [insert("call_1", "One.")]).await;
        let request = the(messages_of(&paused), "approval_request_message");
        let run = app.post(&format!("{}/async", messages(&agent)), said("Well?")).await.expect_json();
        let path = format!("/v1/runs/{}", run["id"].as_str().unwrap());
        let run = app.when(&path, |run| run["completed_at"].is_string()).await;
        assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("error")));
        let error = &run["metadata"]["error"];
        assert!(error["detail"].as_str().unwrap().contains("waiting for approval"), "{error}");
        let waits = &run["metadata"]["pending_approval"];
        assert_eq!(
            (&waits["pending_request_id"], &waits["pending_tool_call_ids"]),
            (&request["id"], &json!(["call_1"]))
        );
        assert_eq!(waits["run_id"], request["run_id"]);
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "One.");
    })
    .await;
}

#[tokio::test]
async fn answers_that_fit_nothing_are_refused_with_what_waits() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let paused = pause(app, &agent, [insert("call_1", "One."), insert("call_2", "Two."), look("call_3")]).await;
        let request = the(messages_of(&paused), "approval_request_message");
        let wrong = "Invalid tool call IDs. Expected '['call_1', 'call_2']', but received ";
        let empty = "Invalid approval response. Approval response message does not contain any approvals.";
        let returned = json!({ "messages": [{ "type": "tool_return", "tool_returns": [gave("call_8", "Mine.")] }] });
        for (body, detail) in [
            (answers([yes("call_9")]), format!("{wrong}'['call_9']'.")),
            (
                answers([yes("call_1"), yes("call_2"), yes("call_9")]),
                format!("{wrong}'['call_1', 'call_2', 'call_9']'."),
            ),
            (answers([yes("call_1"), yes("call_3")]), format!("{wrong}'['call_1', 'call_3']'.")),
            (returned, format!("{wrong}'['call_8']'.")),
            (answers([]), empty.to_owned()),
            (json!({ "messages": [{ "type": "approval" }] }), empty.to_owned()),
        ] {
            for body in [body.clone(), streamed(body, true)] {
                let refused = app.post(&messages(&agent), body).await;
                let expected = json!({
                    "detail": detail,
                    "pending_request_id": request["id"],
                    "pending_tool_call_ids": ["call_1", "call_2"],
                    "run_id": request["run_id"],
                });
                assert_eq!((refused.status, refused.json()), (400, expected));
            }
        }
        app.post(&messages(&agent), answers([yes("call_1"), yes("call_2")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "One.\nTwo.");
    })
    .await;
}

#[tokio::test]
async fn answers_while_nothing_waits_are_refused() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let nothing = "Cannot process approval response: No tool call is currently awaiting approval. Please send a \
                       regular message to interact with the agent.";
        for body in [answers([yes("call_1")]), streamed(answers([yes("call_1")]), true), answers([])] {
            let refused = app.post(&messages(&agent), body).await;
            let expected =
                json!({ "detail": nothing, "pending_request_id": null, "pending_tool_call_ids": [], "run_id": null });
            assert_eq!((refused.status, refused.json()), (400, expected));
        }
        let behind = json!({ "messages": [
            { "role": "user", "content": "Hi." }, { "type": "approval", "approvals": [yes("call_1")] },
        ] });
        assert_error(&app.post(&messages(&agent), behind).await, 400, "Expected MessageCreate, got ApprovalCreate");
        assert!(history(app, &agent).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_past_cannot_be_put_between_a_call_and_its_return() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let conversation = conversation(app, &agent).await;
        pause(app, &conversation, [insert("call_1", "One."), insert("call_2", "Two.")]).await;
        let import = format!("/v1/conversations/{conversation}/messages/import");
        let past = json!({ "messages": [{ "role": "user", "content": "Long ago." }] });
        let refused = app.post(&import, past.clone()).await;
        assert_eq!((refused.status, refused.header("x-should-retry")), (409, Some("false")));
        let detail = &refused.json()["detail"];
        assert_eq!(detail["pending_tool_call_ids"], json!(["call_1", "call_2"]));
        assert!(detail["pending_request_id"].is_string() && detail["run_id"].is_string(), "{detail}");
        app.post(&messages(&conversation), answers([yes("call_1")])).await.expect_json();
        assert_eq!(app.post(&import, past.clone()).await.status, 409, "a part still waits");
        app.post(&messages(&conversation), answers([yes("call_2")])).await.expect_json();
        assert_eq!(app.post(&import, past).await.status, 200);
    })
    .await;
}

#[tokio::test]
async fn a_preview_is_refused_like_the_request_itself() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let preview = format!("{}/preview-raw-payload", messages(&agent));
        let nothing = app.post(&preview, answers([yes("call_1")])).await;
        assert_error(&nothing, 400, "No tool call is currently awaiting approval");
        pause(app, &agent, [insert("call_1", "One."), insert("call_2", "Two.")]).await;
        for body in [said("Hi."), answers([yes("call_1")])] {
            let refused = app.post(&preview, body).await;
            assert_eq!(refused.status, 409, "{}", refused.text());
        }
        assert_error(&app.post(&preview, answers([yes("call_9")])).await, 400, "Invalid tool call IDs");
        assert_eq!(calls(&pending(app, &agent).await), ["call_1", "call_2"]);
    })
    .await;
}

#[tokio::test]
async fn a_preview_of_an_answer_shows_what_the_model_will_read() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One."), insert("call_2", "Two."), insert("call_3", "Three.")]).await;
        let mut body = answers([no("call_1", "Not that."), gave("call_2", "Mine."), yes("call_3")]);
        body["messages"].as_array_mut().unwrap().push(json!({ "role": "user", "content": "Go on." }));
        let preview = app.post(&format!("{}/preview-raw-payload", messages(&agent)), body.clone()).await.expect_json();
        let roles = |body: &Value| -> Vec<String> {
            body["messages"].as_array().unwrap().iter().map(|m| m["role"].as_str().unwrap().to_owned()).collect()
        };
        let text = preview.to_string();
        for shown in ["Not that.", "Mine.", "A preview calls no tools.", "Go on."] {
            assert!(text.contains(shown), "{shown}: {text}");
        }
        assert!(!text.contains("interrupted"), "{text}");
        assert_eq!(memory(app, &agent).await, "");
        app.post(&messages(&agent), body).await.expect_json();
        let asked = app.model.requests().into_iter().map(|request| request.body);
        let asked: Vec<Vec<String>> = asked.map(|body| roles(&body)).collect();
        assert!(asked.contains(&roles(&preview)), "{asked:?}");
    })
    .await;
}
