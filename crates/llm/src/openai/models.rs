//! The models of a server that speaks OpenAI's wire, with as much about their sizes as it tells.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use super::embed::batch_size;
use crate::error::{LlmError, LlmErrorKind};
use crate::http::{Client, without_password};
use crate::local;
use crate::provider::{EmbeddingModelInfo, ModelInfo, ProviderKind};
use crate::settings::{ModelSetting, ProviderSettings};
use crate::tables;

/// A listing that takes longer is given up.
const LISTING: Duration = Duration::from_secs(30);
/// A look at a port where nobody said that there is anything.
const GLANCE: Duration = Duration::from_secs(2);

/// One entry of `/models`. Each service has its own word for the context window.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    #[serde(default)]
    pub(crate) owned_by: Option<Value>,
    #[serde(default)]
    max_model_len: Option<f64>,
    #[serde(default)]
    context_length: Option<f64>,
    #[serde(default)]
    context_window: Option<f64>,
    #[serde(default)]
    max_context_length: Option<f64>,
    #[serde(default)]
    meta: Option<Value>,
    #[serde(default, rename = "type")]
    kind: Option<Value>,
    #[serde(default)]
    supported_parameters: Option<Vec<String>>,
}

impl Entry {
    pub(crate) fn is_owned_by(&self, owner: &str) -> bool {
        self.owned_by.as_ref().and_then(Value::as_str) == Some(owner)
    }

    fn tokens(&self) -> Option<i64> {
        let trained = self.meta.as_ref().and_then(|meta| {
            ["n_ctx", "n_ctx_train"].into_iter().find_map(|key| meta.get(key).and_then(Value::as_f64))
        });
        let sizes = [self.max_model_len, self.context_length, self.context_window, self.max_context_length, trained];
        #[expect(clippy::cast_possible_truncation, reason = "a count of tokens written as a float")]
        sizes.into_iter().flatten().find(|size| *size >= 1.0).map(|size| size as i64)
    }
}

/// What was found out about one model.
#[derive(Debug, Clone, Default)]
pub(crate) struct Found {
    pub(crate) name: String,
    pub(crate) context_window: Option<i64>,
    pub(crate) compatibility_type: Option<String>,
    pub(crate) tools: Option<bool>,
    /// The length of its vectors, when it is an embedding model.
    pub(crate) embedding: Option<i64>,
    /// Not a chat model, whatever else it is.
    pub(crate) no_chat: bool,
}

pub(super) async fn list(settings: &ProviderSettings, client: &Client) -> Result<Vec<ModelInfo>, LlmError> {
    let found = match find(settings, client).await {
        Ok(found) => found,
        // A server without a list may still have the models that the configuration names.
        Err(_) if !settings.models.is_empty() => Vec::new(),
        Err(e) => return Err(e),
    };
    if !settings.models.is_empty() {
        let known = |name: &str| found.iter().find(|model| model.name == name).cloned();
        let named = |model: &ModelSetting| {
            let found = known(&model.name).unwrap_or_else(|| Found { name: model.name.clone(), ..Found::default() });
            info(settings, found)
        };
        return Ok(settings.models.iter().map(named).collect());
    }
    let mut models: Vec<ModelInfo> =
        found.into_iter().filter(|model| !model.no_chat).map(|model| info(settings, model)).collect();
    if settings.is_openai_itself() {
        models.sort_by(|a, b| b.name.cmp(&a.name));
        // The same model on the priority tier.
        if let Some(at) = models.iter().position(|model| model.name == "gpt-5.4") {
            models.insert(at, describe(settings, "gpt-5.4-fast"));
        }
    }
    Ok(models)
}

pub(super) async fn list_embedding(
    settings: &ProviderSettings,
    client: &Client,
) -> Result<Vec<EmbeddingModelInfo>, LlmError> {
    let mut models: Vec<EmbeddingModelInfo> =
        settings.embedding_models.iter().map(|model| embedding_info(settings, &model.name, model.dimensions)).collect();
    if settings.is_openai_itself() {
        models.extend(tables::OPENAI_EMBEDDINGS.map(|(name, dimensions)| embedding_info(settings, name, dimensions)));
        return Ok(models);
    }
    let asks = matches!(
        settings.kind,
        ProviderKind::OpenAi | ProviderKind::Compatible | ProviderKind::Ollama | ProviderKind::LmStudio
    );
    if asks {
        let found = match find(settings, client).await {
            Ok(found) => found,
            Err(_) if !models.is_empty() => return Ok(models),
            Err(e) => return Err(e),
        };
        for model in found {
            let dimensions = model.embedding.or_else(|| tables::embedding_dimensions(&model.name));
            if let Some(dimensions) = dimensions.filter(|_| models.iter().all(|known| known.name != model.name)) {
                models.push(embedding_info(settings, &model.name, dimensions));
            }
        }
    }
    Ok(models)
}

