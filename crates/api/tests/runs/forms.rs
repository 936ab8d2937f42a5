//! The same script, sent in every form in which an answer can travel: what is stored is the same each time, and what a
//! client sees of it has the same ids.

use muisti_testkit::{Answer, ScriptedCall, SseEvent};
use serde_json::{Value, json};

use crate::{
    harness::{App, each, id, on_each_database},
    history, messages_of, new_agent, replay, run_of, stream,
};

/// The forms of a request: the answer as JSON, by steps, by tokens, and both in the background.
fn forms() -> [(&'static str, Value); 6] {
    let stream = |tokens: bool, background: bool| json!({ "streaming": true, "stream_tokens": tokens, "background": background });
    [
        ("json", json!({})),
        ("steps", stream(false, false)),
        ("tokens", stream(true, false)),
        ("background steps", stream(false, true)),
        ("background tokens", stream(true, true)),
        ("async", Value::Null),
    ]
}

/// What a client sees of a request, as messages; with pieces of them where it asks for tokens.
async fn send(app: &mut App, agent: &str, form: &Value, request: Value) -> Vec<Value> {
    let mut body = request;
    if form.is_null() {
        let run = app.post(&format!("{}/async", messages_of(agent)), body).await.expect_json();
        return messages_in(&replay(&mut app.client(), id(&run), 0).await);
    }
    body.as_object_mut().unwrap().extend(form.as_object().unwrap().clone());
    if form["streaming"] == true {
        let events = stream(&mut app.client(), &messages_of(agent), body).await;
        if form["background"] == true {
            assert_eq!(replay(&mut app.client(), &run_of(&events), 0).await, events);
        }
        return messages_in(&events);
    }
    app.post(&messages_of(agent), body).await.expect_json()["messages"].as_array().unwrap().clone()
}

fn messages_in(events: &[SseEvent]) -> Vec<Value> {
    let frames = events.iter().map(SseEvent::json);
    frames.filter(|frame| frame["otid"].is_string() && frame["message_type"] != "ping").collect()
}

/// A message without what differs from one time to the next.
fn bare(message: &Value) -> Value {
    let mut message = message.clone();
    let fields = message.as_object_mut().unwrap();
    for own in ["id", "date", "otid", "run_id", "step_id", "seq_id"] {
        fields.remove(own);
    }
    // The time of a return is in what the model reads of it.
    let text = message.to_string();
    let marks = text.match_indices("\\\"time\\\"").map(|(at, _)| at).collect::<Vec<_>>();
    if marks.is_empty() {
        return message;
    }
    let mut bare = text;
    for at in marks.into_iter().rev() {
        let end = bare[at..].find('}').map_or(bare.len(), |length| at + length);
        bare.replace_range(at..end, "");
    }
    Value::String(bare)
}

/// The id and the otid of each message, in the order in which they are first seen.
fn ids(messages: &[Value]) -> Vec<(Value, Value)> {
    let mut seen = Vec::new();
    for message in messages {
        let ids = (message["id"].clone(), message["otid"].clone());
        if !seen.contains(&ids) {
            seen.push(ids);
        }
    }
    seen
}

fn call(id: &str, text: &str) -> ScriptedCall {
    ScriptedCall::new("memory_insert", json!({ "label": "human", "new_string": text })).with_id(id)
}

/// Three requests: text, reasoning and two calls at once, then an answer; two calls of which one must be approved; and
/// the approval.
async fn converse(app: &mut App, form: &Value) -> Vec<Value> {
    let rules = json!([{ "type": "requires_approval", "tool_name": "memory_replace" }]);
    let agent =
        new_agent(app, json!({ "parallel_tool_calls": true, "tool_rules": rules, "include_base_tool_rules": false }))
            .await;
    app.model.push(
        Answer::tool_calls([call("call-1", "One."), call("call-2", "Two.")])
            .and_text("Let me note both.")
            .reasoning("Two facts.")
            .usage(100, 20),
    );
    app.model.push(Answer::text("Both are noted.").reasoning("Done.").usage(120, 10));
    let first = send(app, &agent, form, json!({ "input": "One and two." })).await;
    let change = json!({ "label": "human", "old_string": "One.", "new_string": "1." });
    app.model.push(
        Answer::tool_calls([ScriptedCall::new("memory_replace", change).with_id("call-3"), call("call-4", "Three.")])
            .and_text("May I?")
            .usage(140, 10),
    );
    let second = send(app, &agent, form, json!({ "input": "Write it as a number." })).await;
    let approval = json!({ "type": "approval", "tool_call_id": "call-3", "approve": true });
    app.model.push(Answer::text("One and two.").usage(160, 10));
    let answer = json!({ "messages": [{ "type": "approval", "approvals": [approval] }] });
    let third = send(app, &agent, form, answer).await;

    let listed = history(&mut app.client, &agent).await;
    let own = |message: &Value| {
        let kind = message["message_type"].as_str().unwrap();
        !["system_message", "user_message", "approval_response_message"].contains(&kind)
    };
    let own: Vec<Value> = listed.iter().filter(|message| own(message)).cloned().collect();
    let both = own.iter().find(|message| message["message_type"] == "tool_call_message").unwrap();
    assert_eq!(each(&both["tool_calls"], "tool_call_id"), ["call-1", "call-2"]);
    let (mut seen, mut stored) = (ids(&[first, second, third].concat()), ids(&own));
    if form["stream_tokens"] == true {
        // Pieces come in the order in which the model says them, whichever calls have to wait.
        for ids in [&mut seen, &mut stored] {
            ids.sort_by_key(|(id, otid)| format!("{id}{otid}"));
        }
    }
    assert_eq!(seen, stored);
    listed
}

#[tokio::test(flavor = "multi_thread")]
async fn however_an_answer_travels_the_same_is_stored_under_the_ids_that_are_seen() {
    on_each_database(async |app| {
        let mut expected: Option<Vec<Value>> = None;
        for (name, form) in forms() {
            println!("as {name}");
            let listed: Vec<Value> = converse(app, &form).await[1..].iter().map(bare).collect();
            match &expected {
                None => expected = Some(listed),
                Some(expected) => {
                    let differs = listed.iter().zip(expected).find(|(one, other)| one != other);
                    assert!(differs.is_none() && listed.len() == expected.len(), "{name}: {differs:#?}");
                }
            }
        }
        let kinds =
            each(&json!(expected.unwrap().iter().filter(|row| row.is_object()).collect::<Vec<_>>()), "message_type");
        assert!(kinds.contains(&"approval_request_message".to_owned()), "{kinds:?}");
        // Every run has its steps, its usage and its times.
        let runs = app.list("/v1/runs/").await;
        assert_eq!(runs.as_array().unwrap().len(), 18);
        for run in runs.as_array().unwrap() {
            assert_eq!(run["status"], "completed", "{run}");
            assert!(run["ttft_ns"].is_i64() && run["total_duration_ns"].is_i64(), "{run}");
            assert!(run["ttft_ns"].as_i64() <= run["total_duration_ns"].as_i64());
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_has_one_shape_whether_it_comes_early_or_late() {
    on_each_database(async |app| {
        let agent = new_agent(app, json!({})).await;
        let refusal = || Answer::error(401, "No such key.");
        for (_, form) in forms().into_iter().filter(|(_, form)| form["streaming"] == true) {
            for earlier in [vec![], vec![Answer::tool_calls([call("call-1", "One.")])]] {
                app.model.push_all(earlier);
                app.model.push(refusal());
                let mut body = json!({ "input": "Hi." });
                body.as_object_mut().unwrap().extend(form.as_object().unwrap().clone());
                let events = stream(&mut app.client(), &messages_of(&agent), body).await;
                let [reason, error, done] = &events[events.len() - 3..] else { panic!("{events:?}") };
                assert_eq!(reason.json(), json!({ "message_type": "stop_reason", "stop_reason": "llm_api_error" }));
                assert_eq!(error.event.as_deref(), Some("error"));
                let error = error.json();
                assert_eq!(error["error_type"], "llm_authentication");
                assert_eq!(error["message"], "Authentication failed with the LLM model provider.");
                assert!(error["detail"].as_str().unwrap().contains("No such key."));
                assert!(done.is_done());
                let reasons = events.iter().filter(|event| event.json()["message_type"] == "stop_reason").count();
                assert_eq!(reasons, 1);
                let run = app.list(&format!("/v1/runs/{}", error["run_id"].as_str().unwrap())).await;
                assert_eq!((&run["status"], &run["stop_reason"]), (&json!("failed"), &json!("llm_api_error")));
                assert_eq!(run["metadata"]["error"]["detail"], error["detail"]);
            }
        }
    })
    .await;
}
