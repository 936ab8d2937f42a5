//! Models: which there are, which one a handle means, and how an agent is configured with it.

pub mod compaction;
pub mod config;
pub mod reasoning;

use crate::{
    Actor, Services,
    error::{Error, FieldError, Result},
    llm::{EmbeddingModelInfo, LlmSettings, ModelInfo, ProviderKind},
    schema::{EmbeddingConfig, EmbeddingModel, Model, ProviderCategory, ProviderType},
};

/// Which models a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFilter {
    /// Whose providers; empty for all.
    pub categories: Vec<ProviderCategory>,
    /// The exact name of the provider.
    pub provider_name: Option<String>,
    /// The kind of service, or the protocol that it speaks.
    pub provider_type: Option<ProviderType>,
}

impl ModelFilter {
    fn matches(&self, model: &ModelInfo) -> bool {
        let category = |category: &ProviderCategory| *category == model.provider_category;
        let name = |name: &String| *name == model.provider_name;
        let kind =
            |kind: &ProviderType| model.provider_type() == *kind || model.endpoint_type().as_str() == kind.as_str();
        (self.categories.is_empty() || self.categories.iter().any(category))
            && self.provider_name.as_ref().is_none_or(name)
            && self.provider_type.as_ref().is_none_or(kind)
    }
}

/// The models of all providers.
#[derive(Debug, Clone, Copy)]
pub struct ModelManager<'a>(&'a Services);

impl Services {
    /// The models of all providers.
    pub fn models(&self) -> ModelManager<'_> {
        ModelManager(self)
    }
}

impl ModelManager<'_> {
    /// The chat models that match, the best-known providers first.
    pub async fn list(&self, _actor: &Actor, filter: &ModelFilter) -> Vec<Model> {
        let mut models = self.0.catalog().list().await;
        models.retain(|model| filter.matches(model));
        models.sort_by(|a, b| {
            let key = |model: &'_ ModelInfo| (priority(&model.provider_name), model.provider_name.clone());
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        models.iter().map(listed).collect()
    }

    /// The embedding models, the best-known providers first.
    pub async fn list_embedding(&self, _actor: &Actor) -> Vec<EmbeddingModel> {
        let mut models = self.0.catalog().embedding_list().await;
        models.sort_by(|a, b| {
            let key = |model: &'_ EmbeddingModelInfo| (priority(&model.provider_name), model.provider_name.clone());
            key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name))
        });
        models.iter().map(listed_embedding).collect()
    }

    /// The model of a handle.
    ///
    /// # Errors
    /// 400 for what cannot be a handle, 404 for a handle that no provider has, with what would be right.
    pub async fn resolve(&self, _actor: &Actor, handle: &str) -> Result<ModelInfo> {
        if !is_handle(handle) {
            return Err(Error::InvalidArgument(format!(
                "The model handle should be in the format provider/model-name, but it is '{handle}'"
            )));
        }
        let resolved = self.0.catalog().resolve(handle).await;
        let (_, model) = resolved.map_err(|error| Error::HandleNotFound(error.to_string()))?;
        Ok(model)
    }

    /// The model of a new agent: of the handle, or the server's default.
    ///
    /// # Errors
    /// Those of [`Self::resolve`], and 400 when there is neither.
    pub async fn resolve_or_default(&self, actor: &Actor, handle: Option<&str>) -> Result<ModelInfo> {
        if let Some(handle) = handle.or(self.0.settings().default_model.as_deref()) {
            return self.resolve(actor, handle).await;
        }
        let mut text = "Must specify either model or llm_config in request".to_owned();
        if self.0.catalog().list().await.is_empty() {
            text += ". No model is configured yet either: ";
            text += LlmSettings::HOW_TO_GET_A_MODEL;
        }
        Err(Error::InvalidArgument(text))
    }

    /// The configuration of an embedding model, its texts cut into chunks of so many tokens.
    ///
    /// # Errors
    /// 422 for what cannot be a handle, 400 for a handle that no provider has.
    pub async fn resolve_embedding(
        &self,
        _actor: &Actor,
        handle: &str,
        chunk_size: Option<i64>,
    ) -> Result<EmbeddingConfig> {
        if !is_handle(handle) {
            return Err(Error::Unprocessable(vec![FieldError::body(
                "embedding",
                format!("The embedding handle should be in the format provider/model-name, but it is '{handle}'"),
            )]));
        }
        let resolved = self.0.catalog().resolve_embedding(handle).await;
        let (_, model) =
            resolved.map_err(|error| Error::InvalidArgument(format!("Embedding model {handle} not found. {error}")))?;
        Ok(config::from_embedding_info(&model, chunk_size))
    }
}

fn is_handle(handle: &str) -> bool {
    handle.split_once('/').is_some_and(|(provider, model)| !provider.is_empty() && !model.is_empty())
}

fn listed(info: &ModelInfo) -> Model {
    let mut config = config::from_info(info);
    if info.provider_kind == ProviderKind::Test {
        config.display_name = Some(format!("{} (built in, for trying out: not a real model)", info.name));
    }
    Model::new(ProviderType::lenient(info.endpoint_type().as_str()), config)
}

fn listed_embedding(info: &EmbeddingModelInfo) -> EmbeddingModel {
    let kind = ProviderType::lenient(info.provider_kind.endpoint_type().as_str());
    EmbeddingModel::new(kind, info.provider_name.clone(), config::from_embedding_info(info, None))
}

/// The place of a provider in lists: the order that clients know, all others after it.
fn priority(provider: &str) -> usize {
    const KNOWN: &[&str] = &[
        "letta",
        "openai",
        "anthropic",
        "ollama",
        "google_ai",
        "google_vertex",
        "azure",
        "groq",
        "together",
        "vllm",
        "bedrock",
        "deepseek",
        "xai",
        "lmstudio",
        "zai",
        "zai_coding",
        "openrouter",
    ];
    KNOWN.iter().position(|known| *known == provider).unwrap_or(KNOWN.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_has_a_provider_and_a_model_that_may_hold_slashes() {
        assert!(is_handle("openrouter/anthropic/claude") && is_handle("a/b"));
        for bad in ["", "gpt-4o", "/gpt-4o", "openai/"] {
            assert!(!is_handle(bad), "{bad}");
        }
    }

    #[test]
    fn well_known_providers_come_first() {
        let mut names = ["zebra", "ollama", "openrouter", "openai", "muisti"];
        names.sort_by_key(|name| (priority(name), *name));
        assert_eq!(names, ["openai", "ollama", "openrouter", "muisti", "zebra"]);
    }
}
