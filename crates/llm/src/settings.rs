//! Which providers there are, as data: read from the environment, or built by hand.
//!
//! # Variables
//!
//! | provider | enabled by | handles |
//! |---|---|---|
//! | OpenAI | `OPENAI_API_KEY` | `openai/<model>` |
//! | a server in OpenAI's place | `OPENAI_BASE_URL`, else `OPENAI_API_BASE`; `OPENAI_API_KEY` if it wants one | `openai/<model>` and `openai-proxy/<model>` |
//! | Ollama | `OLLAMA_BASE_URL`, or found at 127.0.0.1:11434 | `ollama/<model>` |
//! | llama.cpp | `LLAMACPP_BASE_URL`, or found at 127.0.0.1:8080 | `llamacpp/<model>` |
//! | LM Studio | `LMSTUDIO_BASE_URL` | `lmstudio_openai/<model>` and `lmstudio/<model>` |
//! | vLLM | `VLLM_API_BASE` | `vllm/<model>`, or `<VLLM_HANDLE_BASE>/<model>` |
//! | SGLang | `SGLANG_API_BASE` | `sglang/<model>`, or `<SGLANG_HANDLE_BASE>/<model>` |
//! | Groq, Together, DeepSeek, xAI | `GROQ_API_KEY`, `TOGETHER_API_KEY`, `DEEPSEEK_API_KEY`, `XAI_API_KEY` | `groq/…`, `together/…`, `deepseek/…`, `xai/…` |
//! | OpenRouter | `OPENROUTER_API_KEY` | `openrouter/…`, or `<OPENROUTER_HANDLE_BASE>/…` |
//! | anything else that speaks OpenAI's wire | `MUISTI_PROVIDERS` | `<name>/<model>` and `openai-proxy/<model>` |
//!
//! A variable that is set to nothing counts as not set. Every base URL works with and without `/v1` and with
//! trailing slashes. `OPENAI_API_KEY` goes to OpenAI, or to the one server that stands in its place, and nowhere else.
//!
//! `MUISTI_PROVIDERS` is JSON: a list of objects with a `name`, or an object from names to objects:
//!
//! ```json
//! [{"name": "lab", "base_url": "http://10.0.0.7:8000", "api_key_env": "LAB_KEY", "context_window": 32768},
//!  {"name": "litellm", "base_url": "http://127.0.0.1:4000/v1", "api_key": "sk-…",
//!   "models": ["fast", {"name": "smart", "context_window": 200000, "max_tokens": 8192}],
//!   "embedding_models": [{"name": "nomic-embed-text", "dimensions": 768}]}]
//! ```
//!
//! | field | meaning |
//! |---|---|
//! | `name` | the prefix of its handles: letters, digits, `-`, `_`, `.` |
//! | `base_url` | where it is |
//! | `type` | `openai` (the default: finds out what the server is), `ollama`, `llamacpp`, `lmstudio`, `vllm`, `sglang`, `groq`, `together`, `deepseek`, `xai`, `openrouter` |
//! | `api_key`, `api_key_env` | the key, or the variable that holds it; neither: no `Authorization` header |
//! | `context_window`, `max_tokens` | for all its models, over what the server says |
//! | `models` | only these, also when the server cannot list models |
//! | `embedding_models` | embedding models with the length of their vectors |
//!
//! `MUISTI_DISCOVER_LOCAL=false` turns off the look at the two local ports. `LETTA_LLM_REQUEST_TIMEOUT_SECONDS`
//! (600; a local server may read a long prompt for minutes) bounds the wait for the first byte of an answer,
//! `LETTA_LLM_STREAM_TIMEOUT_SECONDS` (300) the silence between two, `MUISTI_LLM_TOTAL_TIMEOUT_SECONDS` (3600) all of it.

mod secret;

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::http::BaseUrl;
use crate::provider::ProviderKind;
use crate::schema::ProviderCategory;
pub use secret::Secret;

/// OpenAI's own base URL.
pub(crate) const OPENAI_BASE_URL: &str = "https://api.openai.com/v1";

