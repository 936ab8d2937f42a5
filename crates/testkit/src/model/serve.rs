//! Connections and routes of the scripted model.

use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::Settings;
use super::answer::{Answer, Ending};
use super::render::Rendered;
use super::script::{Script, SeenRequest, State};
use crate::http::{self, Connection, invalid};

#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) settings: Arc<Settings>,
}

pub(crate) fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn is_chat(path: &str) -> bool {
    path.split('?').next().is_some_and(|path| path.ends_with("/chat/completions"))
}

/// Why a connection is not used for another request.
enum Stop {
    /// The script says so, or the client asked for it.
    Closed,
    /// The client went away before the answer was complete.
    HungUp,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::HungUp
    }
}

pub(crate) async fn accept(listener: TcpListener, shared: Shared) {
    while let Ok((stream, _)) = listener.accept().await {
        let shared = shared.clone();
        tokio::spawn(async move {
            let _ = stream.set_nodelay(true);
            let mut connection = BufReader::new(stream);
            while let Ok(Some(head)) = http::read_head(&mut connection).await {
                let close = head.wants_close();
                let Ok(request) = read_request(&mut connection, head).await else { return };
                match answer(&mut connection, &shared, request).await {
                    Ok(()) if !close => {}
                    Ok(()) | Err(Stop::Closed) => return,
                    Err(Stop::HungUp) => {
                        lock(&shared.state).hangups += 1;
                        return;
                    }
                }
            }
        });
    }
}

pub(crate) async fn read_request(connection: &mut Connection, head: http::Head) -> io::Result<SeenRequest> {
    let mut words = head.first_line.split(' ');
    let (Some(method), Some(path)) = (words.next(), words.next()) else {
        return Err(invalid(format!("not a request line: {}", head.first_line)));
    };
    let (method, path) = (method.to_owned(), path.to_owned());
    if head.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        connection.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let body = http::read_body(connection, &head, false).await?;
    let body = if body.is_empty() {
        Value::Null
    } else {
        serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into())
    };
    Ok(SeenRequest { method, path, headers: head.headers.into_iter().collect(), body })
}

async fn answer(connection: &mut Connection, shared: &Shared, request: SeenRequest) -> Result<(), Stop> {
    let path = request.path.split('?').next().unwrap_or_default().to_owned();
    if let Some(control) = path.strip_prefix("/__") {
        let (status, body) = control_route(shared, control, request);
        return reply(connection, status, &body).await;
    }
    let hold = record(shared, &request);
    let settings = &shared.settings;
    if let Some(key) = &settings.api_key
        && request.header("authorization") != Some(&format!("Bearer {key}"))
    {
        let body = json!({"error": {"message": "Incorrect API key provided.", "type": "invalid_request_error", "code": "invalid_api_key"}});
        return reply(connection, 401, &body).await;
    }
    let body = match (request.method.as_str(), path.as_str()) {
        ("POST", "/v1/chat/completions") => {
            let (answer, number) = lock(&shared.state).next_answer(&request);
            return say(connection, &answer, &request, number, hold).await;
        }
        ("GET", "/v1/models") => models(settings),
        ("POST", "/v1/embeddings") => embeddings(settings, &request.body),
        ("GET", "/api/tags") if settings.ollama => ollama_tags(settings),
        ("POST", "/api/show") if settings.ollama => ollama_show(settings),
        ("GET", "/api/version") if settings.ollama => json!({"version": "0.12.0"}),
        ("GET", "/props") if settings.llama_cpp => llama_props(settings),
        ("GET", "/health") if settings.llama_cpp => json!({"status": "ok"}),
        ("GET", "/api/v0/models") if settings.lm_studio => lm_studio_models(settings),
        (method, path) => {
            let message = format!("Not Found: {method} {path}");
            return reply(connection, 404, &json!({"error": {"message": message}})).await;
        }
    };
    reply(connection, 200, &body).await
}

/// Notes the request, and gives what an answer to it is held by.
fn record(shared: &Shared, request: &SeenRequest) -> Hold {
    if let Some(path) = &shared.settings.log
        && let Ok(mut file) = std::fs::File::options().create(true).append(true).open(path)
        && let Ok(line) = serde_json::to_string(request)
    {
        let _ = writeln!(file, "{line}");
    }
    let mut state = lock(&shared.state);
    if shared.settings.keep_requests {
        state.requests.push(request.clone());
    }
    // With the request: who sees it there can release its answer.
    Hold(state.releases.subscribe())
}

/// What answers are held by that are not to come before something else.
struct Hold(watch::Receiver<u64>);

impl Hold {
    /// Waits for the first release since the request has come, but not longer than the client does.
    async fn released(&mut self, connection: &Connection) -> Result<(), Stop> {
        tokio::select! {
            _ = self.0.changed() => Ok(()),
            () = gone(connection) => Err(Stop::HungUp),
        }
    }
}

