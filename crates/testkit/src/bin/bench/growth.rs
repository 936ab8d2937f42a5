//! What a turn costs the server as its conversation grows.

use std::time::Instant;

use muisti_testkit::{Answer, Client, ScriptedModel, Server, agent_json};
use serde_json::{Value, json};

use crate::{load::median, table::Table};

/// How many turns are measured at each length.
const TURNS: usize = 40;
/// The window of the model: a long conversation does not fit into it.
const WINDOW: i64 = 8_000;
/// What is said in each message.
const WORDS: usize = 40;

/// Lets one conversation grow, and measures its turns at 10 messages and at each power of ten up to `most`.
///
/// The model's own time for the same request is taken off. It is asked for it directly.
pub(crate) async fn measure(table: &mut Table, server: &Server, model: &ScriptedModel, most: usize) {
    eprintln!("letting a conversation grow to {most} messages …");
    model.always(Answer::text(&"Understood. ".repeat(WORDS / 2)));
    let mut body = agent_json("openai/gpt-4o-mini");
    body["context_window_limit"] = WINDOW.into();
    let mut client = server.client();
    let created = client.post("/v1/agents/", &body).await.expect("the server answers").expect_json();
    let path = format!("/v1/agents/{}/messages", created["id"].as_str().expect("an agent has an id"));
    let lengths = std::iter::successors(Some(10), |length| Some(length * 10)).take_while(|length| *length <= most);
    // A turn is two messages.
    let mut turns = 0;
    for length in lengths {
        while turns * 2 + TURNS < length {
            turn(&mut client, &path).await;
            turns += 1;
        }
        let mut times = Vec::with_capacity(TURNS);
        for _ in 0..TURNS.min(length) {
            times.push(turn(&mut client, &path).await);
            turns += 1;
        }
        let own = model_time(model).await;
        table.add(&format!("turn after {length} messages, model's own time off (ms)"), median(times) - own);
    }
    table.add("resident memory after the long conversation (MiB)", crate::resident_mib(server));
}

async fn turn(client: &mut Client, path: &str) -> f64 {
    let body = json!({ "input": "one more word ".repeat(WORDS / 3) });
    let sent = Instant::now();
    client.post(path, &body).await.expect("the server answers").expect_json();
    millis(sent)
}

/// The middle time of a model that is asked directly.
async fn model_time(model: &ScriptedModel) -> f64 {
    let mut client = Client::new(&model.root_url());
    let body: Value = crate::chat(true);
    let mut times = Vec::with_capacity(TURNS);
    for _ in 0..TURNS {
        let sent = Instant::now();
        client.post("/v1/chat/completions", &body).await.expect("the model answers");
        times.push(millis(sent));
    }
    median(times)
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}
