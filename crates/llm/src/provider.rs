//! The trait that a provider implements, and what it says about its models.

use async_trait::async_trait;
use serde_json::Value;

use crate::chat::{ChatRequest, ChatStream};
use crate::error::LlmError;
use crate::schema::{ModelEndpointType, ProviderCategory, ProviderType};

/// A source of chat models, embedding models or both. Object safe; the catalog holds them as `Arc<dyn Provider>`.
#[async_trait]
pub trait Provider: Send + Sync {
    /// The name under which it is configured; also [`ModelInfo::provider_name`].
    fn name(&self) -> &str;

    /// Which software or service it is.
    fn kind(&self) -> ProviderKind;

    /// The base URL that requests go to, for people to read. Empty for a provider inside this process.
    fn endpoint(&self) -> &str;

    /// Asks for the chat models. Bounded in time; one model whose details fail does not hide the others.
    async fn models(&self) -> Result<Vec<ModelInfo>, LlmError>;

    /// Asks for the embedding models: only those that really exist.
    async fn embedding_models(&self) -> Result<Vec<EmbeddingModelInfo>, LlmError>;

    /// What is known about a chat model without asking: for models of a provider that cannot list them right now.
    fn describe(&self, model: &str) -> ModelInfo;

    /// What is known about an embedding model without asking; `None` when its dimensions are not known.
    fn describe_embedding(&self, model: &str) -> Option<EmbeddingModelInfo>;

    /// Calls the model. Repeats what can be repeated before the first byte of the answer; after it, never.
    ///
    /// Errors that come before the answer are the `Err` of this call, later ones are the stream's last item.
    async fn chat(&self, request: &ChatRequest) -> Result<ChatStream, LlmError>;

    /// Embeds texts, one vector per text, in order. An empty list gives an empty list without a call.
    async fn embed(&self, model: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, LlmError>;

    /// The body that [`chat`](Self::chat) would send, for previews and traces. Holds no key.
    fn request_body(&self, request: &ChatRequest) -> Value;
}

/// Which software or service a provider is: decides defaults, quirks and how context sizes are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProviderKind {
    /// OpenAI, or what stands behind `OPENAI_BASE_URL`.
    OpenAi,
    /// Any other server that speaks OpenAI's wire; what it is, is found out by asking.
    Compatible,
    /// Ollama.
    Ollama,
    /// The server of llama.cpp.
    LlamaCpp,
    /// LM Studio.
    LmStudio,
    /// vLLM.
    Vllm,
    /// SGLang.
    SgLang,
    /// Groq.
    Groq,
    /// Together AI.
    Together,
    /// DeepSeek.
    DeepSeek,
    /// xAI.
    Xai,
    /// OpenRouter.
    OpenRouter,
    /// The built-in test model.
    Test,
}

impl ProviderKind {
    /// The `provider_type` of the API. What it has no word for is `openai`, as any server that speaks that wire is
    /// there.
    pub fn provider_type(self) -> ProviderType {
        match self {
            Self::OpenAi | Self::Compatible | Self::LlamaCpp => ProviderType::Openai,
            Self::Ollama => ProviderType::Ollama,
            Self::LmStudio => ProviderType::LmstudioOpenai,
            Self::Vllm => ProviderType::Vllm,
            Self::SgLang => ProviderType::Sglang,
            Self::Groq => ProviderType::Groq,
            Self::Together => ProviderType::Together,
            Self::DeepSeek => ProviderType::Deepseek,
            Self::Xai => ProviderType::Xai,
            Self::OpenRouter => ProviderType::Openrouter,
            Self::Test => ProviderType::Muisti,
        }
    }

    /// The `model_endpoint_type` of the API (`LLMConfig`).
    pub fn endpoint_type(self) -> ModelEndpointType {
        match self {
            Self::Groq => ModelEndpointType::Groq,
            Self::Together => ModelEndpointType::Together,
            Self::DeepSeek => ModelEndpointType::Deepseek,
            Self::Xai => ModelEndpointType::Xai,
            Self::OpenRouter => ModelEndpointType::Openrouter,
            Self::Test => ModelEndpointType::Muisti,
            _ => ModelEndpointType::Openai,
        }
    }

    /// Whether it runs on the user's own machines, so that it may be slow and needs no key.
    pub fn is_local(self) -> bool {
        matches!(self, Self::Ollama | Self::LlamaCpp | Self::LmStudio | Self::Vllm | Self::SgLang)
    }
}

/// A chat model.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelInfo {
    /// `<provider>/<model>`, what users write.
    pub handle: String,
    /// Further handles that resolve to this model, for example `openai/…` beside `openai-proxy/…`.
    pub aliases: Vec<String>,
    /// The provider's own model id, what [`ChatRequest::model`] takes.
    pub name: String,
    /// [`Provider::name`].
    pub provider_name: String,
    /// From this server's configuration, or brought by a user.
    pub provider_category: ProviderCategory,
    /// Which software or service serves it.
    pub provider_kind: ProviderKind,
    /// The base URL of the wire.
    pub endpoint: String,
    /// Tokens that fit into prompt and answer together.
    pub context_window: i64,
    /// The answer limit a new agent gets, in tokens.
    pub max_tokens: Option<i64>,
    /// The penalty a new agent gets.
    pub frequency_penalty: Option<f64>,
    /// `gguf` or `mlx`, from LM Studio.
    pub compatibility_type: Option<String>,
    /// Whether the server says that the model can call tools; `None` when it does not say.
    pub tools: Option<bool>,
}

impl ModelInfo {
    /// The `model_endpoint_type` of the API.
    pub fn endpoint_type(&self) -> ModelEndpointType {
        self.provider_kind.endpoint_type()
    }

    /// The `provider_type` of the API.
    pub fn provider_type(&self) -> ProviderType {
        self.provider_kind.provider_type()
    }
}

/// An embedding model.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingModelInfo {
    /// `<provider>/<model>`, what users write.
    pub handle: String,
    /// Further handles that resolve to this model.
    pub aliases: Vec<String>,
    /// The provider's own model id, what [`Provider::embed`] takes.
    pub name: String,
    /// [`Provider::name`].
    pub provider_name: String,
    /// From this server's configuration, or brought by a user.
    pub provider_category: ProviderCategory,
    /// Which software or service serves it.
    pub provider_kind: ProviderKind,
    /// The base URL of the wire.
    pub endpoint: String,
    /// Length of the vectors.
    pub dimensions: i64,
    /// Texts in one call.
    pub batch_size: i64,
}