/// What drives the standalone server from outside: `/__script`, `/__release`, `/__requests`, `/__health`.
fn control_route(shared: &Shared, name: &str, request: SeenRequest) -> (u16, Value) {
    let mut state = lock(&shared.state);
    match (request.method.as_str(), name) {
        ("GET", "health") => (200, json!({"status": "ok"})),
        ("GET", "requests") => {
            let chats: Vec<_> = state.requests.iter().filter(|request| is_chat(&request.path)).collect();
            (200, json!(chats))
        }
        ("DELETE", "requests") => {
            state.requests.clear();
            (200, Value::Null)
        }
        ("POST", "release") => {
            state.release();
            (200, Value::Null)
        }
        ("POST", "script") => match serde_json::from_value::<Script>(request.body) {
            Ok(script) => {
                state.apply(script);
                (200, json!({"queued": state.queue.len()}))
            }
            Err(error) => (422, json!({"error": {"message": format!("not a script: {error}")}})),
        },
        _ => (404, json!({"error": {"message": format!("no control route /__{name}")}})),
    }
}

/// Says a scripted answer, with its waits and faults.
async fn say(
    connection: &mut Connection,
    answer: &Answer,
    request: &SeenRequest,
    number: u64,
    mut hold: Hold,
) -> Result<(), Stop> {
    let jitter = if answer.jitter_ms == 0 { 0 } else { random() % answer.jitter_ms };
    pause(connection, answer.delay_ms + jitter).await?;
    if answer.held {
        hold.released(connection).await?;
    }
    if answer.hang {
        return hang(connection).await;
    }
    let extra: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    if let Some(status) = answer.status.filter(|status| *status != 200) {
        let body = match answer.body.clone().unwrap_or(Value::Null) {
            Value::String(text) => text,
            other => other.to_string(),
        };
        return reply_text(connection, status, &extra, &body, None).await;
    }
    let rendered = Rendered::new(answer, request, number);
    if answer.json || !request.is_stream() {
        let body = rendered.object().to_string();
        if matches!(answer.ending, Ending::Cut) {
            let half = body.len() / 2;
            let head =
                head(200, &format!("{extra}content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
            write(connection, &[head.as_bytes(), &body.as_bytes()[..half]].concat(), None).await?;
            return Err(Stop::Closed);
        }
        return reply_text(connection, 200, &extra, &body, answer.write_size).await;
    }
    stream(connection, answer, &extra, rendered.frames(), hold).await
}

/// What the time at which a frame leaves is put in the place of.
const NOW: &str = "{{now}}";

/// Microseconds since 1970.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros().to_string()
}

async fn stream(
    connection: &mut Connection,
    answer: &Answer,
    extra: &str,
    frames: Vec<String>,
    mut hold: Hold,
) -> Result<(), Stop> {
    let paced = answer.chunk_delay_ms > 0;
    let mut bytes =
        head(200, &format!("{extra}content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n")).into_bytes();
    if answer.first_chunk_delay_ms > 0 {
        write(connection, &bytes, answer.write_size).await?;
        bytes.clear();
        pause(connection, answer.first_chunk_delay_ms).await?;
    }
    for (index, frame) in frames.iter().enumerate() {
        if answer.held_at == Some(index) {
            write(connection, &bytes, answer.write_size).await?;
            bytes.clear();
            hold.released(connection).await?;
        }
        if paced && index > 0 {
            pause(connection, answer.chunk_delay_ms).await?;
        }
        let stamped = (paced && frame.contains(NOW)).then(|| frame.replace(NOW, &now()));
        let frame = stamped.as_ref().unwrap_or(frame);
        bytes.extend_from_slice(format!("{:x}\r\n{frame}\r\n", frame.len()).as_bytes());
        if paced {
            write(connection, &bytes, answer.write_size).await?;
            bytes.clear();
        }
    }
    match answer.ending {
        Ending::Cut => {
            write(connection, &bytes, answer.write_size).await?;
            Err(Stop::Closed)
        }
        Ending::Hang => {
            write(connection, &bytes, answer.write_size).await?;
            hang(connection).await
        }
        Ending::Done | Ending::NoDone | Ending::Unfinished => {
            bytes.extend_from_slice(b"0\r\n\r\n");
            write(connection, &bytes, answer.write_size).await
        }
    }
}

fn head(status: u16, headers: &str) -> String {
    let reason = if status < 400 { "OK" } else { "Scripted" };
    format!("HTTP/1.1 {status} {reason}\r\n{headers}\r\n")
}

async fn reply(connection: &mut Connection, status: u16, body: &Value) -> Result<(), Stop> {
    reply_text(connection, status, "", &body.to_string(), None).await
}

async fn reply_text(
    connection: &mut Connection,
    status: u16,
    extra: &str,
    body: &str,
    size: Option<usize>,
) -> Result<(), Stop> {
    let kind =
        if extra.to_ascii_lowercase().contains("content-type:") { "" } else { "content-type: application/json\r\n" };
    let head = head(status, &format!("{extra}{kind}content-length: {}\r\n", body.len()));
    write(connection, format!("{head}{body}").as_bytes(), size).await
}

async fn write(connection: &mut Connection, bytes: &[u8], size: Option<usize>) -> Result<(), Stop> {
    let stream = connection.get_mut();
    match size.filter(|size| *size > 0) {
        None => stream.write_all(bytes).await?,
        Some(size) => {
            for piece in bytes.chunks(size) {
                stream.write_all(piece).await?;
                stream.flush().await?;
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}

/// Waits, but not longer than the client does.
async fn pause(connection: &Connection, millis: u64) -> Result<(), Stop> {
    if millis == 0 {
        return Ok(());
    }
    tokio::select! {
        () = tokio::time::sleep(Duration::from_millis(millis)) => Ok(()),
        () = gone(connection) => Err(Stop::HungUp),
    }
}

async fn hang(connection: &Connection) -> Result<(), Stop> {
    gone(connection).await;
    Err(Stop::HungUp)
}

/// Resolves when the peer has closed the connection.
async fn gone(connection: &Connection) {
    let mut byte = [0];
    match connection.get_ref().peek(&mut byte).await {
        Ok(0) | Err(_) => {}
        // A next request already waits: the peer is there.
        Ok(_) => std::future::pending().await,
    }
}

fn random() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| u64::from(since.subsec_nanos()));
    now.unwrap_or_default().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20
}

fn models(settings: &Settings) -> Value {
    let model = |name: &String| {
        let mut model = json!({"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "scripted"});
        if settings.llama_cpp {
            model["meta"] = json!({"n_ctx_train": settings.context_window});
        }
        model
    };
    json!({"object": "list", "data": settings.models.iter().map(model).collect::<Vec<_>>()})
}

/// Vectors that depend on the text alone: words in common make them similar.
fn embeddings(settings: &Settings, body: &Value) -> Value {
    let inputs: Vec<&str> = match &body["input"] {
        Value::String(text) => vec![text],
        Value::Array(texts) => texts.iter().map(|text| text.as_str().unwrap_or_default()).collect(),
        _ => Vec::new(),
    };
    let asked = body["dimensions"].as_u64().and_then(|asked| usize::try_from(asked).ok());
    let dimensions = asked.unwrap_or(settings.embedding_dimensions).max(1);
    let data = inputs.iter().enumerate().map(|(index, text)| {
        let mut vector = vec![0.0_f64; dimensions];
        for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
            let hash = word.to_lowercase().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
            });
            vector[usize::try_from(hash % dimensions as u64).unwrap_or_default()] += 1.0;
        }
        let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
        if length > 0.0 {
            vector.iter_mut().for_each(|value| *value /= length);
        }
        json!({"object": "embedding", "index": index, "embedding": vector})
    });
    let data: Vec<_> = data.collect();
    let tokens = inputs.iter().map(|text| text.len() / 4 + 1).sum::<usize>();
    json!({"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": tokens, "total_tokens": tokens}})
}

