//! Measures the built server on each database and prints a table. `docs/BENCHMARKS.md` says what the rows mean.
//!
//! `bench --server PATH [--agents N] [--messages N] [--streams N] [--runs N] [--seconds S] [--only sqlite|postgres]`

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    reason = "a tool for developers"
)]

mod growth;
mod held;
mod load;
mod table;

use std::time::Duration;

use load::{Call, burst, median, stream};
use muisti_testkit::{Answer, Backend, ScriptedModel, Server, agent_json, user_message};
use serde_json::{Value, json};
use table::Table;

const CONNECTIONS: usize = 8;
const STREAM_TOKENS: usize = 200;
const STREAMS: usize = 20;
const STARTS: usize = 5;

struct Options {
    server: String,
    agents: usize,
    messages: usize,
    streams: usize,
    runs: usize,
    burst: Duration,
    backends: Vec<Backend>,
}

#[tokio::main]
async fn main() {
    let options = options();
    let mut tables = Vec::new();
    for backend in &options.backends {
        eprintln!("measuring on {backend} …");
        tables.push((*backend, measure(&options, *backend).await));
    }
    table::print(&tables);
}

fn options() -> Options {
    let mut options = Options {
        server: "target/release/muisti".to_owned(),
        agents: 1000,
        messages: 10_000,
        streams: 1000,
        runs: 3,
        burst: Duration::from_secs(2),
        backends: Vec::new(),
    };
    let mut only = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--server" => options.server = value,
            "--agents" => options.agents = value.parse().expect("--agents needs a number"),
            "--messages" => options.messages = value.parse().expect("--messages needs a number"),
            "--streams" => options.streams = value.parse().expect("--streams needs a number"),
            "--runs" => options.runs = value.parse().expect("--runs needs a number"),
            "--seconds" => options.burst = Duration::from_secs_f64(value.parse().expect("--seconds needs a number")),
            "--only" => only = Some(value),
            other => panic!("unknown argument {other}"),
        }
    }
    assert!(options.agents > 0, "--agents needs at least one");
    options.backends = match only.as_deref() {
        None => Backend::all(),
        Some("sqlite") => vec![Backend::Sqlite],
        Some("postgres") => vec![Backend::Postgres],
        Some(other) => panic!("no database {other}"),
    };
    options
}

