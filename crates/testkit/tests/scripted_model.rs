//! The scripted model says what it was told to, faults included.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use muisti_testkit::{Answer, Client, Ending, Port, Rule, Script, ScriptedCall, ScriptedModel, SseEvent};
use serde_json::{Value, json};

fn chat(stream: bool) -> Value {
    json!({
        "model": "gpt-4o-mini",
        "stream": stream,
        "stream_options": {"include_usage": true},
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
        "tools": [{"type": "function", "function": {"name": "memory_insert", "parameters": {}}}],
    })
}

/// Waits until this holds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < end, "it does not come to {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn stream(model: &ScriptedModel) -> Vec<SseEvent> {
    let stream = Client::new(&model.root_url()).stream("/v1/chat/completions", &chat(true)).await.unwrap();
    stream.collect().await.unwrap()
}

#[tokio::test]
async fn the_queue_is_answered_in_order_and_the_requests_are_kept() {
    let model = ScriptedModel::start();
    model.push(Answer::tool_call("memory_insert", json!({"label": "human"})).reasoning("Hm."));
    model.push(Answer::text("Noted.").usage(10, 2));
    let mut client = Client::new(&model.root_url());
    let first = client.post("/v1/chat/completions", &chat(false)).await.unwrap().expect_json();
    let second = client.post("/v1/chat/completions", &chat(false)).await.unwrap().expect_json();
    let third = client.post("/v1/chat/completions", &chat(false)).await.unwrap().expect_json();

    let message = &first["choices"][0]["message"];
    assert_eq!(message["content"], Value::Null);
    assert_eq!(message["reasoning_content"], "Hm.");
    assert_eq!(message["tool_calls"][0]["function"]["arguments"], r#"{"label":"human"}"#);
    assert_eq!(first["choices"][0]["finish_reason"], "tool_calls");
    assert_eq!(second["choices"][0]["message"]["content"], "Noted.");
    assert_eq!(second["usage"]["total_tokens"], 12);
    assert_eq!(third["choices"][0]["message"]["content"], "Understood.");

    let request = &model.requests()[0];
    assert_eq!(request.system().unwrap(), "Be brief.");
    assert_eq!(request.last_user().unwrap(), "Hello");
    assert_eq!(request.last_role(), "user");
    assert_eq!(request.tool_names(), ["memory_insert"]);
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn a_stream_joins_to_the_answer_and_ends_with_usage_and_done() {
    let model = ScriptedModel::start();
    model.push(
        Answer::text("One two three").and_call(ScriptedCall::new("look", json!({"at": "the long and winding road"}))),
    );
    let events = stream(&model).await;
    let frames: Vec<Value> = events.iter().map(SseEvent::json).collect();
    let join = |pointer: &str| frames.iter().filter_map(|frame| frame.pointer(pointer)?.as_str()).collect::<String>();
    assert_eq!(join("/choices/0/delta/content"), "One two three");
    assert_eq!(join("/choices/0/delta/tool_calls/0/function/arguments"), r#"{"at":"the long and winding road"}"#);
    assert_eq!(join("/choices/0/finish_reason"), "tool_calls");
    assert!(frames[frames.len() - 2]["usage"]["total_tokens"].as_u64().unwrap() > 0);
    assert!(events.last().unwrap().is_done());
}

#[tokio::test]
async fn a_cut_stream_is_an_error_and_a_broken_frame_is_no_json() {
    let model = ScriptedModel::start();
    model.push(Answer::text("a b c d").cut_after(2));
    let mut cut = Client::new(&model.root_url()).stream("/v1/chat/completions", &chat(true)).await.unwrap();
    assert!(cut.next().await.unwrap().is_some());
    assert!(cut.next().await.unwrap().is_some());
    assert!(cut.next().await.is_err());

    model.push(Answer::text("a b").broken_frame_at(1));
    assert_eq!(stream(&model).await[1].json(), Value::Null);

    model.push(Answer::text("a b").ending(Ending::Unfinished));
    let unfinished = stream(&model).await;
    assert_eq!(unfinished.len(), 3);
    assert!(!unfinished[2].is_done());
}

#[tokio::test]
async fn torn_writes_change_nothing() {
    let model = ScriptedModel::start();
    model.push(Answer::text("Grüße, 世界").write_size(1));
    let frames: Vec<Value> = stream(&model).await.iter().map(SseEvent::json).collect();
    let text: String = frames.iter().filter_map(|frame| frame["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(text, "Grüße, 世界");
}

#[tokio::test]
async fn errors_keys_and_unknown_paths_have_their_status() {
    let model = ScriptedModel::builder().api_key("secret").start();
    let mut client = Client::new(&model.root_url());
    assert_eq!(client.get("/v1/models").await.unwrap().status, 401);
    let mut client = client.with_header("authorization", "Bearer secret");
    assert_eq!(client.get("/models").await.unwrap().status, 404);
    model.push(Answer::error(429, "slow down").header("retry-after", "1"));
    let limited = client.post("/v1/chat/completions", &chat(true)).await.unwrap();
    assert_eq!((limited.status, limited.header("retry-after")), (429, Some("1")));
    assert_eq!(limited.json()["error"]["message"], "slow down");
}

#[tokio::test]
async fn a_hanging_answer_notices_when_the_client_goes() {
    let model = ScriptedModel::start();
    model.push(Answer::hang());
    let mut client = Client::new(&model.root_url());
    let body = chat(true);
    tokio::select! {
        answer = client.post("/v1/chat/completions", &body) => panic!("a hang is answered: {answer:?}"),
        () = eventually("a request", || model.requests().len() == 1) => {}
    }
    drop(client);
    eventually("a hangup", || model.hangups() == 1).await;
}

#[tokio::test]
async fn held_answers_come_when_they_are_released() {
    let model = ScriptedModel::start();
    model.push_all([Answer::text("Whole.").held(), Answer::text("one two three").held_at(3)]);
    let url = model.root_url();
    let whole = tokio::spawn(async move { Client::new(&url).post("/v1/chat/completions", &chat(false)).await });
    eventually("a request", || model.requests().len() == 1).await;
    let mut pieces = Client::new(&model.root_url()).stream("/v1/chat/completions", &chat(true)).await.unwrap();
    for text in ["", "one ", "two "] {
        assert_eq!(pieces.next().await.unwrap().unwrap().json()["choices"][0]["delta"]["content"], text);
    }
    assert!(!whole.is_finished());
    model.release();
    assert_eq!(whole.await.unwrap().unwrap().json()["choices"][0]["message"]["content"], "Whole.");
    assert_eq!(pieces.next().await.unwrap().unwrap().json()["choices"][0]["delta"]["content"], "three");
    assert!(pieces.collect().await.unwrap().last().unwrap().is_done());

    // What comes after a release waits for the next one.
    model.push(Answer::text("Later.").held());
    let (mut client, body) = (Client::new(&model.root_url()), chat(false));
    tokio::select! {
        answer = client.post("/v1/chat/completions", &body) => panic!("nobody has released it: {answer:?}"),
        () = eventually("a request", || model.requests().len() == 3) => {}
    }
    Client::new(&model.root_url()).post("/__release", &Value::Null).await.unwrap().expect_json();
}

#[tokio::test]
async fn a_port_that_is_kept_is_nobody_else_s_and_refuses_until_somebody_listens() {
    let port = Port::free();
    assert!(Client::new(&port.url("")).get("/v1/models").await.is_err());
    for _ in 0..2 {
        let model = ScriptedModel::builder().port(port.clone()).start();
        assert_eq!(Client::new(&port.url("")).get("/v1/models").await.unwrap().status, 200);
        drop(model);
    }
    assert!(Client::new(&port.url("")).get("/v1/models").await.is_err());
}

#[tokio::test]
async fn scripts_come_as_json_too() {
    let model = ScriptedModel::start();
    let mut client = Client::new(&model.root_url());
    let script = json!({
        "answers": [{"tool_calls": [{"id": null, "name": "f", "arguments": "{broken"}]}],
        "rules": [{"last_role": "user", "contains": "Hello", "answer": {"text": "request {{n}}", "delay_ms": 20}}],
    });
    assert_eq!(client.post("/__script", &script).await.unwrap().expect_json()["queued"], 1);
    let first = client.post("/v1/chat/completions", &chat(false)).await.unwrap().expect_json();
    assert_eq!(
        first["choices"][0]["message"]["tool_calls"][0],
        json!({"type": "function", "function": {"name": "f", "arguments": "{broken"}})
    );
    let second = client.post("/v1/chat/completions", &chat(false)).await.unwrap().expect_json();
    assert_eq!(second["choices"][0]["message"]["content"], "request 2");
    let seen = client.get("/__requests").await.unwrap().expect_json();
    assert_eq!(seen.as_array().unwrap().len(), 2);
    assert_eq!(client.post("/__script", &json!({"answer": []})).await.unwrap().status, 422);
}

#[test]
fn rules_and_functions_answer_by_request() {
    let model = ScriptedModel::start();
    model.script(Script {
        rules: Some(vec![Rule { answer: Answer::text("by rule"), ..Rule::default() }]),
        ..Script::default()
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let ask = || {
        runtime.block_on(async {
            let answer = Client::new(&model.root_url()).post("/v1/chat/completions", &chat(false)).await.unwrap();
            answer.json()["choices"][0]["message"]["content"].as_str().unwrap().to_owned()
        })
    };
    assert_eq!(ask(), "by rule");
    model.answer_with(|request| Answer::text(&format!("you said {}", request.last_text())));
    assert_eq!(ask(), "you said Hello");
}

#[tokio::test]
async fn it_can_look_like_a_local_server() {
    let model =
        ScriptedModel::builder().models(&["llama3"]).context_window(4096).ollama().llama_cpp().lm_studio().start();
    let mut client = Client::new(&model.root_url());
    assert_eq!(client.get("/api/tags").await.unwrap().expect_json()["models"][0]["name"], "llama3");
    let show = client.post("/api/show", &json!({"name": "llama3"})).await.unwrap().expect_json();
    assert_eq!(show["model_info"]["scripted.context_length"], 4096);
    assert_eq!(client.get("/props").await.unwrap().expect_json()["default_generation_settings"]["n_ctx"], 4096);
    assert_eq!(client.get("/api/v0/models").await.unwrap().expect_json()["data"][0]["max_context_length"], 4096);
    let vectors = client.post("/v1/embeddings", &json!({"input": ["a b", "a c"], "dimensions": 8})).await.unwrap();
    assert_eq!(vectors.expect_json()["data"][1]["embedding"].as_array().unwrap().len(), 8);
}
