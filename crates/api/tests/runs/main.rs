//! Runs beside their clients, asked over HTTP on SQLite and on PostgreSQL: streams that can be read again, runs that are
//! cancelled, and what becomes of those whose server goes away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

#[path = "../routes/harness.rs"]
#[allow(dead_code, reason = "the routes' own tests use more of it")]
mod harness;

mod asynchronous;
mod cancel;
mod forms;
mod nodes;
mod recovery;
mod repeats;
mod streams;

use std::time::{Duration, Instant};

use muisti_testkit::{Answer, Backend, Client, Server, ServerBuilder, SseEvent, SseStream};
use serde_json::{Value, json};

use harness::{App, LIMIT, each, id, when};

/// An agent with one memory block, by its id.
async fn new_agent(app: &mut App, fields: Value) -> String {
    let mut body = json!({ "memory_blocks": [{ "label": "human", "value": "" }] });
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    id(&app.agent(body).await).to_owned()
}

fn messages_of(agent: &str) -> String {
    format!("/v1/agents/{agent}/messages")
}

/// A call that adds this line to the memory block.
fn note(text: &str) -> Answer {
    Answer::tool_call("memory_insert", json!({ "label": "human", "new_string": text }))
}

/// The memory block.
async fn block(app: &mut App, agent: &str) -> String {
    let block = app.list(&format!("/v1/agents/{agent}/core-memory/blocks/human")).await;
    block["value"].as_str().unwrap().to_owned()
}

/// The body of a request for a stream of a background run.
fn in_background(text: &str, tokens: bool) -> Value {
    json!({ "input": text, "streaming": true, "stream_tokens": tokens, "background": true })
}

/// The events up to and including the first for which this holds.
async fn read_until(stream: &mut SseStream, holds: impl Fn(&Value) -> bool) -> Vec<SseEvent> {
    let mut events = Vec::new();
    let read = async {
        loop {
            let event = stream.next().await.unwrap().expect("the stream goes on");
            let found = holds(&event.json());
            events.push(event);
            if found {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, read).await.expect("what is waited for comes");
    events
}

/// All events of a stream that ends.
async fn read_all(stream: SseStream) -> Vec<SseEvent> {
    assert_eq!(stream.status, 200);
    tokio::time::timeout(LIMIT, stream.collect()).await.expect("the stream ends").unwrap()
}

/// The whole stream that a request gets.
async fn stream(client: &mut Client, path: &str, body: Value) -> Vec<SseEvent> {
    read_all(client.stream(path, &body).await.unwrap()).await
}

/// The stored stream of a run behind this place.
async fn replay(client: &mut Client, run: &str, after: u64) -> Vec<SseEvent> {
    let events = stream(client, &format!("/v1/runs/{run}/stream"), json!({ "starting_after": after })).await;
    // What the connection says to stay open is no part of it.
    events.into_iter().filter(|event| !(is(event, "ping") && event.json()["seq_id"].is_null())).collect()
}

fn is(event: &SseEvent, kind: &str) -> bool {
    event.json()["message_type"] == kind
}

/// The kinds of the frames, `[DONE]` as itself.
fn kinds(events: &[SseEvent]) -> Vec<String> {
    let kind = |event: &SseEvent| match event.is_done() {
        true => "[DONE]".to_owned(),
        false => event.json()["message_type"].as_str().unwrap().to_owned(),
    };
    events.iter().map(kind).collect()
}

/// The run that the frames belong to.
fn run_of(events: &[SseEvent]) -> String {
    events.iter().find_map(|event| event.json()["run_id"].as_str().map(str::to_owned)).expect("a frame names the run")
}

/// Asserts that these frames of a stored stream begin behind this place and have no gap.
#[track_caller]
fn assert_gapless(events: &[SseEvent], after: usize) {
    for (place, event) in events.iter().enumerate() {
        if let Some(seq) = event.json()["seq_id"].as_u64() {
            assert_eq!(seq, (after + place + 1) as u64, "{event:?}");
        }
    }
}

/// The run when it has ended.
async fn ended(client: &mut Client, run: &str) -> Value {
    when(client, &format!("/v1/runs/{run}"), |run| run["completed_at"].is_string()).await
}

/// All messages of an agent's default history, oldest first.
async fn history(client: &mut Client, agent: &str) -> Vec<Value> {
    let path = format!("{}?order=asc&limit=1000", messages_of(agent));
    client.get(&path).await.unwrap().expect_json().as_array().unwrap().clone()
}

/// The kinds of messages of a history, without the system message.
async fn said(client: &mut Client, agent: &str) -> Vec<String> {
    each(&json!(history(client, agent).await), "message_type").split_off(1)
}

/// Asserts that this takes less than the limit. A machine that has other things to do can be slow at any one time, so it
/// is tried again then: what takes longer by its nature takes longer each time.
async fn assert_quick(limit: Duration, mut work: impl AsyncFnMut() -> Duration) {
    let mut times = Vec::new();
    while times.last().is_none_or(|time| *time >= limit) {
        assert!(times.len() < 5, "each time it took more than {limit:?}: {times:?}");
        times.push(work().await);
    }
}

/// Asserts that the agent answers, at once: nothing holds its history. What does would hold it for a lease, which is half a
/// minute.
async fn assert_goes_on(app: &mut App, agent: &str) {
    app.model.push(Answer::text("At your service."));
    let asked = Instant::now();
    let answer = app.post(&messages_of(agent), json!({ "input": "Are you there?" })).await.expect_json();
    assert_eq!(answer["messages"][0]["content"], "At your service.");
    assert!(asked.elapsed() < Duration::from_secs(10), "it took {:?}", asked.elapsed());
}

/// Waits for so many requests to the model.
fn wait_for_model(app: &App, count: usize) {
    tokio::task::block_in_place(|| app.model.wait_for_requests(count));
}

/// A server among others on one database.
fn shared(server: ServerBuilder) -> ServerBuilder {
    server.env("MUISTI_ENCRYPTION_KEY", "of all nodes").env("MUISTI_LEASE", "2").node("first")
}

/// Another server on the database of this one.
fn another_node(app: &App) -> Server {
    let builder = Server::builder(env!("CARGO_BIN_EXE_muisti"), &app.database)
        .env("OPENAI_API_BASE", app.model.base_url())
        .env("MUISTI_DISCOVER_LOCAL", "false");
    shared(builder).node("second").start()
}

/// Kills the server and starts it again. In between this is done.
async fn crash(app: &mut App, meanwhile: impl FnOnce(&App)) {
    app.server.kill();
    meanwhile(app);
    tokio::task::block_in_place(|| app.server.start_again());
    app.client = app.client();
}

/// Runs a test on PostgreSQL, with two servers on one database.
async fn on_two_nodes(test: impl AsyncFnOnce(&mut App, &mut Server)) {
    if Backend::all().contains(&Backend::Postgres) {
        let mut app = App::start(Backend::Postgres.fresh(), shared);
        let mut other = another_node(&app);
        test(&mut app, &mut other).await;
    }
}