/// Everything this crate is configured by.
#[derive(Debug, Clone, Default)]
pub struct LlmSettings {
    /// In the order in which their models are preferred and listed.
    pub providers: Vec<ProviderSettings>,
    /// How long to wait for what.
    pub timeouts: Timeouts,
    /// Offer the built-in test model `muisti/test`.
    pub test_model: bool,
}

/// One provider.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    /// Shown as `provider_name`; the prefix of its handles.
    pub name: String,
    /// Decides defaults, quirks, and how context sizes are asked for.
    pub kind: ProviderKind,
    /// Normalised.
    pub base_url: BaseUrl,
    /// `None`: no `Authorization` header is sent.
    pub api_key: Option<Secret>,
    /// Prefixes under which its models resolve beside `name`.
    pub alias_prefixes: Vec<String>,
    /// For all its models, over what the server says.
    pub context_window: Option<i64>,
    /// The answer limit of new agents, over the default.
    pub max_tokens: Option<i64>,
    /// Only these models; empty: all that the server lists.
    pub models: Vec<ModelSetting>,
    /// Embedding models beside those that the server is known to have.
    pub embedding_models: Vec<EmbeddingSetting>,
    /// From this server's configuration, or brought by a user.
    pub category: ProviderCategory,
    /// Looked for without having been asked for, so that its absence is no error.
    pub discovered: bool,
}

/// A model named in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelSetting {
    /// The server's id of the model.
    pub name: String,
    /// Over the provider's.
    pub context_window: Option<i64>,
    /// Over the provider's.
    pub max_tokens: Option<i64>,
}

/// An embedding model named in the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingSetting {
    /// The server's id of the model.
    pub name: String,
    /// Length of its vectors.
    pub dimensions: i64,
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection.
    pub connect: Duration,
    /// For the first byte of an answer's content, while the model reads the prompt.
    pub first_byte: Duration,
    /// Between two pieces of an answer.
    pub idle: Duration,
    /// For one call in all.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            first_byte: Duration::from_secs(600),
            idle: Duration::from_secs(300),
            total: Duration::from_secs(3600),
        }
    }
}

/// Why the configuration of model providers cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct SettingsError {
    /// The variable at fault.
    pub variable: &'static str,
    /// What is wrong with its value. Holds no key.
    pub problem: String,
}

