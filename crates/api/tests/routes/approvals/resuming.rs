//! What follows on an answer to all calls that wait.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::{
    answers, calls, careful, conversation, frames, gave, history, insert, kinds, look, memory, messages, messages_of,
    no, pause, streamed, the, yes,
};
use crate::harness::{each, on_each_database};

#[tokio::test]
async fn returns_denials_approvals_and_free_calls_are_one_message() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let waiting = [insert("call_1", "One."), insert("call_2", "Two."), insert("call_3", "Three."), look("call_4")];
        app.model.push(Answer::tool_calls(waiting).and_text("May I?").reasoning("Better ask."));
        let paused = app.post(&messages(&agent), super::said("Go.")).await.expect_json();
        let request = the(messages_of(&paused), "approval_request_message").clone();
        app.model.push(Answer::text("All is done."));

        let body = answers([yes("call_1"), no("call_2", "Not this one."), gave("call_3", "I did it.")]);
        let answer = app.post(&messages(&agent), body).await.expect_json();

        let shown = messages_of(&answer);
        assert_eq!(kinds(shown), ["tool_return_message", "assistant_message"]);
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let returns = &shown[0]["tool_returns"];
        assert_eq!(calls(&shown[0]), ["call_3", "call_2", "call_1", "call_4"]);
        assert_eq!(each(returns, "status"), ["success", "error", "success", "success"]);
        assert_eq!(returns[0]["tool_return"], "I did it.");
        let denied = "Error: request to call tool denied. User reason: Not this one.";
        assert_eq!(returns[1]["tool_return"], denied);
        assert_eq!(memory(app, &agent).await, "One.");
        assert_eq!(shown[0]["step_id"], request["step_id"]);
        assert_ne!(shown[0]["run_id"], request["run_id"]);
        assert_eq!(answer["usage"]["step_count"], 1, "carrying out is no step of its own");

        let listed = history(app, &agent).await;
        let expected = [
            "user_message",
            "reasoning_message",
            "assistant_message",
            "tool_call_message",
            "approval_request_message",
            "approval_response_message",
            "tool_return_message",
            "assistant_message",
        ];
        assert_eq!(kinds(&listed), expected);
        let response = &listed[5];
        assert_eq!((&response["approve"], &response["approval_request_id"]), (&json!(true), &json!("call_1")));
        let given = json!({
            "type": "tool", "tool_return": "I did it.", "status": "success", "tool_call_id": "call_3",
            "stdout": null, "stderr": null,
        });
        assert_eq!(response["approvals"][2], given);
        assert_eq!(response["approvals"][1]["reason"], "Not this one.");

        let asked = app.model.last_request();
        let roles: Vec<&str> = asked.messages().iter().map(|message| message["role"].as_str().unwrap()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "tool", "tool", "tool"]);
        let made = asked.messages()[2]["tool_calls"].as_array().unwrap().len();
        assert_eq!(made, 4, "to the model it is one answer again");
    })
    .await;
}

