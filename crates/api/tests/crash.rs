//! The server is killed at random moments of message turns, started again, and must have kept its promises:
//! an accepted message is there exactly once, every tool call has exactly one return, and the conversation goes on.
//!
//! `MUISTI_CRASH_KILLS` says how many times (30), `MUISTI_CRASH_SEED` repeats the choices of an earlier run.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use muisti_testkit::{
    Answer, Backend, Client, ScriptedCall, ScriptedModel, SeenRequest, Server, agent_json, user_message,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_on_sqlite_loses_nothing() {
    kill_and_check(Backend::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killing_the_server_on_postgres_loses_nothing() {
    if Backend::all().contains(&Backend::Postgres) {
        kill_and_check(Backend::Postgres).await;
    }
}

/// A conversation is given up after so many kills, before its history fills the model's window.
const KILLS_PER_CONVERSATION: u64 = 10;

/// Reproducible choices; shared by tasks, so the seed fixes them only up to the order in which they are taken.
struct Dice(AtomicU64);

impl Dice {
    fn below(&self, limit: u64) -> u64 {
        let mut value = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (value ^ (value >> 31)) % limit
    }

    fn millis_below(&self, limit: u64) -> Duration {
        Duration::from_millis(self.below(limit))
    }
}

/// What was sent, by text, and whether the server had accepted it.
#[derive(Default)]
struct Sent(Mutex<BTreeMap<String, bool>>);

impl Sent {
    fn count(&self) -> usize {
        self.0.lock().unwrap().len()
    }

    fn attempt(&self, text: &str) {
        self.0.lock().unwrap().insert(text.to_owned(), false);
    }

    fn accepted(&self, text: &str) {
        self.0.lock().unwrap().insert(text.to_owned(), true);
    }
}

struct Conversation {
    agent: String,
    sent: Sent,
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

async fn kill_and_check(backend: Backend) {
    let kills = number("MUISTI_CRASH_KILLS").unwrap_or(30);
    let clock = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    let seed = number("MUISTI_CRASH_SEED").unwrap_or_else(|| clock().into());
    println!("{backend}: {kills} kills, MUISTI_CRASH_SEED={seed}");
    let dice = Arc::new(Dice(AtomicU64::new(seed)));

    let model = ScriptedModel::start();
    let moods = Arc::clone(&dice);
    model.answer_with(move |request| moody_answer(&moods, request));

    let database = backend.fresh();
    let mut server = Server::builder(env!("CARGO_BIN_EXE_muisti"), &database)
        .env("OPENAI_API_KEY", "scripted")
        .env("OPENAI_API_BASE", model.base_url())
        .start();
    let mut conversations: Vec<Arc<Conversation>> = Vec::new();
    let mut sent = 0;

    for kill in 1..=kills {
        if kill % KILLS_PER_CONVERSATION == 1 {
            sent += conversations.iter().map(|conversation| conversation.sent.count()).sum::<usize>();
            conversations = vec![begin(&server).await, begin(&server).await];
        }
        model.clear_requests();
        // Two clients for the first agent, so that one of them always waits its turn, and one for the second.
        let senders: Vec<_> = [(0, "a"), (0, "b"), (1, "c")]
            .into_iter()
            .map(|(index, name)| {
                let name = format!("{kill}{name}");
                tokio::spawn(keep_sending(server.url(), Arc::clone(&conversations[index]), name, Arc::clone(&dice)))
            })
            .collect();
        tokio::time::sleep(dice.millis_below(500)).await;
        server.kill();
        for sender in senders {
            sender.await.unwrap();
        }
        if dice.below(5) == 0 {
            server.crash_while_starting(dice.millis_below(150));
        }
        server = server.restart();
        for conversation in &conversations {
            let history = settled_history(&server, conversation).await;
            check_history(conversation, &history).unwrap_or_else(|fault| {
                panic!("{backend}, seed {seed}, after kill {kill}: {fault}\n{:#}\n{}", json!(history), server.log())
            });
            goes_on(&server, &model, conversation, &format!("go on after {kill}"))
                .await
                .unwrap_or_else(|fault| panic!("{backend}, seed {seed}, after kill {kill}: {fault}\n{}", server.log()));
        }
    }
    sent += conversations.iter().map(|conversation| conversation.sent.count()).sum::<usize>();
    println!("{backend}: {sent} messages sent, none lost");
}

async fn begin(server: &Server) -> Arc<Conversation> {
    let created = server.client().post("/v1/agents/", &agent_json("openai/gpt-4o-mini")).await.unwrap().expect_json();
    Arc::new(Conversation { agent: created["id"].as_str().unwrap().to_owned(), sent: Sent::default() })
}

/// Sometimes text, sometimes one tool call or several, never at the same pace.
fn moody_answer(dice: &Dice, request: &SeenRequest) -> Answer {
    let fact = |dice: &Dice| {
        let text = format!("Fact {}.", dice.below(1000));
        ScriptedCall::new("memory_replace", json!({"label": "human", "old_string": "", "new_string": text}))
    };
    let search = |_: &Dice| ScriptedCall::new("conversation_search", json!({"query": "message"}));
    let insert = |dice: &Dice| {
        ScriptedCall::new("memory_insert", json!({"label": "human", "new_string": format!("{}", dice.below(10))}))
    };
    let wants_tools = if request.last_role() == "tool" { dice.below(3) == 0 } else { dice.below(4) > 0 };
    let answer = if wants_tools {
        let calls = (0..=dice.below(3)).map(|_| match dice.below(3) {
            0 => fact(dice),
            1 => search(dice),
            _ => insert(dice),
        });
        Answer::tool_calls(calls).reasoning("Let me see.")
    } else {
        Answer::text("That is all there is to say.")
    };
    answer.usage(100, 10).jitter(Duration::from_millis(25)).chunk_delay(dice.millis_below(3))
}

/// Sends message after message, in each of the ways a client may, until the server is gone.
async fn keep_sending(url: String, conversation: Arc<Conversation>, name: String, dice: Arc<Dice>) {
    let mut client = Client::new(&url);
    let path = format!("/v1/agents/{}/messages", conversation.agent);
    for count in 0.. {
        let text = format!("message {name}{count}");
        let mut body = user_message(&text);
        conversation.sent.attempt(&text);
        let alive = if dice.below(3) == 0 {
            match client.post(&path, &body).await {
                Ok(response) => {
                    assert!(response.is_success(), "a plain send was refused: {} {}", response.status, response.text());
                    conversation.sent.accepted(&text);
                    true
                }
                Err(_) => false,
            }
        } else {
            body["streaming"] = true.into();
            body["stream_tokens"] = (dice.below(2) == 0).into();
            stream(&url, &path, &body, || conversation.sent.accepted(&text)).await
        };
        if !alive {
            return;
        }
    }
}

/// Whether the server was still there at the end of the stream. The first frame counts as acceptance.
async fn stream(url: &str, path: &str, body: &Value, accepted: impl Fn()) -> bool {
    let Ok(mut stream) = Client::new(url).stream(path, body).await else { return false };
    assert_eq!(stream.status, 200, "a stream was refused");
    loop {
        match stream.next().await {
            Ok(Some(event)) => {
                accepted();
                assert_ne!(event.event.as_deref(), Some("error"), "a stream failed: {}", event.data);
                if event.is_done() {
                    return true;
                }
            }
            Ok(None) | Err(_) => return false,
        }
    }
}

/// The whole history, once nothing is under way any more.
async fn settled_history(server: &Server, conversation: &Conversation) -> Vec<Value> {
    let mut client = server.client();
    let agent = &conversation.agent;
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let path = format!("/v1/runs/?agent_id={agent}&statuses=created&statuses=running");
        let active = client.get(&path).await.unwrap().expect_json();
        if active.as_array().unwrap().is_empty() {
            break;
        }
        assert!(Instant::now() < end, "runs of a dead process stay active: {active:#}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let steps = client.get(&format!("/v1/steps/?agent_id={agent}&limit=1000")).await.unwrap().expect_json();
    let pending = steps.as_array().unwrap().iter().find(|step| step["status"] == "pending");
    assert!(pending.is_none(), "no run is active, but a step is pending: {pending:#?}");
    let path = format!("/v1/agents/{agent}/messages?order=asc&limit=10000");
    client.get(&path).await.unwrap().expect_json().as_array().unwrap().clone()
}

fn check_history(conversation: &Conversation, history: &[Value]) -> Result<(), String> {
    let mut texts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    let mut open: BTreeSet<String> = BTreeSet::new();
    let mut answered = BTreeSet::new();
    for message in history {
        let kind = message["message_type"].as_str().unwrap_or_default();
        if !seen.insert((message["id"].as_str(), kind, message["otid"].as_str())) {
            return Err(format!("listed twice: {message}"));
        }
        match kind {
            "user_message" => *texts.entry(message["content"].as_str().unwrap_or_default()).or_default() += 1,
            "tool_call_message" => {
                for id in ids(&message["tool_calls"]) {
                    if answered.contains(&id) || !open.insert(id.clone()) {
                        return Err(format!("tool call {id} is there twice"));
                    }
                }
            }
            "tool_return_message" => {
                for id in ids(&message["tool_returns"]) {
                    if !open.remove(&id) {
                        return Err(format!("tool return {id} answers no open call, or a second time"));
                    }
                    answered.insert(id);
                }
            }
            _ => {}
        }
    }
    if let Some(id) = open.first() {
        return Err(format!("tool call {id} has no return"));
    }
    for (text, accepted) in conversation.sent.0.lock().unwrap().iter() {
        match texts.get(text.as_str()).copied().unwrap_or_default() {
            0 if *accepted => return Err(format!("'{text}' was accepted and is lost")),
            0 | 1 => {}
            count => return Err(format!("'{text}' was stored {count} times")),
        }
    }
    Ok(())
}

fn ids(list: &Value) -> Vec<String> {
    let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|item| item["tool_call_id"].as_str().map(str::to_owned)).collect()
}

/// A next message is answered, and what the model got to see with it is whole.
async fn goes_on(
    server: &Server,
    model: &ScriptedModel,
    conversation: &Conversation,
    text: &str,
) -> Result<(), String> {
    let mut client = server.client();
    let path = format!("/v1/agents/{}/messages", conversation.agent);
    conversation.sent.attempt(text);
    model.clear_requests();
    let response = client.post(&path, &user_message(text)).await.map_err(|error| error.to_string())?;
    if !response.is_success() {
        return Err(format!("the conversation does not go on: {} {}", response.status, response.text()));
    }
    conversation.sent.accepted(text);
    check_context(&model.last_request())?;

    let state = client.get(&format!("/v1/agents/{}", conversation.agent)).await.unwrap().expect_json();
    let context: Vec<&str> = state["message_ids"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let history = settled_history(server, conversation).await;
    let listed: BTreeSet<&str> = history.iter().filter_map(|message| message["id"].as_str()).collect();
    if let Some(stray) = context.iter().find(|id| !listed.contains(*id)) {
        return Err(format!("the context holds {stray}, which is no message of the agent"));
    }
    if let Some(missing) = listed.iter().find(|id| !context.contains(*id)) {
        return Err(format!("the context lacks {missing}"));
    }
    if context.iter().collect::<BTreeSet<_>>().len() != context.len() {
        return Err("the context holds a message twice".to_owned());
    }
    check_history(conversation, &history)
}

/// Every tool call that the model is shown is followed at once by its return, as model servers demand.
fn check_context(request: &SeenRequest) -> Result<(), String> {
    let mut open: BTreeSet<String> = BTreeSet::new();
    for message in request.messages() {
        if message["role"] == "tool" {
            let id = message["tool_call_id"].as_str().unwrap_or_default();
            if !open.remove(id) {
                return Err(format!("the model was shown a return without its call: {id}"));
            }
            continue;
        }
        if let Some(id) = open.first() {
            return Err(format!("the model was shown a call without its return: {id}"));
        }
        let calls = message["tool_calls"].as_array().map(Vec::as_slice).unwrap_or_default();
        open.extend(calls.iter().filter_map(|call| call["id"].as_str().map(str::to_owned)));
    }
    if open.is_empty() { Ok(()) } else { Err(format!("the model was shown calls without returns: {open:?}")) }
}
