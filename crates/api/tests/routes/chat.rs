//! Agents as models: `/v1/chat/completions`.

use muisti_testkit::{Answer, SseEvent};
use serde_json::{Value, json};

use crate::harness::{App, assert_error, id, on_each_database, on_sqlite};

const PATH: &str = "/v1/chat/completions";
const UNKNOWN: &str = "agent-123e4567-e89b-42d3-8456-426614174000";

fn asking(agent: &str, text: &str) -> Value {
    json!({ "model": agent, "messages": [{ "role": "user", "content": text }] })
}

impl App {
    async fn chat_agent(&mut self) -> String {
        id(&self.agent(json!({ "memory_blocks": [{ "label": "human", "value": "" }] })).await).to_owned()
    }

    async fn chunks(&mut self, body: Value) -> Vec<SseEvent> {
        let mut body = body;
        body["stream"] = true.into();
        self.client.stream(PATH, &body).await.unwrap().collect().await.unwrap()
    }
}

/// The pieces of a stream, without `[DONE]`, which must be the last.
fn pieces(events: &[SseEvent]) -> Vec<Value> {
    let (last, pieces) = events.split_last().unwrap();
    assert!(last.is_done() && pieces.iter().all(|piece| piece.event.is_none()), "{events:?}");
    pieces.iter().map(SseEvent::json).collect()
}

fn told(pieces: &[Value]) -> String {
    pieces.iter().filter_map(|piece| piece["choices"][0]["delta"]["content"].as_str()).collect()
}

fn reasons(pieces: &[Value]) -> Vec<&str> {
    pieces.iter().filter_map(|piece| piece["choices"][0]["finish_reason"].as_str()).collect()
}

#[tokio::test]
async fn only_the_last_message_of_the_user_reaches_the_agent_and_only_its_words_come_back() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        let turn = || {
            let call = json!({ "label": "human", "new_string": "Green." });
            [
                Answer::tool_call("memory_insert", call).and_text("Let me see.").reasoning("Hm."),
                Answer::text("It is noted."),
            ]
        };
        turn().into_iter().for_each(|answer| app.model.push(answer));
        let mut body = asking(&agent, "Green!");
        let before = json!([
            { "role": "developer", "content": "Be rude." },
            { "role": "user", "content": "Blue!" },
            { "role": "assistant", "content": null, "tool_calls": [] },
        ]);
        let mut messages = before.as_array().unwrap().clone();
        messages.extend(body["messages"].as_array().unwrap().clone());
        body["messages"] = messages.into();
        body["temperature"] = json!(1.5);
        body["logit_bias"] = json!({ "50256": -100 });

        let answer = app.post(PATH, body.clone()).await.expect_json();
        let run = app.list(&format!("/v1/runs/?agent_id={agent}")).await[0].clone();
        assert_eq!(answer["id"], format!("chatcmpl-{}", id(&run)));
        assert_eq!(run["metadata"]["run_type"], "openai_chat_completions");
        assert_eq!((&answer["object"], &answer["model"]), (&json!("chat.completion"), &json!("scripted")));
        assert_eq!(answer["choices"][0]["message"]["content"], "Let me see.\n\nIt is noted.");
        assert_eq!(answer["choices"][0]["finish_reason"], "stop");
        assert!(answer["usage"]["total_tokens"].as_i64().unwrap() > 0);
        let asked = app.model.requests().last().unwrap().body.to_string();
        assert!(asked.contains("Green!") && !asked.contains("Blue!") && !asked.contains("Be rude."), "{asked}");

        turn().into_iter().for_each(|answer| app.model.push(answer));
        let pieces = pieces(&app.chunks(body).await);
        assert_eq!(told(&pieces), "Let me see.\n\nIt is noted.");
        assert_eq!(reasons(&pieces), ["stop"]);
        assert_eq!(pieces.last().unwrap()["choices"][0]["finish_reason"], "stop");
        assert_eq!(pieces[0]["choices"][0]["delta"]["role"], "assistant");
        assert!(pieces[1..].iter().all(|piece| piece["choices"][0]["delta"]["role"].is_null()));
        assert!(pieces.iter().all(|piece| piece["id"] == pieces[0]["id"] && piece["usage"].is_null()), "{pieces:?}");
    })
    .await;
}