async fn find(settings: &ProviderSettings, client: &Client) -> Result<Vec<Found>, LlmError> {
    match settings.kind {
        ProviderKind::Ollama => local::ollama(client, limit(settings)).await,
        ProviderKind::LmStudio => match local::lm_studio(client).await {
            Ok(found) => Ok(found),
            // Older versions have OpenAI's list alone.
            Err(_) => find_listed(settings, client).await,
        },
        _ => find_listed(settings, client).await,
    }
}

async fn find_listed(settings: &ProviderSettings, client: &Client) -> Result<Vec<Found>, LlmError> {
    let entries = entries(client, limit(settings)).await?;
    let is_llama_cpp = entries.iter().any(|entry| entry.is_owned_by("llamacpp"));
    if settings.discovered && settings.kind == ProviderKind::LlamaCpp && !is_llama_cpp {
        // Port 8080 is everybody's; only llama.cpp itself has this route.
        local::llama_cpp_context(client).await.map_err(|_| {
            client.error(
                LlmErrorKind::InvalidResponse,
                format!("what answers at {} is not llama.cpp.", client.base_url()),
            )
        })?;
    }
    let sniff =
        matches!(settings.kind, ProviderKind::OpenAi | ProviderKind::Compatible) && !settings.is_openai_itself();
    let sizes_known = entries.iter().all(|entry| entry.max_model_len.is_some() || entry.context_length.is_some());
    if sniff && !sizes_known {
        // The owner that each software writes into its list.
        let is_owned_by = |owner| entries.iter().any(|entry| entry.is_owned_by(owner));
        let found = if is_owned_by("library") {
            local::ollama(client, GLANCE).await.ok()
        } else if is_owned_by("organization_owner") {
            local::lm_studio(client).await.ok()
        } else {
            None
        };
        if let Some(found) = found {
            return Ok(found);
        }
    }
    let runs_with = if settings.kind == ProviderKind::LlamaCpp || (sniff && is_llama_cpp) {
        local::llama_cpp_context(client).await.ok()
    } else {
        None
    };
    let found = entries.into_iter().filter(|entry| is_usable(settings, entry)).map(|entry| Found {
        // What the server runs with is less than what the model was trained for.
        context_window: runs_with.or_else(|| entry.tokens()),
        tools: entry.supported_parameters.as_ref().map(|known| known.iter().any(|parameter| parameter == "tools")),
        no_chat: is_embedding(settings, &entry),
        name: entry.id,
        ..Found::default()
    });
    Ok(found.collect())
}

fn limit(settings: &ProviderSettings) -> Duration {
    if settings.discovered { GLANCE } else { LISTING }
}

/// `GET /models`, read entry by entry so that an odd one does not hide the others.
pub(crate) async fn entries(client: &Client, limit: Duration) -> Result<Vec<Entry>, LlmError> {
    let mut url = format!("{}/models", client.base_url().api());
    if url.contains("openrouter.ai") {
        url.push_str("?supported_parameters=tools");
    }
    let body: Value = client.get(&url, limit).await?;
    let list = match &body {
        Value::Array(list) => Some(list),
        Value::Object(_) => body.get("data").and_then(Value::as_array),
        _ => None,
    };
    let Some(list) = list else {
        let text = body.to_string();
        return Err(client.error(
            LlmErrorKind::InvalidResponse,
            format!(
                "{} answered with no list of models ('{}').",
                without_password(&url),
                text.chars().take(80).collect::<String>()
            ),
        ));
    };
    Ok(list.iter().filter_map(|entry| Entry::deserialize(entry).ok()).filter(|entry| !entry.id.is_empty()).collect())
}

/// What each service lists beside its chat models is left out, by that service's own marks.
fn is_usable(settings: &ProviderSettings, entry: &Entry) -> bool {
    let kind = entry.kind.as_ref().and_then(Value::as_str);
    match settings.kind {
        ProviderKind::OpenAi if settings.is_openai_itself() => tables::is_openai_chat_model(&entry.id),
        ProviderKind::Groq => entry.context_window.is_some(),
        ProviderKind::Together => {
            matches!(kind, None | Some("chat" | "language")) && entry.tokens().is_some_and(|tokens| tokens > 4_096)
        }
        ProviderKind::DeepSeek => matches!(entry.id.as_str(), "deepseek-chat" | "deepseek-reasoner"),
        ProviderKind::Xai => entry.tokens().is_some() || xai_context_window(&entry.id).is_some(),
        _ => true,
    }
}

/// A server that lists everything together: what is an embedding model by its well-known name is no chat model.
fn is_embedding(settings: &ProviderSettings, entry: &Entry) -> bool {
    entry.kind.as_ref().and_then(Value::as_str).is_some_and(|kind| kind.starts_with("embedding"))
        || tables::embedding_dimensions(&entry.id).is_some()
        || settings.embedding_models.iter().any(|model| model.name == entry.id)
}

