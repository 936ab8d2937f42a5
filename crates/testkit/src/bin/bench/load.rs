//! Requests at full speed for a while, and what the clock said.

use std::sync::Arc;
use std::time::{Duration, Instant};

use muisti_testkit::Client;
use serde_json::Value;

/// What one worker sends as its n-th request.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) path: String,
    pub(crate) body: Option<Value>,
}

/// Counts and times of one burst of requests.
pub(crate) struct Burst {
    pub(crate) per_second: f64,
    /// Milliseconds, sorted.
    latencies: Vec<f64>,
}

impl Burst {
    /// The latency in milliseconds that this share of the requests (0 to 1) stayed below.
    pub(crate) fn percentile(&self, share: f64) -> f64 {
        percentile(&self.latencies, share)
    }
}

/// The value that this share (0 to 1) of sorted values stayed below.
pub(crate) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// Lets `connections` clients send one request after the other. `call` gets the number of the worker and of its request.
pub(crate) async fn burst(
    url: &str,
    connections: usize,
    duration: Duration,
    call: impl Fn(usize, usize) -> Call + Send + Sync + 'static,
) -> Burst {
    let call = Arc::new(call);
    let begin = Instant::now();
    let workers: Vec<_> = (0..connections)
        .map(|worker| {
            let (mut client, call) = (Client::new(url), Arc::clone(&call));
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while begin.elapsed() < duration {
                    let Call { method, path, body } = call(worker, latencies.len());
                    let sent = Instant::now();
                    let response = client.send(method, &path, body.as_ref()).await.expect("the server answers");
                    latencies.push(sent.elapsed().as_secs_f64() * 1000.0);
                    assert!(response.is_success(), "{method} {path}: {} {}", response.status, response.text());
                }
                latencies
            })
        })
        .collect();
    let mut latencies = Vec::new();
    for worker in workers {
        latencies.extend(worker.await.expect("a worker ends"));
    }
    let per_second = latencies.len() as f64 / begin.elapsed().as_secs_f64();
    latencies.sort_by(f64::total_cmp);
    Burst { per_second, latencies }
}

/// What one stream's clock said, in milliseconds from the request.
pub(crate) struct StreamTimes {
    pub(crate) first_byte: f64,
    pub(crate) first_token: f64,
    pub(crate) last_token: f64,
    pub(crate) tokens: usize,
}

/// Reads one stream; `is_token` tells which of its frames carry a token.
pub(crate) async fn stream(url: &str, path: &str, body: &Value, is_token: impl Fn(&Value) -> bool) -> StreamTimes {
    let begin = Instant::now();
    let millis = || begin.elapsed().as_secs_f64() * 1000.0;
    let mut times = StreamTimes { first_byte: 0.0, first_token: 0.0, last_token: 0.0, tokens: 0 };
    let mut stream = Client::new(url).stream(path, body).await.expect("the server answers");
    assert_eq!(stream.status, 200, "{path}");
    while let Some(event) = stream.next().await.expect("the stream ends properly") {
        if times.first_byte == 0.0 {
            times.first_byte = millis();
        }
        if is_token(&event.json()) {
            times.tokens += 1;
            times.last_token = millis();
            if times.tokens == 1 {
                times.first_token = times.last_token;
            }
        }
    }
    times
}

/// The middle value.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