async fn measure(options: &Options, backend: Backend) -> Table {
    let mut table = Table::default();
    let model = ScriptedModel::builder().forget_requests().start();
    model.always(Answer::text("Understood."));
    let database = backend.fresh();
    let mut server = Server::builder(&options.server, &database)
        .env("OPENAI_API_KEY", "scripted")
        .env("OPENAI_API_BASE", model.base_url())
        .start();
    table.add("first start, database created (ms)", server.start_time.as_secs_f64() * 1000.0);
    for _ in 0..STARTS {
        server = server.restart();
        table.add("start to first healthy answer (ms)", server.start_time.as_secs_f64() * 1000.0);
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    table.add("resident memory idle (MiB)", resident_mib(&server));

    eprintln!("making {} agents …", options.agents);
    let agents = create_agents(&server, options.agents).await;
    for run in 0..options.runs {
        resources(options, &mut table, &server, &agents).await;
        messages(options, &mut table, &server, &model, &agents, run).await;
        streams(&mut table, &server, &model, &agents).await;
    }
    table.add("resident memory after load (MiB)", resident_mib(&server));
    growth::measure(&mut table, &server, &model, options.messages).await;
    held::measure(&mut table, &server, &model, &agents, options.streams).await;
    table
}

fn resident_mib(server: &Server) -> f64 {
    server.resident_kib().map_or(f64::NAN, |kib| kib as f64 / 1024.0)
}

/// Makes the agents over several connections and gives their ids, oldest first.
async fn create_agents(server: &Server, count: usize) -> Vec<String> {
    let workers: Vec<_> = (0..CONNECTIONS)
        .map(|worker| {
            let mut client = server.client();
            tokio::spawn(async move {
                for index in (worker..count).step_by(CONNECTIONS) {
                    let mut body = agent_json("openai/gpt-4o-mini");
                    body["name"] = format!("agent {index}").into();
                    body["tags"] = json!(["bench", format!("group-{}", index % 10)]);
                    client.post("/v1/agents/", &body).await.expect("the server answers").expect_json();
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.expect("a worker ends");
    }
    list_agents(server, count).await
}

/// Pages through all agents as clients do.
async fn list_agents(server: &Server, count: usize) -> Vec<String> {
    let mut client = server.client();
    let mut agents: Vec<String> = Vec::with_capacity(count);
    loop {
        let after = agents.last().map(|id| format!("&after={id}")).unwrap_or_default();
        let path = format!("/v1/agents/?limit=500&order=asc&include_relationships=tags{after}");
        let page = client.get(&path).await.expect("the server answers").expect_json();
        let page = page.as_array().expect("a list of agents");
        if page.is_empty() {
            break;
        }
        agents.extend(page.iter().map(|agent| agent["id"].as_str().expect("an agent has an id").to_owned()));
    }
    assert_eq!(agents.len(), count, "paging shows every agent once");
    agents
}

async fn resources(options: &Options, table: &mut Table, server: &Server, agents: &[String]) {
    let url = server.url();
    let pick =
        |agents: Vec<String>| move |worker: usize, count: usize| agents[(worker * 131 + count) % agents.len()].clone();

    let agent = pick(agents.to_vec());
    let retrieve = burst(&url, CONNECTIONS, options.burst, move |worker, count| Call {
        method: "GET",
        path: format!("/v1/agents/{}", agent(worker, count)),
        body: None,
    });
    table.add_burst("agent retrieve", &retrieve.await);

    let list = |query: String| {
        burst(&url, CONNECTIONS, options.burst, move |_, _| Call {
            method: "GET",
            path: format!("/v1/agents/?limit=50{query}"),
            body: None,
        })
    };
    let total = agents.len();
    table.add_burst(&format!("agent list, first 50 of {total}"), &list(String::new()).await);
    let middle = format!("&order=asc&after={}", agents[total / 2]);
    table.add_burst(&format!("agent list, 50 from the middle of {total}"), &list(middle).await);
    let last = format!("&order=asc&after={}", agents[total.saturating_sub(51)]);
    table.add_burst(&format!("agent list, last 50 of {total}"), &list(last).await);

    let agent = pick(agents.to_vec());
    let update = burst(&url, CONNECTIONS, options.burst, move |worker, count| Call {
        method: "PATCH",
        path: format!("/v1/agents/{}/core-memory/blocks/human", agent(worker, count)),
        body: Some(json!({"value": format!("Value {count} of worker {worker}.")})),
    });
    table.add_burst("block update", &update.await);
}

async fn messages(
    options: &Options,
    table: &mut Table,
    server: &Server,
    model: &ScriptedModel,
    agents: &[String],
    run: usize,
) {
    model.always(Answer::text("Understood."));
    let (model_url, server_url) = (model.root_url(), server.url());
    let own = burst(&model_url, CONNECTIONS, options.burst / 4, |_, _| Call {
        method: "POST",
        path: "/v1/chat/completions".to_owned(),
        body: Some(chat(false)),
    });
    let own = own.await.percentile(0.5);

    // Each agent is spoken to a few times only, so that the length of histories does not become part of the measure.
    let ids = agents.to_vec();
    let send = burst(&server_url, CONNECTIONS, options.burst, move |worker, count| Call {
        method: "POST",
        path: format!(
            "/v1/agents/{}/messages",
            ids[(run * 331 + worker * ids.len() / CONNECTIONS + count) % ids.len()]
        ),
        body: Some(user_message("Hello, how are you today?")),
    });
    let send = send.await;
    table.add("message round trip (requests/s)", send.per_second);
    table.add("message round trip p50, model's own time off (ms)", send.percentile(0.5) - own);
    table.add("message round trip p99, model's own time off (ms)", send.percentile(0.99) - own);
    table.add("the model alone p50 (ms)", own);
}

async fn streams(table: &mut Table, server: &Server, model: &ScriptedModel, agents: &[String]) {
    model.always(Answer::tokens(STREAM_TOKENS));
    let is_delta =
        |frame: &Value| frame["choices"][0]["delta"]["content"].as_str().is_some_and(|text| !text.is_empty());
    let is_text = |frame: &Value| frame["message_type"] == "assistant_message";
    let mut own_rates = Vec::new();
    let mut first_bytes = Vec::new();
    let mut first_tokens = Vec::new();
    let mut rates = Vec::new();
    for agent in agents.iter().take(STREAMS) {
        let own = stream(&model.root_url(), "/v1/chat/completions", &chat(true), is_delta).await;
        own_rates.push(own.tokens as f64 / own.last_token * 1000.0);

        let mut body = user_message("Count, please.");
        body["streaming"] = true.into();
        body["stream_tokens"] = true.into();
        let path = format!("/v1/agents/{agent}/messages");
        let times = stream(&server.url(), &path, &body, is_text).await;
        assert_eq!(times.tokens, STREAM_TOKENS, "every token is a frame of its own");
        first_bytes.push(times.first_byte);
        first_tokens.push(times.first_token - own.first_token);
        rates.push(times.tokens as f64 / times.last_token * 1000.0);
    }
    table.add("200-token stream: first byte (ms)", median(first_bytes));
    table.add("200-token stream: first token, model's own time off (ms)", median(first_tokens));
    table.add("200-token stream (tokens/s)", median(rates));
    table.add("the model's stream alone (tokens/s)", median(own_rates));
}

fn chat(stream: bool) -> Value {
    json!({"model": "gpt-4o-mini", "stream": stream, "messages": [{"role": "user", "content": "Hello, how are you today?"}]})
}