fn xai_context_window(model: &str) -> Option<i64> {
    match model {
        "grok-4-0709" | "grok-code-fast-1" => Some(256_000),
        "grok-4-fast-reasoning" | "grok-4-fast-non-reasoning" => Some(2_000_000),
        _ if model.starts_with("grok-3") => Some(131_072),
        _ => None,
    }
}

/// A model of which only the name is known.
pub(super) fn describe(settings: &ProviderSettings, model: &str) -> ModelInfo {
    let name = tables::model_name(&settings.name, model);
    info(settings, Found { name: name.to_owned(), ..Found::default() })
}

/// An embedding model of which only the name is known.
pub(super) fn describe_embedding(settings: &ProviderSettings, model: &str) -> Option<EmbeddingModelInfo> {
    let configured = settings.embedding_models.iter().find(|known| known.name == model);
    let serves = matches!(settings.kind, ProviderKind::OpenAi | ProviderKind::Compatible);
    let known = || tables::embedding_dimensions(model).filter(|_| serves);
    let dimensions = configured.map(|known| known.dimensions).or_else(known)?;
    Some(embedding_info(settings, model, dimensions))
}

fn info(settings: &ProviderSettings, found: Found) -> ModelInfo {
    let name = found.name;
    let configured = settings.models.iter().find(|model| model.name == name);
    let table = match settings.kind {
        ProviderKind::DeepSeek => Some(128_000),
        ProviderKind::Xai => xai_context_window(&name),
        ProviderKind::OpenRouter => Some(128_000),
        ProviderKind::SgLang => Some(32_768),
        _ => None,
    };
    let context_window = configured
        .and_then(|model| model.context_window)
        .or(settings.context_window)
        .or(found.context_window)
        .or(table)
        .or_else(|| tables::context_window(&name))
        .unwrap_or(tables::DEFAULT_CONTEXT_WINDOW);
    let usual = match settings.kind {
        ProviderKind::Vllm | ProviderKind::SgLang => 4_096,
        kind if kind.is_local() => tables::DEFAULT_MAX_TOKENS,
        _ => tables::max_tokens(&name),
    };
    let max_tokens = configured.and_then(|model| model.max_tokens).or(settings.max_tokens);
    // Servers refuse a request whose answer alone would fill the context.
    let max_tokens = max_tokens.unwrap_or_else(|| usual.min((context_window / 2).max(1)));

    let shown = local_name(settings.kind, &name);
    let handle_name = tables::handle_name(&settings.name, shown);
    let mut handles: Vec<String> = Vec::new();
    for prefix in std::iter::once(&settings.name).chain(&settings.alias_prefixes) {
        for name in [handle_name, shown, &name] {
            let handle = format!("{prefix}/{name}");
            if !handles.contains(&handle) {
                handles.push(handle);
            }
        }
    }
    // A server in OpenAI's place is listed under the handle that stored agents have for it.
    let proxied = format!("openai-proxy/{handle_name}");
    if settings.kind == ProviderKind::OpenAi
        && let Some(at) = handles.iter().position(|handle| *handle == proxied)
    {
        handles.swap(0, at);
    }
    let mut handles = handles.into_iter();
    ModelInfo {
        handle: handles.next().unwrap_or_default(),
        aliases: handles.collect(),
        provider_name: settings.name.clone(),
        provider_category: settings.category,
        provider_kind: settings.kind,
        endpoint: settings.base_url.shown().to_owned(),
        context_window,
        max_tokens: Some(max_tokens),
        frequency_penalty: penalty(settings.kind, &name),
        compatibility_type: found.compatibility_type,
        tools: found.tools,
        name,
    }
}

/// The two families repeat themselves without it.
fn penalty(kind: ProviderKind, model: &str) -> Option<f64> {
    let repeats = model.contains("gpt-4o") || model.contains("gpt-4.1-mini");
    (repeats && kind == ProviderKind::OpenAi).then_some(1.0)
}

/// llama.cpp calls a model by the path of its file.
fn local_name(kind: ProviderKind, name: &str) -> &str {
    if kind != ProviderKind::LlamaCpp {
        return name;
    }
    let file = name.rsplit(['/', '\\']).next().filter(|file| !file.is_empty()).unwrap_or(name);
    match file.strip_suffix(".gguf") {
        Some(stem) if !stem.is_empty() => stem,
        _ => name,
    }
}

fn embedding_info(settings: &ProviderSettings, name: &str, dimensions: i64) -> EmbeddingModelInfo {
    EmbeddingModelInfo {
        handle: format!("{}/{name}", settings.name),
        aliases: settings.alias_prefixes.iter().map(|prefix| format!("{prefix}/{name}")).collect(),
        name: name.to_owned(),
        provider_name: settings.name.clone(),
        provider_category: settings.category,
        provider_kind: settings.kind,
        endpoint: settings.base_url.shown().to_owned(),
        dimensions,
        batch_size: batch_size(settings),
    }
}

#[cfg(test)]
#[path = "models_tests.rs"]
mod tests;
