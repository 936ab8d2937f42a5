//! OpenAI's chat completions and embeddings, as OpenAI and everybody else speaks them.
//!
//! `request` builds the body, `chunk` reads one JSON piece of an answer, `stream` cuts an answer into such pieces,
//! `errors` reads what is no answer, `models` lists, `embed` embeds. What one provider does differently is asked of
//! its [`ProviderKind`] at the place where it matters.

mod chunk;
mod embed;
mod errors;
mod messages;
mod models;
mod request;
mod stream;
mod strict;

use std::borrow::Cow;

use async_trait::async_trait;
use serde_json::Value;

use crate::chat::{ChatRequest, ChatStream};
use crate::error::LlmError;
use crate::http::Client;
use crate::provider::{EmbeddingModelInfo, ModelInfo, Provider, ProviderKind};
use crate::settings::{ProviderSettings, Timeouts};
use crate::structured;
use chunk::ChunkReader;
pub(crate) use models::Found;
use request::Body;

/// A provider that speaks OpenAI's wire.
pub struct OpenAiProvider {
    settings: ProviderSettings,
    client: Client,
}

impl OpenAiProvider {
    /// Builds the client; nothing is sent before the first call.
    pub fn new(settings: ProviderSettings, timeouts: Timeouts) -> Self {
        let client = Client::new(
            &settings.name,
            settings.base_url.clone(),
            settings.api_key.clone(),
            timeouts,
            errors::from_status,
        );
        Self { settings, client }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.base_url.api())
    }
}

#[async_trait]
impl Provider for OpenAiProvider {
    fn name(&self) -> &str {
        &self.settings.name
    }

    fn kind(&self) -> ProviderKind {
        self.settings.kind
    }

    fn endpoint(&self) -> &str {
        self.settings.base_url.shown()
    }

    async fn models(&self) -> Result<Vec<ModelInfo>, LlmError> {
        models::list(&self.settings, &self.client).await
    }

    async fn embedding_models(&self) -> Result<Vec<EmbeddingModelInfo>, LlmError> {
        models::list_embedding(&self.settings, &self.client).await
    }

    fn describe(&self, model: &str) -> ModelInfo {
        models::describe(&self.settings, model)
    }

    fn describe_embedding(&self, model: &str) -> Option<EmbeddingModelInfo> {
        models::describe_embedding(&self.settings, model)
    }

    async fn chat(&self, request: &ChatRequest) -> Result<ChatStream, LlmError> {
        let prepared = structured::prepare(self.settings.kind, request);
        let body = Body::new(&self.settings, &prepared);
        let response = self.client.call(&self.url("/chat/completions"), &body).await?;
        let reader = ChunkReader::new(&self.settings.name, self.settings.kind, &request.model);
        let events = stream::open(self.client.clone(), response, reader).await?;
        Ok(structured::answer(matches!(prepared, Cow::Owned(_)), events))
    }

    async fn embed(&self, model: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, LlmError> {
        embed::embed(&self.settings, &self.client, model, texts).await
    }

    fn request_body(&self, request: &ChatRequest) -> Value {
        let prepared = structured::prepare(self.settings.kind, request);
        serde_json::to_value(Body::new(&self.settings, &prepared)).unwrap_or_default()
    }
}
