//! Answers to a part of the calls that wait.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::{
    answers, calls, cancel, careful, conversation, frames, gave, history, insert, kinds, look, memory, messages,
    messages_of, no, pause, pending, said, streamed, the, yes,
};
use crate::harness::{App, assert_error, each, on_each_database};

async fn two_wait(app: &mut App, of: &str, name: &str) -> Value {
    let [first, second] = [format!("{name}_1"), format!("{name}_2")];
    let waiting = [insert(&first, "One."), look(&format!("{name}_free")), insert(&second, "Two.")];
    let answer = pause(app, of, waiting).await;
    the(messages_of(&answer), "approval_request_message").clone()
}

#[tokio::test]
async fn a_part_of_the_calls_is_answered_and_the_rest_waits_on() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let request = two_wait(app, &agent, "call").await;
        let asked = app.model.requests().len();

        let answer = app.post(&messages(&agent), answers([yes("call_2")])).await.expect_json();

        assert_eq!(answer["stop_reason"]["stop_reason"], "requires_approval");
        let shown = messages_of(&answer);
        assert_eq!(kinds(shown), ["approval_request_message"]);
        assert_eq!((calls(&shown[0]), &shown[0]["id"]), (vec!["call_1".to_owned()], &request["id"]));
        assert_eq!((memory(app, &agent).await.as_str(), app.model.requests().len()), ("", asked));
        let waits = pending(app, &agent).await;
        assert_eq!((calls(&waits), &waits["id"]), (vec!["call_1".to_owned()], &request["id"]));
        let listed = app.list("/v1/agents/?include=agent.pending_approval").await;
        assert_eq!(listed[0]["pending_approval"], waits);

        let refused = app.post(&messages(&agent), said("Well?")).await;
        assert_eq!(refused.status, 409);
        assert_eq!(refused.json()["detail"]["pending_tool_call_ids"], json!(["call_1"]));

        let answer = app.post(&messages(&agent), answers([no("call_1", "Not one.")])).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn");
        let returned = &messages_of(&answer)[0];
        assert_eq!(calls(returned), ["call_1", "call_2", "call_free"]);
        assert_eq!(each(&returned["tool_returns"], "status"), ["error", "success", "success"]);
        assert_eq!(memory(app, &agent).await, "Two.");
        assert_eq!(pending(app, &agent).await, Value::Null);
        let expected = [
            "user_message",
            "tool_call_message",
            "approval_request_message",
            "approval_response_message",
            "approval_response_message",
            "tool_return_message",
            "assistant_message",
        ];
        assert_eq!(kinds(&history(app, &agent).await), expected);
    })
    .await;
}

#[tokio::test]
async fn streams_show_what_still_waits() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for (name, tokens, background) in [("steps", false, false), ("tokens", true, false), ("stored", true, true)] {
            let request = two_wait(app, &agent, name).await;
            let mut body = streamed(answers([gave(&format!("{name}_1"), "Done.")]), tokens);
            body["background"] = background.into();
            let shown = frames(app, &agent, &body).await;
            assert_eq!(kinds(&shown), ["approval_request_message", "stop_reason", "usage_statistics"], "{name}");
            assert_eq!((calls(&shown[0]), &shown[0]["id"]), (vec![format!("{name}_2")], &request["id"]));
            assert_eq!(shown[1]["stop_reason"], "requires_approval");
            let body = streamed(answers([no(&format!("{name}_2"), "No.")]), tokens);
            let shown = frames(app, &agent, &body).await;
            assert_eq!(each(&shown[0]["tool_returns"], "status"), ["success", "error", "success"]);
        }
    })
    .await;
}

#[tokio::test]
async fn what_was_answered_first_counts() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        two_wait(app, &agent, "call").await;
        for _ in 0..3 {
            let answer = app.post(&messages(&agent), answers([no("call_1", "No.")])).await.expect_json();
            assert_eq!(calls(&messages_of(&answer)[0]), ["call_2"], "a repeat is told the same");
        }
        assert_eq!(history(app, &agent).await.len(), 4, "and stored once");
        let answer = app.post(&messages(&agent), answers([yes("call_1"), yes("call_2")])).await.expect_json();
        assert_eq!(calls(&messages_of(&answer)[0]), ["call_1", "call_2", "call_free"]);
        assert_eq!(memory(app, &agent).await, "Two.");
    })
    .await;
}

#[tokio::test]
async fn nothing_can_be_said_along_with_an_answer_to_a_part() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        two_wait(app, &agent, "call").await;
        let mut body = answers([yes("call_1")]);
        body["messages"].as_array_mut().unwrap().push(json!({ "role": "user", "content": "Hurry." }));
        for body in [body.clone(), streamed(body, true)] {
            let refused = app.post(&messages(&agent), body).await;
            assert_error(&refused, 409, "waiting for approval");
            assert_eq!(refused.json()["detail"]["pending_tool_call_ids"], json!(["call_1", "call_2"]));
        }
        assert_eq!(calls(&pending(app, &agent).await), ["call_1", "call_2"]);
    })
    .await;
}

#[tokio::test]
async fn what_a_client_returned_stays_when_the_rest_is_given_up() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        for of in [agent.clone(), conversation(app, &agent).await] {
            let name = format!("of_{}", &of[..5]);
            let request = two_wait(app, &of, &name).await;
            let returned = gave(&format!("{name}_1"), "I did it.");
            app.post(&messages(&of), answers([returned])).await.expect_json();
            let cancelled = app.client.send("POST", &cancel(&of), None).await.unwrap().expect_json();
            assert_eq!(cancelled, json!({ request["run_id"].as_str().unwrap(): "cancelled" }));
            let listed = history(app, &of).await;
            let returned = listed.last().unwrap();
            let expected = [format!("{name}_1"), format!("{name}_2"), format!("{name}_free")];
            assert_eq!(calls(returned), expected);
            assert_eq!(each(&returned["tool_returns"], "status"), ["success", "error", "error"]);
            assert_eq!(returned["tool_returns"][0]["tool_return"], "I did it.");
            app.post(&messages(&of), said("And now?")).await.expect_json();
        }
    })
    .await;
}

#[tokio::test]
async fn many_calls_can_be_answered_one_by_one() {
    on_each_database(async |app| {
        let agent = careful(app, json!({})).await;
        let names: Vec<String> = (0..20).map(|number| format!("call_{number}")).collect();
        let waiting = names.iter().map(|name| insert(name, name)).chain([look("call_free")]);
        pause(app, &agent, waiting.collect::<Vec<_>>()).await;
        for name in &names[..19] {
            app.post(&messages(&agent), answers([yes(name)])).await.expect_json();
        }
        assert_eq!(calls(&pending(app, &agent).await), ["call_19"]);
        app.client.send("POST", &super::reset(&agent), None).await.unwrap().expect_json();
        let listed = history(app, &agent).await;
        assert_eq!(calls(listed.last().unwrap()).len(), 21);
        app.model.push(Answer::text("Nothing was done."));
        app.post(&messages(&agent), said("And now?")).await.expect_json();
        assert_eq!(memory(app, &agent).await, "");
    })
    .await;
}
