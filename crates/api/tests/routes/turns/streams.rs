//! Turns as event streams.

use std::time::Duration;

use muisti_testkit::{Answer, SseEvent};
use serde_json::{Value, json};

use super::kinds;
use crate::harness::{on_each_database, on_sqlite};

/// The frames as JSON, without the last one, which must be `[DONE]`.
fn frames(events: &[SseEvent]) -> Vec<Value> {
    let (last, frames) = events.split_last().unwrap();
    assert!(last.is_done(), "the last frame is {last:?}");
    frames.iter().map(SseEvent::json).collect()
}

#[tokio::test]
async fn steps_come_whole_between_a_ping_and_the_reason_to_stop() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({"memory_blocks": [{"label": "human", "value": ""}]})).await;
        app.model.push(Answer::tool_call("memory_insert", json!({"label": "human", "new_string": "Green."})));
        app.model.push(Answer::text("Noted.").usage(50, 5));

        let frames = frames(&app.stream(&agent, "Green!", false).await);

        let expected = [
            "ping",
            "tool_call_message",
            "tool_return_message",
            "assistant_message",
            "stop_reason",
            "usage_statistics",
        ];
        assert_eq!(kinds(&frames), expected);
        assert!(frames[1]["tool_calls"].is_array());
        assert_eq!(frames[0]["run_id"], frames[1]["run_id"]);
        assert_eq!(frames[5]["step_count"], 2);
        let history = app.history(&agent).await;
        assert_eq!(history[2..], frames[1..4]);
    })
    .await;
}

#[tokio::test]
async fn tokens_add_up_to_what_is_stored_under_the_same_ids() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({"memory_blocks": [{"label": "human", "value": ""}]})).await;
        app.model.push(
            Answer::tool_call("memory_insert", json!({"label": "human", "new_string": "Likes green."}))
                .and_text("Let me see.")
                .reasoning("Hm, well."),
        );
        app.model.push(Answer::text("It is all noted now."));

        let frames = frames(&app.stream(&agent, "Green!", true).await);

        let tail: Vec<_> = kinds(&frames).into_iter().rev().take(2).collect();
        assert_eq!(tail, ["usage_statistics", "stop_reason"]);
        let history = app.history(&agent).await;
        for stored in &history[2..] {
            let pieces: Vec<_> = frames
                .iter()
                .filter(|frame| (&frame["id"], &frame["otid"]) == (&stored["id"], &stored["otid"]))
                .collect();
            let joined =
                |path: &str| pieces.iter().filter_map(|piece| piece.pointer(path)?.as_str()).collect::<String>();
            assert!(pieces.iter().all(|piece| piece["step_id"] == stored["step_id"]), "{pieces:?}");
            match stored["message_type"].as_str().unwrap() {
                "assistant_message" => assert_eq!(joined("/content"), stored["content"]),
                "reasoning_message" => assert_eq!(joined("/reasoning"), stored["reasoning"]),
                "tool_call_message" => {
                    assert_eq!(joined("/tool_call/arguments"), stored["tool_call"]["arguments"]);
                    assert_eq!(pieces[0]["tool_call"]["name"], "memory_insert");
                    let id = &stored["tool_call"]["tool_call_id"];
                    assert!(pieces.iter().all(|piece| piece["tool_calls"]["tool_call_id"] == *id));
                }
                "tool_return_message" => assert_eq!(pieces, [stored]),
                other => panic!("{other}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn words_and_thoughts_are_listed_in_the_order_of_the_stream() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        let frame = |delta: Value, finish: Value| {
            format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": delta, "finish_reason": finish }] }))
        };
        let said = [("content", "Let me "), ("content", "see."), ("reasoning_content", "Hm."), ("content", "Found.")];
        let mut script: Vec<String> =
            said.iter().map(|(member, text)| frame(json!({ *member: text }), Value::Null)).collect();
        script.extend([frame(json!({}), json!("stop")), "data: [DONE]\n\n".to_owned()]);
        app.model.push(Answer::raw_frames(script));
        let frames = frames(&app.stream(&agent, "Where is it?", true).await);
        let history = app.history(&agent).await;
        let listed = &history[2..];
        assert_eq!(kinds(listed), ["assistant_message", "reasoning_message", "assistant_message"]);
        assert_eq!(listed[0]["content"], "Let me see.");
        assert_eq!(listed[2]["content"], "Found.");
        let mut streamed: Vec<_> = frames.iter().filter(|frame| frame["otid"].is_string()).collect();
        streamed.retain(|frame| frame["message_type"] != "ping");
        streamed.dedup_by_key(|frame| frame["otid"].clone());
        let ids = |message: &Value| ["message_type", "id", "otid"].map(|member| message[member].clone());
        assert_eq!(streamed.into_iter().map(ids).collect::<Vec<_>>(), listed.iter().map(ids).collect::<Vec<_>>());
    })
    .await;
}