impl LlmSettings {
    /// Reads the variables through `get`; see the module for which.
    ///
    /// # Errors
    ///
    /// A base URL, a number or `MUISTI_PROVIDERS` that cannot be read, and two providers of one name.
    pub fn from_env(get: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let env = Env { get: &get };
        let mut providers = Vec::new();
        providers.extend(openai(&env)?);
        for (kind, variable, handle_base) in [
            (ProviderKind::Ollama, "OLLAMA_BASE_URL", None),
            (ProviderKind::Groq, "GROQ_API_KEY", None),
            (ProviderKind::Together, "TOGETHER_API_KEY", None),
            (ProviderKind::Vllm, "VLLM_API_BASE", Some("VLLM_HANDLE_BASE")),
            (ProviderKind::SgLang, "SGLANG_API_BASE", Some("SGLANG_HANDLE_BASE")),
            (ProviderKind::LmStudio, "LMSTUDIO_BASE_URL", None),
            (ProviderKind::LlamaCpp, "LLAMACPP_BASE_URL", None),
            (ProviderKind::DeepSeek, "DEEPSEEK_API_KEY", None),
            (ProviderKind::Xai, "XAI_API_KEY", None),
            (ProviderKind::OpenRouter, "OPENROUTER_API_KEY", Some("OPENROUTER_HANDLE_BASE")),
        ] {
            let Some(value) = env.text(variable) else { continue };
            let mut provider = match hosted_base_url(kind) {
                Some(url) => {
                    let base_url = base_url(variable, url)?;
                    ProviderSettings { api_key: Secret::new(&value), ..ProviderSettings::new(kind, base_url) }
                }
                None => ProviderSettings::new(kind, base_url(variable, &value)?),
            };
            if let Some((variable, prefix)) = handle_base.and_then(|v| env.text(v).map(|prefix| (v, prefix))) {
                check_name(variable, &prefix)?;
                provider.name = prefix;
            }
            providers.push(provider);
        }
        if let Some(text) = env.text("MUISTI_PROVIDERS") {
            providers.extend(named(&env, &text)?);
        }
        if env.flag("MUISTI_DISCOVER_LOCAL", true)? {
            for (kind, url) in
                [(ProviderKind::Ollama, "http://127.0.0.1:11434"), (ProviderKind::LlamaCpp, "http://127.0.0.1:8080")]
            {
                let base_url = base_url("MUISTI_DISCOVER_LOCAL", url)?;
                let found = ProviderSettings { discovered: true, ..ProviderSettings::new(kind, base_url) };
                if !providers.iter().any(|known| known.name == found.name || known.base_url == found.base_url) {
                    providers.push(found);
                }
            }
        }
        let mut names = BTreeSet::from(["muisti"]);
        for provider in &providers {
            if !names.insert(provider.name.as_str()) {
                let problem =
                    format!("the provider name '{}' is used twice; give one of them another name.", provider.name);
                return Err(SettingsError { variable: "MUISTI_PROVIDERS", problem });
            }
        }
        let default = Timeouts::default();
        let timeouts = Timeouts {
            first_byte: env.seconds("LETTA_LLM_REQUEST_TIMEOUT_SECONDS", default.first_byte)?,
            idle: env.seconds("LETTA_LLM_STREAM_TIMEOUT_SECONDS", default.idle)?,
            total: env.seconds("MUISTI_LLM_TOTAL_TIMEOUT_SECONDS", default.total)?,
            ..default
        };
        Ok(Self { providers, timeouts, test_model: false })
    }

    /// What to set in order to have a model: for the log at start, for `muisti doctor`, and for the error of a
    /// request that finds none.
    pub const HOW_TO_GET_A_MODEL: &'static str = "Set OPENAI_API_KEY for OpenAI; OPENAI_API_BASE for a server in its \
        place; OLLAMA_BASE_URL, LLAMACPP_BASE_URL, LMSTUDIO_BASE_URL, VLLM_API_BASE or SGLANG_API_BASE for a local \
        server; GROQ_API_KEY, TOGETHER_API_KEY, DEEPSEEK_API_KEY, XAI_API_KEY or OPENROUTER_API_KEY for those services; \
        MUISTI_PROVIDERS for any other OpenAI-compatible server; or start with --dev to try the built-in model \
        muisti/test.";
}

impl ProviderSettings {
    /// A provider with the defaults of its kind and no key.
    pub fn new(kind: ProviderKind, base_url: BaseUrl) -> Self {
        let (name, aliases): (_, &[&str]) = match kind {
            ProviderKind::OpenAi => ("openai", &[]),
            ProviderKind::Compatible => ("openai-compatible", &["openai-proxy"]),
            ProviderKind::Ollama => ("ollama", &[]),
            ProviderKind::LlamaCpp => ("llamacpp", &[]),
            ProviderKind::LmStudio => ("lmstudio_openai", &["lmstudio"]),
            ProviderKind::Vllm => ("vllm", &[]),
            ProviderKind::SgLang => ("sglang", &[]),
            ProviderKind::Groq => ("groq", &[]),
            ProviderKind::Together => ("together", &[]),
            ProviderKind::DeepSeek => ("deepseek", &[]),
            ProviderKind::Xai => ("xai", &[]),
            ProviderKind::OpenRouter => ("openrouter", &[]),
            ProviderKind::Test => ("muisti", &[]),
        };
        let mut alias_prefixes: Vec<String> = aliases.iter().map(|&alias| alias.to_owned()).collect();
        if kind == ProviderKind::OpenAi && base_url.api() != OPENAI_BASE_URL {
            alias_prefixes.push("openai-proxy".to_owned());
        }
        Self {
            name: name.to_owned(),
            kind,
            base_url,
            api_key: None,
            alias_prefixes,
            context_window: None,
            max_tokens: None,
            models: Vec::new(),
            embedding_models: Vec::new(),
            category: ProviderCategory::Base,
            discovered: false,
        }
    }