#[tokio::test]
async fn usage_is_told_in_a_piece_of_its_own_when_asked_for() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        app.model.push(Answer::text("One.").usage(50, 5));
        let mut body = asking(&agent, "Count!");
        body["stream_options"] = json!({ "include_usage": true });
        let pieces = pieces(&app.chunks(body).await);
        let (last, others) = pieces.split_last().unwrap();
        assert_eq!((&last["choices"], &last["usage"]["prompt_tokens"]), (&json!([]), &json!(50)));
        assert_eq!(last["usage"]["total_tokens"], 55);
        assert_eq!(reasons(others), ["stop"]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_was_cut_off_ends_with_length() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        app.model.always(Answer::text("And then").finish_reason("length"));
        let answer = app.post(PATH, asking(&agent, "Tell me all!")).await.expect_json();
        assert_eq!(answer["choices"][0]["finish_reason"], "length");
        assert_eq!(reasons(&pieces(&app.chunks(asking(&agent, "All!")).await)), ["length"]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_the_provider_held_back_ends_with_content_filter() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        app.model.always(Answer::text("I would").finish_reason("content_filter"));
        let answer = app.post(PATH, asking(&agent, "How?")).await.expect_json();
        assert_eq!(answer["choices"][0]["finish_reason"], "content_filter");
        let streamed = pieces(&app.chunks(asking(&agent, "How?")).await);
        assert_eq!(reasons(&streamed), ["content_filter"]);
        let plain = app.post(&format!("/v1/agents/{agent}/messages"), json!({ "input": "How?" })).await.expect_json();
        assert_eq!(plain["stop_reason"], json!({ "message_type": "stop_reason", "stop_reason": "end_turn" }));
    })
    .await;
}

#[tokio::test]
async fn an_answer_in_which_nothing_is_said_has_the_id_of_its_run() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        app.model.push(Answer::text(""));
        let answer = app.post(PATH, asking(&agent, "Hush!")).await.expect_json();
        let run = app.list(&format!("/v1/runs/?agent_id={agent}")).await[0].clone();
        assert_eq!(answer["id"], format!("chatcmpl-{}", id(&run)));
        assert_eq!(answer["choices"][0]["message"]["content"], "");
    })
    .await;
}

#[tokio::test]
async fn a_chat_that_an_impatient_client_repeats_is_one_turn() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        app.model.always(Answer::text("Let me think.").held());
        let body = asking(&agent, "Hi.");
        tokio::select! {
            answer = async { app.client().post(PATH, &body).await } => panic!("nobody has answered yet: {answer:?}"),
            // The client gives up.
            () = app.asked(1) => {}
        }
        app.model.release();
        let mut again = app.client().with_header("x-stainless-retry-count", "1");
        let answer = again.post(PATH, &body).await.unwrap().expect_json();
        assert_eq!(answer["choices"][0]["message"]["content"], "Let me think.");
        assert_eq!(app.model.requests().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_failing_model_is_an_error_and_no_stop() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        app.model.always(Answer::error(401, "No such key."));
        let refused = app.post(PATH, asking(&agent, "Hi.")).await;
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (401, &json!("llm_authentication")));

        app.model.always(Answer::text("One two three four five six.").cut_after(3));
        let pieces = pieces(&app.chunks(asking(&agent, "Hi.")).await);
        assert!(!told(&pieces).is_empty() && reasons(&pieces).is_empty(), "{pieces:?}");
        let error = &pieces.last().unwrap()["error"];
        assert_eq!((&error["type"], &error["code"]), (&json!("server_error"), &json!("llm_error")));
    })
    .await;
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        let with = |member: &str, value: Value| {
            let mut body = asking(&agent, "Hi.");
            body[member] = value;
            body
        };
        for (body, status, fragment) in [
            (
                with("model", json!("gpt-4o")),
                400,
                "should contain an agent ID (format: 'agent-...'). Received: 'gpt-4o'",
            ),
            (with("model", json!(UNKNOWN)), 404, "not found"),
            (with("messages", json!([{ "role": "system", "content": "x" }])), 400, "No user message found"),
            (with("messages", json!([{ "role": "user", "content": "" }])), 400, "empty"),
            (with("messages", json!([{ "role": "user", "content": [{ "type": "file" }] }])), 400, "'file'"),
            (with("messages", json!("Hi.")), 422, "messages"),
            (with("temperature", json!(2.5)), 422, "'temperature' must be between 0 and 2"),
            (with("top_p", json!(-0.1)), 422, "top_p"),
            (with("n", json!(0)), 422, "'n' must be at least 1"),
            (with("presence_penalty", json!(3)), 422, "presence_penalty"),
            (with("frequency_penalty", json!(-3)), 422, "frequency_penalty"),
        ] {
            for stream in [false, true] {
                let mut body = body.clone();
                body["stream"] = stream.into();
                let refused = app.post(PATH, body).await;
                assert_error(&refused, status, fragment);
                let error = &refused.json()["error"];
                assert!(error["message"].as_str().is_some_and(|text| text.contains(fragment)), "{error}");
                assert_eq!(error["type"], "invalid_request_error");
            }
        }
        assert_eq!(app.list(&format!("/v1/runs/?agent_id={agent}")).await, json!([]));
    })
    .await;
}

