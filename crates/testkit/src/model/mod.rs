//! A model server that says what the test wrote down: real HTTP on a free port, with the wire of OpenAI chat completions.

mod answer;
mod render;
mod script;
mod serve;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

pub use answer::{Answer, CallId, Ending, ScriptedCall};
pub use script::{Rule, Script, SeenRequest};
pub(crate) use serve::read_request;

use crate::listener::Listener;
use crate::port::Port;
use script::State;

/// What the server pretends to be besides a chat endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) models: Vec<String>,
    pub(crate) context_window: u64,
    pub(crate) embedding_dimensions: usize,
    pub(crate) api_key: Option<String>,
    pub(crate) ollama: bool,
    pub(crate) llama_cpp: bool,
    pub(crate) lm_studio: bool,
    pub(crate) keep_requests: bool,
    pub(crate) log: Option<PathBuf>,
}

/// Sets up a [`ScriptedModel`].
#[derive(Clone, Debug)]
pub struct ModelBuilder {
    settings: Settings,
    port: Option<Port>,
}

impl ModelBuilder {
    /// The model names that `/v1/models` (and Ollama's tags) list.
    #[must_use]
    pub fn models(mut self, names: &[&str]) -> Self {
        self.settings.models = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// The context size that Ollama, llama.cpp and LM Studio report. Default 32768.
    #[must_use]
    pub fn context_window(mut self, tokens: u64) -> Self {
        self.settings.context_window = tokens;
        self
    }

    /// The length of the vectors `/v1/embeddings` gives. Default 1536.
    #[must_use]
    pub fn embedding_dimensions(mut self, dimensions: usize) -> Self {
        self.settings.embedding_dimensions = dimensions;
        self
    }

    /// Answers 401 to requests without this bearer key.
    #[must_use]
    pub fn api_key(mut self, key: &str) -> Self {
        self.settings.api_key = Some(key.to_owned());
        self
    }

    /// Also speaks Ollama's `/api/tags`, `/api/show` and `/api/version`.
    #[must_use]
    pub fn ollama(mut self) -> Self {
        self.settings.ollama = true;
        self
    }

    /// Also speaks llama.cpp's `/props` and `/health`.
    #[must_use]
    pub fn llama_cpp(mut self) -> Self {
        self.settings.llama_cpp = true;
        self
    }

    /// Also speaks LM Studio's `/api/v0/models`.
    #[must_use]
    pub fn lm_studio(mut self) -> Self {
        self.settings.lm_studio = true;
        self
    }

    /// Listens on this port instead of a free one.
    #[must_use]
    pub fn port(mut self, port: Port) -> Self {
        self.port = Some(port);
        self
    }

    /// Forgets requests at once: for benchmarks, where the record would only grow.
    #[must_use]
    pub fn forget_requests(mut self) -> Self {
        self.settings.keep_requests = false;
        self
    }

    /// Appends every request to this file, one JSON object a line.
    #[must_use]
    pub fn log(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.log = Some(path.into());
        self
    }

    /// # Panics
    /// When the port cannot be bound.
    pub fn start(self) -> ScriptedModel {
        let state = Arc::new(Mutex::new(State::default()));
        let shared = serve::Shared { state: Arc::clone(&state), settings: Arc::new(self.settings) };
        let port = self.port.unwrap_or_else(Port::free);
        let listener = Listener::start("scripted-model", port, |socket| serve::accept(socket, shared));
        ScriptedModel { listener, state }
    }
}

/// A running model server. It stops when dropped; connections in flight are cut.
///
/// Answers come from, in this order: the queue ([`push`](Self::push)), the function ([`answer_with`](Self::answer_with)),
/// the rules, and [`always`](Self::always) (by default a short text).
#[derive(Debug)]
pub struct ScriptedModel {
    listener: Listener,
    state: Arc<Mutex<State>>,
}

impl ScriptedModel {
    /// Starts with the defaults: an OpenAI-like server on a free port.
    pub fn start() -> Self {
        Self::builder().start()
    }

    pub fn builder() -> ModelBuilder {
        ModelBuilder {
            settings: Settings {
                models: ["gpt-4o-mini", "gpt-4o", "text-embedding-3-small"].map(str::to_owned).to_vec(),
                context_window: 32_768,
                embedding_dimensions: 1536,
                api_key: None,
                ollama: false,
                llama_cpp: false,
                lm_studio: false,
                keep_requests: true,
                log: None,
            },
            port: None,
        }
    }

    /// Where it listens. Who keeps it can start another one there when this one is gone.
    pub fn port(&self) -> Port {
        self.listener.port.clone()
    }

    /// `http://127.0.0.1:port`, without `/v1`.
    pub fn root_url(&self) -> String {
        format!("http://{}", self.listener.address)
    }

    /// `http://127.0.0.1:port/v1`, what `OPENAI_API_BASE` wants.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.listener.address)
    }

    /// Adds one answer to the queue.
    pub fn push(&self, answer: Answer) {
        self.state().queue.push_back(answer);
    }

    pub fn push_all(&self, answers: impl IntoIterator<Item = Answer>) {
        self.state().queue.extend(answers);
    }

    /// Answers what the queue does not with a function of the request.
    pub fn answer_with(&self, function: impl Fn(&SeenRequest) -> Answer + Send + Sync + 'static) {
        self.state().function = Some(Arc::new(function));
    }

    /// The answer when nothing else fits.
    pub fn always(&self, answer: Answer) {
        self.state().fallback = answer;
    }

    /// Replaces what the script names: queue, rules, fallback.
    pub fn script(&self, script: Script) {
        self.state().apply(script);
    }

    /// The chat requests got so far, in order.
    pub fn requests(&self) -> Vec<SeenRequest> {
        let state = self.state();
        state.requests.iter().filter(|request| serve::is_chat(&request.path)).cloned().collect()
    }

    /// Every request got so far: model lists, embeddings and unknown paths too.
    pub fn all_requests(&self) -> Vec<SeenRequest> {
        self.state().requests.clone()
    }

    /// # Panics
    /// When there was no chat request.
    #[track_caller]
    pub fn last_request(&self) -> SeenRequest {
        self.requests().pop().expect("the model has been asked at least once")
    }

    pub fn clear_requests(&self) {
        self.state().requests.clear();
    }

    /// How many queued answers nobody asked for yet.
    pub fn unused_answers(&self) -> usize {
        self.state().queue.len()
    }

    /// How often a client went away before its answer was complete.
    pub fn hangups(&self) -> usize {
        self.state().hangups
    }

    /// Lets go of the [held](Answer::held) answers to all requests that have come so far.
    pub fn release(&self) {
        self.state().release();
    }

    /// Waits until `count` chat requests have come, at most a minute.
    ///
    /// # Panics
    /// When they have not.
    #[track_caller]
    pub fn wait_for_requests(&self, count: usize) {
        let end = Instant::now() + Duration::from_secs(60);
        while self.requests().len() < count {
            assert!(Instant::now() < end, "expected {count} requests to the model, got {}", self.requests().len());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        serve::lock(&self.state)
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "State({} queued, {} requests)", self.queue.len(), self.requests.len())
    }
}
