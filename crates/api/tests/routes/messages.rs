//! `/v1/agents/{agent_id}/messages` and `/v1/messages`

use std::time::Duration;

use muisti_testkit::{Answer, user_message};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, each, id, on_each_database, on_sqlite};

async fn agent(app: &mut App) -> String {
    let agent = app.agent(json!({})).await;
    format!("/v1/agents/{}/messages", id(&agent))
}

fn types(messages: &Value) -> Vec<String> {
    each(messages, "message_type")
}

#[tokio::test]
async fn a_message_is_answered() {
    on_each_database(async |app| {
        let path = agent(app).await;
        app.model.push(Answer::text("Hello to you."));
        let answer = app.post(&path, user_message("Hello.")).await.expect_json();
        assert_eq!(answer["messages"][0]["content"], "Hello to you.");
        assert_eq!(answer["stop_reason"], json!({ "message_type": "stop_reason", "stop_reason": "end_turn" }));
        assert_eq!(answer["usage"]["step_count"], 1);
        let history = app.list(&path).await;
        assert_eq!(types(&history), ["system_message", "user_message", "assistant_message"]);
        assert_eq!(types(&app.list(&format!("{path}?limit=1")).await), ["assistant_message"]);
        assert_eq!(types(&app.list(&format!("{path}?limit=1&order=asc")).await), ["system_message"]);
        let after = format!("{path}?after={}", id(&history[1]));
        assert_eq!(types(&app.list(&after).await), ["assistant_message"]);
        let only = format!("{path}?include_return_message_types=user_message");
        assert_eq!(types(&app.list(&only).await), ["user_message"]);
        assert_error(&app.get(&format!("{path}?include_return_message_types=poem")).await, 422, "Input should be");
        let stranger = "message-123e4567-e89b-42d3-8456-426614174000";
        assert_error(&app.get(&format!("{path}?after={stranger}")).await, 404, stranger);
        let one = app.list(&format!("/v1/messages/{}", id(&history[2]))).await;
        assert_eq!(one[0]["content"], "Hello to you.");
        assert_eq!(types(&app.list("/v1/messages/").await).len(), 3);
        assert_eq!(types(&app.list("/v1/messages/?conversation_id=default").await).len(), 3);
        assert_error(&app.get("/v1/messages/?conversation_id=x").await, 400, "INVALID_ARGUMENT");
        assert_error(&app.get(&format!("/v1/messages/{stranger}")).await, 404, "not found");
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_a_ping_messages_a_stop_reason_usage_and_done() {
    on_each_database(async |app| {
        for route in ["", "/stream"] {
            let path = agent(app).await;
            app.model.push(Answer::text("one two three"));
            let mut body = user_message("Count.");
            body["streaming"] = json!(route.is_empty());
            body["stream_tokens"] = json!(true);
            let stream = app.client.stream(&format!("{path}{route}"), &body).await.unwrap();
            assert_eq!(stream.status, 200);
            assert_eq!(stream.header("content-type"), Some("text/event-stream; charset=utf-8"));
            assert_eq!(stream.header("cache-control"), Some("no-cache"));
            assert_eq!(stream.header("x-accel-buffering"), Some("no"));
            let events = stream.collect().await.unwrap();
            let kinds: Vec<String> =
                events.iter().map(|event| event.json()["message_type"].as_str().unwrap_or("").to_owned()).collect();
            assert_eq!(kinds[0], "ping");
            assert_eq!(kinds[kinds.len() - 3..], ["stop_reason", "usage_statistics", ""]);
            assert!(events.last().unwrap().is_done());
            let text: String = events
                .iter()
                .map(|event| event.json())
                .filter(|event| event["message_type"] == "assistant_message")
                .map(|event| event["content"].as_str().unwrap().to_owned())
                .collect();
            assert_eq!(text, "one two three");
        }
    })
    .await;
}

#[tokio::test]
async fn pings_keep_a_slow_stream_alive() {
    on_sqlite(
        |server| server.env("MUISTI_KEEPALIVE_INTERVAL", "0.1"),
        async |app| {
            let path = agent(app).await;
            app.model.push(Answer::text("At last.").held_at(0));
            let mut body = user_message("Think.");
            body["streaming"] = json!(true);
            let mut stream = app.client.stream(&path, &body).await.unwrap();
            for _ in 0..4 {
                assert_eq!(stream.next().await.unwrap().unwrap().json()["message_type"], "ping");
            }
            app.asked(1).await;
            app.model.release();
            let events = stream.collect().await.unwrap();
            assert!(events.iter().any(|event| event.json()["content"] == "At last."), "{events:?}");
            app.model.push(Answer::text("At last.").first_chunk_delay(Duration::from_millis(300)));
            body["include_pings"] = json!(false);
            let events = app.client.stream(&path, &body).await.unwrap().collect().await.unwrap();
            assert!(events.iter().all(|event| event.json()["message_type"] != "ping"), "{events:?}");
        },
    )
    .await;
}

#[tokio::test]
async fn requests_that_make_no_sense_are_refused() {
    on_each_database(async |app| {
        let path = agent(app).await;
        let cases = [
            (json!({ "messages": [] }), 422, "Messages must not be empty"),
            (json!({}), 422, "messages"),
            (json!({ "messages": [{ "role": "user", "content": "x" }], "input": "y" }), 422, "input"),
            (json!({ "messages": [{ "role": "king", "content": "x" }] }), 422, "role"),
            (json!({ "messages": "hello" }), 422, "messages"),
            (json!({ "input": "x", "max_steps": 0 }), 422, "max_steps"),
            (json!({ "input": "x", "max_steps": "many" }), 422, "max_steps"),
            (json!({ "input": "x", "override_model": "openai/nope" }), 404, "nope"),
            (
                json!({ "input": "x", "stream_tokens": true, "include_pings": false, "background": true }),
                422,
                "Streaming options set without streaming enabled. stream_tokens can only be true when streaming=true; \
                 include_pings can only be set to false when streaming=true; background can only be true when \
                 streaming=true. Either set streaming=true or use default values for streaming options.",
            ),
        ];
        for (body, status, fragment) in cases {
            let response = app.post(&path, body.clone()).await;
            assert_eq!(response.status, status, "{body}: {}", response.text());
            assert!(response.text().contains(fragment), "{body}: {}", response.text());
        }
        let unknown = "/v1/agents/agent-123e4567-e89b-42d3-8456-426614174000/messages";
        for streaming in [false, true] {
            assert_error(&app.post(unknown, json!({ "input": "x", "streaming": streaming })).await, 404, "not found");
        }
        assert_error(&app.get(unknown).await, 404, "not found");
        assert!(app.model.requests().is_empty());
        assert_eq!(types(&app.list(&path).await), ["system_message"]);
    })
    .await;
}

#[tokio::test]
async fn early_clients_do_not_get_streams_that_they_cannot_read() {
    on_sqlite(
        |server| server,
        async |app| {
            let path = agent(app).await;
            let mut body = user_message("Hello.");
            body["streaming"] = json!(true);
            let mut early = app.client().with_header("user-agent", "letta-client/0.1.324");
            let response = early.post(&path, &body).await.unwrap();
            assert_error(&response, 422, "streaming=true is only supported for SDK v1.0+ clients.");
            app.model.push(Answer::text("Hello."));
            let mut curl = app.client().with_header("user-agent", "curl/8.5.0");
            assert_eq!(curl.stream(&path, &body).await.unwrap().status, 200);
        },
    )
    .await;
}

#[tokio::test]
async fn messages_cannot_be_edited() {
    on_sqlite(
        |server| server,
        async |app| {
            let path = format!("{}/message-123e4567-e89b-42d3-8456-426614174000", agent(app).await);
            let response = app.patch(&path, json!({ "content": "x" })).await;
            assert_error(&response, 405, "Message editing is no longer supported. Messages are immutable");
        },
    )
    .await;
}

#[tokio::test]
async fn errors_of_the_model_are_told_by_class_and_not_to_be_repeated() {
    on_sqlite(
        |server| server,
        async |app| {
            let path = agent(app).await;
            for (status, expected, kind) in [
                (400, 400, "llm_bad_request"),
                (401, 401, "llm_authentication"),
                (402, 402, "llm_insufficient_credits"),
            ] {
                app.model.push(Answer::error(status, "No."));
                let response = app.post(&path, user_message("Hello.")).await;
                assert_eq!(response.status, expected, "{}", response.text());
                assert_eq!(response.json()["error"]["type"], kind);
                assert_eq!(response.header("x-should-retry"), Some("false"));
            }
            // The conversation goes on.
            app.model.push(Answer::text("Yes."));
            let answer = app.post(&path, user_message("Hello?")).await.expect_json();
            assert_eq!(answer["messages"][0]["content"], "Yes.");
        },
    )
    .await;
}

#[tokio::test]
async fn an_error_in_a_stream_is_an_error_frame() {
    on_sqlite(
        |server| server,
        async |app| {
            let path = agent(app).await;
            app.model.push(Answer::error(401, "Wrong key."));
            let mut body = user_message("Hello.");
            body["streaming"] = json!(true);
            let events = app.client.stream(&path, &body).await.unwrap().collect().await.unwrap();
            let (reason, error, done) = (&events[events.len() - 3], &events[events.len() - 2], events.last().unwrap());
            assert_eq!(reason.json()["stop_reason"], "llm_api_error");
            assert_eq!(error.event.as_deref(), Some("error"));
            assert_eq!(error.json()["error_type"], "llm_authentication");
            assert!(done.is_done());
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_that_hangs_up_stops_nothing() {
    on_each_database(async |app| {
        let path = agent(app).await;
        app.model.push(Answer::text("I finish what I begin.").chunk_delay(Duration::from_millis(50)));
        let mut body = user_message("Go on.");
        body["streaming"] = json!(true);
        let mut stream = app.client().stream(&path, &body).await.unwrap();
        stream.next().await.unwrap();
        drop(stream);
        app.when(&path, |history| history[2]["content"] == "I finish what I begin.").await;
    })
    .await;
}