#[tokio::test]
async fn what_is_said_along_with_an_answer_is_heard_after_the_returns() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for of in [agent.clone(), conversation(app, &agent).await] {
            let call = format!("call_of_{}", &of[..5]);
            pause(app, &of, [insert(&call, "Green.")]).await;
            let mut body = answers([no(&call, "No.")]);
            body["messages"].as_array_mut().unwrap().push(json!({ "role": "user", "content": "Take blue instead." }));
            let answer = app.post(&messages(&of), body).await.expect_json();
            assert_eq!(kinds(messages_of(&answer)), ["tool_return_message", "assistant_message"]);
            let asked = app.model.last_request();
            let roles: Vec<&str> = asked.messages().iter().map(|message| message["role"].as_str().unwrap()).collect();
            assert_eq!(roles[roles.len() - 3..], ["assistant", "tool", "user"]);
            assert_eq!(asked.last_user().unwrap(), "Take blue instead.");
            let listed = history(app, &of).await;
            let expected = [
                "user_message",
                "approval_request_message",
                "approval_response_message",
                "tool_return_message",
                "user_message",
                "assistant_message",
            ];
            assert_eq!(kinds(&listed), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn answers_of_old_clients_are_understood() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for (turn, by_request, approve) in [(0, true, true), (1, false, true), (2, true, false)] {
            let call = format!("call_{turn}");
            let paused = pause(app, &agent, [insert(&call, &format!("Text {turn}."))]).await;
            let request = the(messages_of(&paused), "approval_request_message")["id"].clone();
            let id = if by_request { request } else { call.clone().into() };
            let mut message = json!({ "approve": approve, "approval_request_id": id, "reason": "Old." });
            if turn == 0 {
                message["type"] = "approval".into();
            }
            let body = json!({ "messages": [message] });
            let answer = app.post(&messages(&agent), body).await.expect_json();
            let returned = the(messages_of(&answer), "tool_return_message");
            assert_eq!(returned["status"], if approve { "success" } else { "error" });
            let listed = history(app, &agent).await;
            let response = listed.iter().rfind(|message| message["message_type"] == "approval_response_message");
            let response = response.unwrap();
            assert_eq!((&response["approve"], &response["reason"]), (&json!(approve), &json!("Old.")));
            assert_eq!(response["approvals"][0]["tool_call_id"], call);
        }
        assert_eq!(memory(app, &agent).await, "Text 0.\nText 1.");
    })
    .await;
}

#[tokio::test]
async fn a_return_of_an_old_client_is_understood_with_what_follows_it() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let paused = pause(app, &agent, [insert("call_1", "One.")]).await;
        let request = the(messages_of(&paused), "approval_request_message")["id"].as_str().unwrap().to_owned();
        let body = json!({ "messages": [
            { "type": "tool_return", "tool_returns": [gave(&request, "Done by hand.")] },
            { "role": "user", "content": "Go on." },
        ] });
        let answer = app.post(&messages(&agent), body).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let asked = app.model.last_request();
        assert_eq!(asked.last_user().unwrap(), "Go on.");
        assert!(asked.body.to_string().contains("Done by hand."));
        assert!(history(app, &agent).await.iter().any(|message| message["content"] == "Go on."));
    })
    .await;
}

#[tokio::test]
async fn an_agent_from_a_file_goes_on_with_all_its_calls() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "One."), look("call_2")]).await;
        let file = app.list(&format!("/v1/agents/{agent}/export")).await.to_string();
        let head = "--form\r\ncontent-disposition: form-data; name=\"file\"; filename=\"agent.af\"\r\n\r\n";
        let body = format!("{head}{file}\r\n--form--\r\n");
        let kind = "multipart/form-data; boundary=form";
        let made = app.client.send_bytes("POST", "/v1/agents/import", kind, Some(body.as_bytes())).await.unwrap();
        let copy = made.expect_json()["agent_ids"][0].as_str().unwrap().to_owned();
        let answer = app.post(&messages(&copy), answers([yes("call_1")])).await.expect_json();
        assert_eq!(calls(the(messages_of(&answer), "tool_return_message")), ["call_1", "call_2"]);
        assert!(!app.model.last_request().body.to_string().contains("interrupted"));
    })
    .await;
}

#[tokio::test]
async fn a_denial_without_a_reason_says_so() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "Green.")]).await;
        let denial = json!({ "type": "approval", "tool_call_id": "call_1", "approve": false });
        let answer = app.post(&messages(&agent), answers([denial])).await.expect_json();
        let returned = &the(messages_of(&answer), "tool_return_message")["tool_return"];
        assert_eq!(returned, "Error: request to call tool denied. User reason: None");
        assert!(app.model.last_request().last_text().contains("User reason: None"));
    })
    .await;
}

