//! Streams that are held open together: what one costs in memory, and how long a token takes through the server.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use muisti_testkit::{Answer, Client, ScriptedModel, Server, SseStream, user_message};
use tokio::sync::Semaphore;

use crate::{load::percentile, table::Table};

/// Between two tokens of a stream that is alone, and of one among many.
const PACE: Duration = Duration::from_millis(20);
const PACE_OF_MANY: Duration = Duration::from_millis(500);
/// How many streams are opened at a time.
const WAVE: usize = 50;
/// How many tokens of the stream that is alone are timed.
const TOKENS: usize = 100;
/// How long the tokens of all streams are timed.
const SPAN: Duration = Duration::from_secs(5);
/// More words than any stream is held open for.
const WITHOUT_END: usize = 2_000;

/// Times the tokens of one stream, then opens `count` streams, each of an agent of its own, and measures them while all
/// are open.
///
/// The model writes into each token when it left; it shares the machine's clock with the client.
pub(crate) async fn measure(
    table: &mut Table,
    server: &Server,
    model: &ScriptedModel,
    agents: &[String],
    count: usize,
) {
    let count = count.min(agents.len());
    if count == 0 {
        return;
    }
    model.always(stamped(TOKENS, PACE));
    let mut alone = open(server.client(), &agents[0]).await;
    let mut latencies = Vec::with_capacity(TOKENS);
    while let Some(latency) = word(&mut alone).await {
        latencies.push(latency);
    }
    add(table, "one stream", latencies);

    eprintln!("holding {count} streams open …");
    model.always(stamped(WITHOUT_END, PACE_OF_MANY));
    let before = crate::resident_mib(server);
    let began = Instant::now();
    let held = Held::default();
    let gate = Arc::new(Semaphore::new(WAVE));
    let opening: Vec<_> = agents[..count]
        .iter()
        .map(|agent| {
            let (client, agent, gate) = (server.client(), agent.clone(), Arc::clone(&gate));
            tokio::spawn(async move {
                let _permit = gate.acquire().await.expect("the gate stays");
                let mut stream = open(client, &agent).await;
                word(&mut stream).await.expect("a first word");
                stream
            })
        })
        .collect();
    let mut readers = Vec::with_capacity(count);
    for stream in opening {
        let stream = stream.await.expect("a stream opens");
        readers.push(tokio::spawn(held.clone().read(stream)));
    }
    table.add(&format!("opening {count} streams (s)"), began.elapsed().as_secs_f64());
    let each = (crate::resident_mib(server) - before) * 1024.0 / count as f64;
    table.add(&format!("memory for each of {count} open streams (KiB)"), each);
    held.timed.store(true, Ordering::Release);
    tokio::time::sleep(SPAN).await;
    held.timed.store(false, Ordering::Release);
    assert!(readers.iter().all(|reader| !reader.is_finished()), "all streams stay open");
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    let latencies = std::mem::take(&mut *held.latencies.lock().expect("no reader panics"));
    add(table, &format!("{count} streams"), latencies);
}

/// What the readers of all streams share.
#[derive(Clone, Default)]
struct Held {
    /// Whether tokens are timed now.
    timed: Arc<AtomicBool>,
    latencies: Arc<Mutex<Vec<f64>>>,
}

impl Held {
    async fn read(self, mut stream: SseStream) {
        while let Some(latency) = word(&mut stream).await {
            if self.timed.load(Ordering::Acquire) {
                self.latencies.lock().expect("no reader panics").push(latency);
            }
        }
    }
}

fn add(table: &mut Table, name: &str, mut latencies: Vec<f64>) {
    latencies.sort_by(f64::total_cmp);
    for (label, share) in [("p50", 0.5), ("p99", 0.99)] {
        table.add(&format!("latency of a token, {name}, {label} (ms)"), percentile(&latencies, share));
    }
}

/// An answer of words that each say when they left.
fn stamped(words: usize, pace: Duration) -> Answer {
    Answer { chunks: vec!["{{now}} ".to_owned(); words], ..Answer::default() }.chunk_delay(pace)
}

async fn open(mut client: Client, agent: &str) -> SseStream {
    let mut body = user_message("Go on, please.");
    body["streaming"] = true.into();
    body["stream_tokens"] = true.into();
    let stream = client.stream(&format!("/v1/agents/{agent}/messages"), &body).await.expect("the server answers");
    assert_eq!(stream.status, 200, "a stream opens");
    stream
}

/// How many milliseconds the next word took from the model to here; none at the end of the stream.
async fn word(stream: &mut SseStream) -> Option<f64> {
    loop {
        let event = stream.next().await.expect("the stream goes on")?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time after 1970").as_micros();
        let left = event.json()["content"].as_str().and_then(|text| text.trim().parse::<u128>().ok());
        if let Some(left) = left {
            return Some(now.saturating_sub(left) as f64 / 1000.0);
        }
    }
}
