//! What local servers tell of their models beside OpenAI's wire: how much context they really have, above all.
//!
//! Each question has two seconds. A model whose details cannot be had is listed without them; a server that has no
//! such route is an error, and the caller falls back to OpenAI's list.

use std::time::Duration;

use futures::{StreamExt, stream};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::LlmError;
use crate::http::Client;
use crate::openai::Found;

/// For one question.
const PROBE: Duration = Duration::from_secs(2);
/// Questions at the same time.
const CONCURRENT: usize = 8;
/// What Ollama's models are taken to hold when it does not say.
const OLLAMA_DEFAULT: i64 = 128_000;

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    models: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    model: Option<String>,
}

#[derive(Default, Deserialize)]
struct Show {
    #[serde(default)]
    capabilities: Option<Vec<String>>,
    #[serde(default)]
    model_info: Option<Value>,
    /// Lines of `name value`.
    #[serde(default)]
    parameters: Option<String>,
}

/// Ollama: `/api/tags` for the models, `/api/show` for each one's abilities and size, `/api/ps` for the context that
/// those which are loaded run with. What Ollama says to be unable to call tools is no chat model here.
pub(crate) async fn ollama(client: &Client, limit: Duration) -> Result<Vec<Found>, LlmError> {
    let root = client.base_url().root();
    let tags: Tags = client.get(&format!("{root}/api/tags"), limit).await?;
    let loaded: Value = client.get(&format!("{root}/api/ps"), PROBE).await.unwrap_or_default();
    let names = tags.models.into_iter().filter_map(|tag| tag.name.or(tag.model));
    let found = stream::iter(names)
        .map(|name| async {
            let body = json!({"model": name, "name": name}).to_string().into_bytes();
            let show = client.ask::<Show>(Method::POST, &format!("{root}/api/show"), Some(body), PROBE).await;
            read_show(name, show.unwrap_or_default(), &loaded)
        })
        .buffered(CONCURRENT)
        .collect()
        .await;
    Ok(found)
}

fn read_show(name: String, show: Show, loaded: &Value) -> Found {
    let number = |suffix: &str| {
        let info = show.model_info.as_ref()?.as_object()?;
        info.iter().find(|(key, _)| key.ends_with(suffix)).and_then(|(_, value)| value.as_i64())
    };
    let running = loaded.get("models").and_then(Value::as_array).and_then(|models| {
        let this = models.iter().find(|model| model.get("name").and_then(Value::as_str) == Some(&name))?;
        this.get("context_length").and_then(Value::as_i64)
    });
    let configured = show.parameters.as_deref().and_then(|lines| {
        let line = lines.lines().find_map(|line| line.trim().strip_prefix("num_ctx"))?;
        line.trim().parse::<i64>().ok()
    });
    let can = |ability: &str| show.capabilities.as_ref().map(|known| known.iter().any(|word| word == ability));
    let tools = can("tools");
    let embeds = can("embedding") == Some(true);
    Found {
        context_window: Some(running.or(configured).or_else(|| number(".context_length")).unwrap_or(OLLAMA_DEFAULT)),
        tools,
        embedding: number(".embedding_length").filter(|_| embeds),
        no_chat: embeds || tools == Some(false),
        name,
        ..Found::default()
    }
}

#[derive(Deserialize)]
struct LmStudioModels {
    data: Vec<LmStudioModel>,
}

#[derive(Deserialize)]
struct LmStudioModel {
    id: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    compatibility_type: Option<String>,
    #[serde(default)]
    loaded_context_length: Option<i64>,
    #[serde(default)]
    max_context_length: Option<i64>,
    #[serde(default)]
    capabilities: Option<Vec<String>>,
}

/// The length of the vectors of LM Studio's embedding models, which it does not tell; its own default model's.
const LM_STUDIO_DIMENSIONS: i64 = 768;

/// LM Studio: `/api/v0/models`. A model that is loaded has the context it was loaded with, any other its largest.
pub(crate) async fn lm_studio(client: &Client) -> Result<Vec<Found>, LlmError> {
    let url = format!("{}/api/v0/models", client.base_url().root());
    let models: LmStudioModels = client.get(&url, PROBE).await?;
    let found = models.data.into_iter().map(|model| {
        let kind = model.kind.as_deref();
        Found {
            context_window: model.loaded_context_length.or(model.max_context_length),
            tools: model.capabilities.map(|known| known.iter().any(|word| word == "tool_use")),
            embedding: (kind == Some("embeddings")).then_some(LM_STUDIO_DIMENSIONS),
            no_chat: !matches!(kind, None | Some("llm" | "vlm")),
            compatibility_type: model.compatibility_type.filter(|kind| matches!(kind.as_str(), "gguf" | "mlx")),
            name: model.id,
        }
    });
    Ok(found.collect())
}

/// llama.cpp: `/props` for the context of one slot, which is what one conversation has.
pub(crate) async fn llama_cpp_context(client: &Client) -> Result<i64, LlmError> {
    let props: Value = client.get(&format!("{}/props", client.base_url().root()), PROBE).await?;
    let size = props.pointer("/default_generation_settings/n_ctx").or_else(|| props.get("n_ctx"));
    size.and_then(Value::as_i64).filter(|size| *size > 0).ok_or_else(|| {
        client.error(crate::error::LlmErrorKind::InvalidResponse, "/props does not tell the context size.".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(json: Value) -> Show {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn ollamas_loaded_context_comes_before_its_parameters_and_those_before_the_models_own() {
        let info = json!({"general.architecture": "qwen2", "qwen2.context_length": 32768});
        let parameters = "stop    \"<|im_end|>\"\nnum_ctx                        8192";
        let loaded = json!({"models": [{"name": "q", "context_length": 4096}]});
        let full =
            || show(json!({"capabilities": ["completion", "tools"], "model_info": info, "parameters": parameters}));
        assert_eq!(read_show("q".to_owned(), full(), &loaded).context_window, Some(4096));
        assert_eq!(read_show("q".to_owned(), full(), &Value::Null).context_window, Some(8192));
        let bare = show(json!({"model_info": info}));
        assert_eq!(read_show("q".to_owned(), bare, &Value::Null).context_window, Some(32768));
        let nothing = read_show("q".to_owned(), Show::default(), &Value::Null);
        assert_eq!((nothing.context_window, nothing.no_chat), (Some(128_000), false));
    }

    #[test]
    fn ollamas_abilities_decide_what_a_model_is_for() {
        let embedding = show(json!({"capabilities": ["embedding"], "model_info": {"bert.embedding_length": 384}}));
        let found = read_show("e".to_owned(), embedding, &Value::Null);
        assert_eq!((found.embedding, found.no_chat), (Some(384), true));
        let talks_only = read_show("t".to_owned(), show(json!({"capabilities": ["completion"]})), &Value::Null);
        assert!(talks_only.no_chat);
    }
}