#[tokio::test]
async fn a_failure_is_one_reason_one_error_and_done() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        for (answer, error_type) in [
            (Answer::error(401, "No such key."), "llm_authentication"),
            (Answer::error(400, "What is this?"), "llm_bad_request"),
            (Answer::text("One two three four five six.").cut_after(3), "llm_error"),
        ] {
            app.model.always(answer);
            let events = app.stream(&agent, "Hi.", true).await;
            let frames = frames(&events);
            let told: Vec<_> =
                kinds(&frames).into_iter().filter(|kind| !["ping", "assistant_message"].contains(kind)).collect();
            assert_eq!(told, ["stop_reason", "error_message"], "{error_type}");
            let error = frames.last().unwrap();
            assert_eq!(error["error_type"], error_type);
            assert_eq!(events[events.len() - 2].event.as_deref(), Some("error"));
            let run = app.list(&format!("/v1/runs/{}", error["run_id"].as_str().unwrap())).await;
            assert_eq!(run["status"], "failed");
            assert_eq!(run["metadata"]["error"]["error_type"], error_type);
            assert_eq!(app.history(&agent).await.len(), 1, "a failed first step lists nothing");
        }
    })
    .await;
}

#[tokio::test]
async fn pings_keep_a_silent_stream_open() {
    let often = |server: muisti_testkit::ServerBuilder| server.env("MUISTI_KEEPALIVE_INTERVAL", "0.1");
    on_sqlite(often, async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::text("At last.").held());
        let body = json!({"input": "Hi.", "streaming": true, "stream_tokens": true});
        let mut stream = app.client.stream(&format!("/v1/agents/{agent}/messages"), &body).await.unwrap();
        for _ in 0..4 {
            assert_eq!(stream.next().await.unwrap().unwrap().json()["message_type"], "ping");
        }
        app.asked(1).await;
        app.model.release();
        let frames = frames(&stream.collect().await.unwrap());
        assert!(kinds(&frames).contains(&"assistant_message"), "{frames:?}");
    })
    .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_loses_its_view_and_not_the_turn() {
    on_each_database(async |app| {
        let agent = app.new_agent(json!({})).await;
        app.model.push(Answer::text("A long story short.").chunk_delay(Duration::from_millis(60)));
        let path = format!("/v1/agents/{agent}/messages");
        let body = json!({"input": "Tell me.", "streaming": true, "stream_tokens": true});
        let mut stream = app.client.stream(&path, &body).await.unwrap();
        stream.next().await.unwrap();
        drop(stream);

        app.model.push(Answer::text("Yes."));
        app.say(&agent, "Did you finish?").await.expect_json();

        let history = app.history(&agent).await;
        let expected = ["system_message", "user_message", "assistant_message", "user_message", "assistant_message"];
        assert_eq!(kinds(&history), expected);
        assert_eq!(history[2]["content"], "A long story short.");
    })
    .await;
}
