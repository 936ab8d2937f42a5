//! Rules that demand a call, set its arguments or end the turn with it, beside the one that asks for an approval.

use muisti_testkit::Answer;
use serde_json::{Value, json};

use super::{
    answers, careful, frames, gave, history, insert, kinds, memory, messages, messages_of, no, pause, pending, said,
    streamed, the, yes,
};
use crate::harness::{App, on_each_database};

/// An agent that must begin with a call that needs an approval, and this rule about it.
async fn begins_with_an_approval(app: &mut App, more: Value) -> String {
    let rules = json!([{ "type": "requires_approval", "tool_name": "memory_insert" }, more]);
    careful(app, json!({ "tool_rules": rules })).await
}

/// What the pieces of a call add up to.
fn arguments(frames: &[Value], kind: &str) -> String {
    let pieces = frames.iter().filter(|frame| frame["message_type"] == kind);
    pieces.filter_map(|frame| frame["tool_call"]["arguments"].as_str()).collect()
}

#[tokio::test]
async fn a_token_stream_asks_about_the_call_that_will_be_made() {
    on_each_database(async |app| {
        let first = json!({ "type": "run_first", "tool_name": "memory_insert", "args": { "new_string": "As set." } });
        let agent = begins_with_an_approval(app, first).await;
        app.model.push(Answer::tool_calls([insert("call_1", "Harmless.")]));
        let shown = frames(app, &agent, &streamed(said("Go."), true)).await;
        let asked = arguments(&shown, "approval_request_message");
        assert_eq!(asked, pending(app, &agent).await["tool_call"]["arguments"].as_str().unwrap());
        let asked: Value = serde_json::from_str(&asked).unwrap();
        assert_eq!(asked, json!({ "label": "human", "new_string": "As set." }));
        app.post(&messages(&agent), answers([yes("call_1")])).await.expect_json();
        assert_eq!(memory(app, &agent).await, "As set.");
    })
    .await;
}

#[tokio::test]
async fn nobody_is_asked_about_arguments_that_a_rule_sets_wrongly() {
    on_each_database(async |app| {
        let first = json!({ "type": "run_first", "tool_name": "memory_insert", "args": { "bogus": 1 } });
        let agent = begins_with_an_approval(app, first).await;
        for (number, tokens) in [(1, None), (2, Some(false)), (3, Some(true))] {
            app.model.push(Answer::tool_calls([insert(&format!("call_{number}"), "Green.")]));
            let shown = match tokens {
                None => {
                    let answer = app.post(&messages(&agent), said("Go.")).await.expect_json();
                    assert_eq!(answer["stop_reason"]["stop_reason"], "invalid_tool_call");
                    messages_of(&answer).to_vec()
                }
                Some(tokens) => {
                    let mut shown = frames(app, &agent, &streamed(said("Go."), tokens)).await;
                    assert_eq!(the(&shown, "stop_reason")["stop_reason"], "invalid_tool_call");
                    shown.truncate(shown.len() - 2);
                    shown
                }
            };
            let mut seen = kinds(&shown);
            seen.dedup();
            assert_eq!(seen, ["tool_call_message", "tool_return_message"], "tokens: {tokens:?}");
            assert!(!arguments(&shown, "tool_call_message").contains("bogus"), "as the model has written them");
            let told = the(&shown, "tool_return_message")["tool_return"].as_str().unwrap();
            assert!(told.contains("Unknown argument 'bogus' for tool 'memory_insert'."), "{told}");
            assert_eq!(pending(app, &agent).await, Value::Null);
        }
        assert_eq!(memory(app, &agent).await, "");
        assert_eq!(app.model.requests().len(), 3, "the turn does not go on");
    })
    .await;
}

#[tokio::test]
async fn a_call_that_was_decided_on_is_not_demanded_again() {
    on_each_database(async |app| {
        for demand in ["run_first", "required_before_exit"] {
            let agent = begins_with_an_approval(app, json!({ "type": demand, "tool_name": "memory_insert" })).await;
            for (number, decision) in [(1, "denied"), (2, "done by the client"), (3, "approved")] {
                let call = format!("{demand}_{number}");
                pause(app, &agent, [insert(&call, "Green.")]).await;
                let entry = match decision {
                    "denied" => no(&call, "No."),
                    "approved" => yes(&call),
                    _ => gave(&call, "It is done."),
                };
                app.model.clear_requests();
                app.model.push(Answer::text("So be it."));
                let answer = app.post(&messages(&agent), answers([entry])).await.expect_json();
                assert_eq!(answer["stop_reason"]["stop_reason"], "end_turn", "{demand}, {decision}");
                assert_eq!(kinds(messages_of(&answer)), ["tool_return_message", "assistant_message"]);
                let asked = app.model.requests();
                assert_eq!(asked.len(), 1, "{demand}, {decision}");
                assert_eq!(asked[0].tool_names().len(), 3, "{demand}, {decision}");
                assert!(asked[0].body["tool_choice"].is_null() || asked[0].body["tool_choice"] == "auto");
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_denied_call_has_not_been_made_for_the_rules_about_what_follows() {
    on_each_database(async |app| {
        let child = json!({
            "type": "constrain_child_tools", "tool_name": "memory_insert", "children": ["conversation_search"],
        });
        let agent = begins_with_an_approval(app, child).await;
        for (call, entry, left) in
            [("call_1", no("call_1", "No."), 3), ("call_2", gave("call_2", "Done."), 1), ("call_3", yes("call_3"), 1)]
        {
            pause(app, &agent, [insert(call, "Green.")]).await;
            app.model.clear_requests();
            app.model.push(Answer::text("So be it."));
            app.post(&messages(&agent), answers([entry])).await.expect_json();
            assert_eq!(app.model.requests()[0].tool_names().len(), left, "{call}");
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_said_after_a_call_that_ends_the_turn_belongs_to_its_step() {
    on_each_database(async |app| {
        let agent = begins_with_an_approval(app, json!({ "type": "exit_loop", "tool_name": "memory_insert" })).await;
        let paused = pause(app, &agent, [insert("call_1", "Green.")]).await;
        let step = &the(messages_of(&paused), "approval_request_message")["step_id"];
        let mut body = answers([yes("call_1")]);
        body["messages"].as_array_mut().unwrap().push(json!({ "role": "user", "content": "Thank you." }));
        let answer = app.post(&messages(&agent), body).await.expect_json();
        assert_eq!(answer["stop_reason"]["stop_reason"], "tool_rule");
        let listed = history(app, &agent).await;
        let expected = [
            "user_message",
            "approval_request_message",
            "approval_response_message",
            "tool_return_message",
            "user_message",
        ];
        assert_eq!(kinds(&listed), expected);
        assert!(step.is_string() && listed.iter().all(|message| message["step_id"] == *step), "{listed:?}");
    })
    .await;
}