#[tokio::test]
async fn a_resumed_turn_is_streamed_like_any_other() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for (tokens, call) in [(false, "call_1"), (true, "call_2")] {
            pause(app, &agent, [insert(call, "Green."), look(&format!("{call}_free"))]).await;
            app.model.push(Answer::text("Noted, thank you."));
            let shown = frames(app, &agent, &streamed(answers([yes(call)]), tokens)).await;
            let mut seen = kinds(&shown);
            seen.dedup();
            assert_eq!(seen, ["tool_return_message", "assistant_message", "stop_reason", "usage_statistics"]);
            assert_eq!(calls(&shown[0]), [call.to_owned(), format!("{call}_free")]);
            let said: String = shown.iter().filter_map(|frame| frame["content"].as_str()).collect();
            assert_eq!(said, "Noted, thank you.");
        }
    })
    .await;
}

#[tokio::test]
async fn a_turn_may_pause_again_and_again() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_0", "Zero.")]).await;
        for turn in 1..4 {
            app.model.push(Answer::tool_calls([insert(&format!("call_{turn}"), &format!("Text {turn}."))]));
            let answer = app.post(&messages(&agent), answers([yes(&format!("call_{}", turn - 1))])).await.expect_json();
            assert_eq!(answer["stop_reason"]["stop_reason"], "requires_approval");
            assert_eq!(kinds(messages_of(&answer)), ["tool_return_message", "approval_request_message"]);
        }
        app.post(&messages(&agent), answers([no("call_3", "Enough.")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "Zero.\nText 1.\nText 2.");
    })
    .await;
}

#[tokio::test]
async fn a_tool_that_ends_the_turn_ends_it_when_it_was_approved_and_not_when_it_was_denied() {
    on_each_database(async |app| {
        let rules = json!([
            { "type": "requires_approval", "tool_name": "memory_insert" },
            { "type": "exit_loop", "tool_name": "memory_insert" },
        ]);
        let agent = careful(app, json!({ "tool_rules": rules })).await;
        pause(app, &agent, [insert("call_1", "Green.")]).await;
        let answer = app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "tool_rule");
        assert_eq!(kinds(messages_of(&answer)), ["tool_return_message"]);
        pause(app, &agent, [insert("call_2", "Blue.")]).await;
        let answer = app.post(&messages(&agent), answers([no("call_2", "No.")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        assert_eq!(kinds(messages_of(&answer)), ["tool_return_message", "assistant_message"]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_can_be_given_in_the_background() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "Green.")]).await;
        let run = app.post(&format!("{}/async", messages(&agent)), answers([yes("call_1")])).await.expect_json();
        let run = format!("/v1/runs/{}", run["id"].as_str().unwrap());
        let ended = app.when(&run, |run| run["completed_at"].is_string()).await;
        assert_eq!((&ended["status"], &ended["stop_reason"]), (&json!("completed"), &json!("end_turn")));
        assert_eq!(memory(app, &agent).await, "Green.");

        pause(app, &agent, [insert("call_2", "Blue.")]).await;
        let mut body = streamed(answers([yes("call_2")]), true);
        body["background"] = true.into();
        let shown = frames(app, &agent, &body).await;
        assert_eq!(shown[0]["message_type"], "tool_return_message");
        assert_eq!(memory(app, &agent).await, "Green.\nBlue.");
    })
    .await;
}

#[tokio::test]
async fn a_failure_after_an_answer_does_not_bring_the_calls_back() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        pause(app, &agent, [insert("call_1", "Green.")]).await;
        app.model.push(Answer::error(400, "I have had enough."));
        let failed = app.post(&messages(&agent), answers([yes("call_1")])).await;
        assert_eq!(failed.status, 400);
        assert_eq!(memory(app, &agent).await, "Green.");
        let listed = history(app, &agent).await;
        assert_eq!(kinds(&listed[2..]), ["approval_response_message", "tool_return_message"]);
        let answer = app.post(&messages(&agent), super::said("And now?")).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let roles: Vec<Value> = app.model.last_request().messages().iter().map(|said| said["role"].clone()).collect();
        assert_eq!(roles, ["system", "user", "assistant", "tool", "user"]);
    })
    .await;
}