fn ollama_tags(settings: &Settings) -> Value {
    let model = |name: &String| json!({"name": name, "model": name, "size": 1, "details": {"family": "scripted"}});
    json!({"models": settings.models.iter().map(model).collect::<Vec<_>>()})
}

fn ollama_show(settings: &Settings) -> Value {
    json!({
        "capabilities": ["completion", "tools"],
        "details": {"family": "scripted"},
        "model_info": {
            "general.architecture": "scripted",
            "scripted.context_length": settings.context_window,
            "scripted.embedding_length": settings.embedding_dimensions,
        },
    })
}

fn llama_props(settings: &Settings) -> Value {
    let model = settings.models.first().cloned().unwrap_or_default();
    json!({
        "default_generation_settings": {"n_ctx": settings.context_window},
        "total_slots": 1,
        "model_path": model,
        "model_alias": model,
    })
}

fn lm_studio_models(settings: &Settings) -> Value {
    let model = |name: &String| {
        json!({
            "id": name,
            "object": "model",
            "type": if name.contains("embed") { "embeddings" } else { "llm" },
            "state": "loaded",
            "max_context_length": settings.context_window,
            "loaded_context_length": settings.context_window,
        })
    };
    json!({"object": "list", "data": settings.models.iter().map(model).collect::<Vec<_>>()})
}