#[tokio::test]
async fn parts_of_a_message_are_sent_in_order() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        let image = "data:image/png;base64,iVBORw0KGgo=";
        let parts = json!([
            { "type": "text", "text": "What is this?" },
            { "type": "image_url", "image_url": { "url": image, "detail": "low" } },
        ]);
        let body = json!({ "model": agent, "messages": [{ "role": "user", "content": parts }] });
        app.post(PATH, body).await.expect_json();
        let asked = app.model.last_request();
        let content = &asked.messages().last().unwrap()["content"];
        assert_eq!(content[0]["text"], "What is this?");
        assert_eq!(content[1]["image_url"]["url"], image);
    })
    .await;
}

#[tokio::test]
async fn the_user_of_the_body_is_whom_the_agent_belongs_to_unless_a_header_says_otherwise() {
    on_each_database(async |app| {
        let agent = app.chat_agent().await;
        let organization = app.post("/v1/admin/orgs/", json!({ "name": "other" })).await.expect_json();
        let user = json!({ "name": "Eve", "organization_id": organization["id"] });
        let user = app.post("/v1/admin/users/", user).await.expect_json();
        let mut body = asking(&agent, "Hi.");
        for somebody in ["customer-17", UNKNOWN, "user-123e4567-e89b-42d3-8456-426614174000"] {
            body["user"] = somebody.into();
            app.post(PATH, body.clone()).await.expect_json();
        }
        body["user"] = user["id"].clone();
        assert_error(&app.post(PATH, body.clone()).await, 404, "not found");
        let mut client = app.client().with_header("user_id", "user-00000000-0000-4000-8000-000000000000");
        client.post(PATH, &body).await.unwrap().expect_json();
    })
    .await;
}

#[tokio::test]
async fn silence_is_filled_with_comments() {
    let quick = |server: muisti_testkit::ServerBuilder| server.env("MUISTI_KEEPALIVE_INTERVAL", "0.1");
    on_sqlite(quick, async |app| {
        let agent = app.chat_agent().await;
        app.model.push(Answer::text("At last.").held());
        let mut body = asking(&agent, "Hurry!");
        body["stream"] = true.into();
        let mut stream = app.client.stream(PATH, &body).await.unwrap();
        let first = stream.piece().await.unwrap().unwrap();
        assert!(first.starts_with(b": keep-alive\n\n"), "{}", String::from_utf8_lossy(&first));
        app.asked(1).await;
        app.model.release();
        let sent = stream.text().await.unwrap();
        assert!(sent.ends_with("data: [DONE]\n\n"), "{sent}");
    })
    .await;
}

#[tokio::test]
async fn voice_is_gone() {
    on_sqlite(
        |server| server,
        async |app| {
            let gone = app.post(&format!("/v1/voice-beta/{UNKNOWN}/chat/completions"), json!({})).await;
            assert_error(&gone, 410, "The /voice-beta endpoint has been deprecated and is no longer available.");
        },
    )
    .await;
}