    /// Whether this is OpenAI itself.
    pub fn is_openai_itself(&self) -> bool {
        self.kind == ProviderKind::OpenAi && self.base_url.api() == OPENAI_BASE_URL
    }
}

/// Where a hosted service is; `None` for software that people run themselves.
fn hosted_base_url(kind: ProviderKind) -> Option<&'static str> {
    match kind {
        ProviderKind::Groq => Some("https://api.groq.com/openai/v1"),
        ProviderKind::Together => Some("https://api.together.xyz/v1"),
        ProviderKind::DeepSeek => Some("https://api.deepseek.com/v1"),
        ProviderKind::Xai => Some("https://api.x.ai/v1"),
        ProviderKind::OpenRouter => Some("https://openrouter.ai/api/v1"),
        _ => None,
    }
}

fn openai(env: &Env<'_>) -> Result<Option<ProviderSettings>, SettingsError> {
    let key = env.text("OPENAI_API_KEY");
    let given = ["OPENAI_BASE_URL", "OPENAI_API_BASE"].into_iter().find_map(|v| env.text(v).map(|url| (v, url)));
    let base_url = match (&key, given) {
        (_, Some((variable, url))) => base_url(variable, &url)?,
        (Some(_), None) => base_url("OPENAI_API_KEY", OPENAI_BASE_URL)?,
        (None, None) => return Ok(None),
    };
    let provider = ProviderSettings::new(ProviderKind::OpenAi, base_url);
    if key.is_none() && provider.is_openai_itself() {
        return Ok(None);
    }
    Ok(Some(ProviderSettings { api_key: key.as_deref().and_then(Secret::new), ..provider }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedProvider {
    name: Option<String>,
    base_url: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    api_key: Option<String>,
    api_key_env: Option<String>,
    context_window: Option<i64>,
    max_tokens: Option<i64>,
    #[serde(default)]
    models: Vec<NamedModel>,
    #[serde(default)]
    embedding_models: Vec<EmbeddingSetting>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NamedModel {
    Name(String),
    Full { name: String, context_window: Option<i64>, max_tokens: Option<i64> },
}

fn named(env: &Env<'_>, text: &str) -> Result<Vec<ProviderSettings>, SettingsError> {
    const VARIABLE: &str = "MUISTI_PROVIDERS";
    let fail = |problem: String| SettingsError { variable: VARIABLE, problem };
    // Positions only: the text holds keys, and a parser's message may quote it.
    let value: Value = serde_json::from_str(text)
        .map_err(|e| fail(format!("not valid JSON at line {}, column {}.", e.line(), e.column())))?;
    let entries: Vec<(Option<String>, Value)> = match value {
        Value::Array(list) => list.into_iter().map(|entry| (None, entry)).collect(),
        Value::Object(map) => map.into_iter().map(|(name, entry)| (Some(name), entry)).collect(),
        _ => return Err(fail("expected a list of providers, or an object from names to providers.".to_owned())),
    };
    let mut providers = Vec::with_capacity(entries.len());
    for (position, (key, entry)) in entries.into_iter().enumerate() {
        let place = key.clone().map_or_else(|| format!("provider {}", position + 1), |name| format!("'{name}'"));
        let entry: NamedProvider = serde_json::from_value(entry)
            .map_err(|e| fail(format!("{place}: {}.", e.to_string().trim_end_matches('.'))))?;
        let name = key.or(entry.name).ok_or_else(|| fail(format!("{place} has no name.")))?;
        check_name(VARIABLE, &name)?;
        let kind = match entry.kind.as_deref() {
            None | Some("openai" | "openai_compatible") => ProviderKind::Compatible,
            Some("ollama") => ProviderKind::Ollama,
            Some("llamacpp" | "llama.cpp") => ProviderKind::LlamaCpp,
            Some("lmstudio" | "lmstudio_openai") => ProviderKind::LmStudio,
            Some("vllm") => ProviderKind::Vllm,
            Some("sglang") => ProviderKind::SgLang,
            Some("groq") => ProviderKind::Groq,
            Some("together") => ProviderKind::Together,
            Some("deepseek") => ProviderKind::DeepSeek,
            Some("xai") => ProviderKind::Xai,
            Some("openrouter") => ProviderKind::OpenRouter,
            Some(other) => {
                return Err(fail(format!(
                    "'{name}' has the unknown type '{other}'; leave it out for any OpenAI-compatible server."
                )));
            }
        };
        for (field, size) in [("context_window", entry.context_window), ("max_tokens", entry.max_tokens)] {
            if size.is_some_and(|size| size < 1) {
                return Err(fail(format!("'{name}': {field} must be a positive number of tokens.")));
            }
        }
        let api_key = match (entry.api_key, entry.api_key_env) {
            (Some(key), _) => Secret::new(&key),
            (None, Some(variable)) => Some(env.text(&variable).and_then(|key| Secret::new(&key)).ok_or_else(|| {
                fail(format!("'{name}' takes its key from the variable '{variable}', which is not set."))
            })?),
            (None, None) => None,
        };
        let base_url = BaseUrl::parse(&entry.base_url).map_err(|problem| fail(format!("'{name}': {problem}")))?;
        let mut alias_prefixes = Vec::new();
        if kind == ProviderKind::Compatible {
            alias_prefixes.push("openai-proxy".to_owned());
        }
        providers.push(ProviderSettings {
            name,
            api_key,
            alias_prefixes,
            context_window: entry.context_window,
            max_tokens: entry.max_tokens,
            models: entry.models.into_iter().map(ModelSetting::from).collect(),
            embedding_models: entry.embedding_models,
            ..ProviderSettings::new(kind, base_url)
        });
    }
    Ok(providers)
}

impl From<NamedModel> for ModelSetting {
    fn from(model: NamedModel) -> Self {
        match model {
            NamedModel::Name(name) => Self { name, context_window: None, max_tokens: None },
            NamedModel::Full { name, context_window, max_tokens } => Self { name, context_window, max_tokens },
        }
    }
}

/// A handle is split at its first slash, so a provider's name holds none.
fn check_name(variable: &'static str, name: &str) -> Result<(), SettingsError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.chars().all(fits) {
        return Ok(());
    }
    let problem = format!("'{name}' cannot be a provider name; use letters, digits, '-', '_' and '.'.");
    Err(SettingsError { variable, problem })
}

fn base_url(variable: &'static str, url: &str) -> Result<BaseUrl, SettingsError> {
    BaseUrl::parse(url).map_err(|problem| SettingsError { variable, problem })
}

struct Env<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
}

impl Env<'_> {
    fn text(&self, variable: &str) -> Option<String> {
        (self.get)(variable).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn flag(&self, variable: &'static str, default: bool) -> Result<bool, SettingsError> {
        match self.text(variable).map(|text| text.to_ascii_lowercase()).as_deref() {
            None => Ok(default),
            Some("1" | "true" | "yes" | "on") => Ok(true),
            Some("0" | "false" | "no" | "off") => Ok(false),
            Some(other) => Err(SettingsError { variable, problem: format!("'{other}' is neither true nor false.") }),
        }
    }

    fn seconds(&self, variable: &'static str, default: Duration) -> Result<Duration, SettingsError> {
        let Some(text) = self.text(variable) else { return Ok(default) };
        match text.parse::<f64>() {
            Ok(seconds) if (0.001..=86_400.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
            _ => Err(SettingsError { variable, problem: format!("'{text}' is not a number of seconds up to 86400.") }),
        }
    }
}

#[cfg(test)]
mod tests;
