//! The models that agents can use.

use crate::{
    CompatibilityType, Effort, EmbeddingConfig, EmbeddingEndpointType, LlmConfig, ModelEndpointType, ProviderCategory,
    ProviderType, ReasoningEffort, ResponseFormat, Verbosity, de, tagged::tagged_struct,
};

tagged_struct! {
    "model_type" = "llm", as "Model";
    /// A chat model. Most members repeat, for old clients, those of [`LlmConfig`].
    pub struct Model {
        /// `provider/model`.
        pub handle: Option<String>,
        /// The provider's name for it.
        pub name: String,
        /// A name to show to people.
        pub display_name: Option<String>,
        /// The kind of service.
        pub provider_type: ProviderType,
        /// The name of the provider.
        pub provider_name: Option<String>,
        /// The same as `name`.
        pub model: String [deprecated],
        /// The protocol of the endpoint.
        pub model_endpoint_type: ModelEndpointType [deprecated],
        /// The base URL of the endpoint.
        pub model_endpoint: Option<String> [deprecated],
        /// Whose provider it is.
        #[serde(default, deserialize_with = "de::lenient_option")]
        pub provider_category: Option<ProviderCategory> [deprecated],
        /// Obsolete.
        pub model_wrapper: Option<String> [deprecated],
        /// The same as `max_context_window`.
        pub context_window: i64 [deprecated],
        /// Whether thoughts travel as an argument of each tool call.
        #[serde(default = "some_yes")]
        pub put_inner_thoughts_in_kwargs: Option<bool> [default = true, deprecated],
        /// The sampling temperature.
        #[serde(default = "default_temperature")]
        pub temperature: f64 [default = 0.7, deprecated],
        /// How many tokens an answer may have.
        pub max_tokens: Option<i64> [deprecated],
        /// Whether a model that can think does.
        #[serde(default = "yes")]
        pub enable_reasoner: bool [default = true, deprecated],
        /// How much an OpenAI reasoning model thinks.
        #[serde(default, deserialize_with = "de::lenient_option")]
        pub reasoning_effort: Option<ReasoningEffort> [deprecated],
        /// How many tokens of thought are allowed.
        #[serde(default)]
        pub max_reasoning_tokens: i64 [default = 0, deprecated],
        /// How much work an Anthropic model puts into an answer.
        #[serde(default, deserialize_with = "de::lenient_option")]
        pub effort: Option<Effort>,
        /// The penalty for repeating tokens.
        pub frequency_penalty: Option<f64> [deprecated],
        /// The file format of a local model.
        #[serde(default, deserialize_with = "de::lenient_option")]
        pub compatibility_type: Option<CompatibilityType> [deprecated],
        /// How wordy answers are.
        #[serde(default, deserialize_with = "de::lenient_option")]
        pub verbosity: Option<Verbosity> [deprecated],
        /// The price class of a hosted model.
        pub tier: Option<String> [deprecated],
        /// Whether the model may call several tools at once.
        #[serde(default = "some_no")]
        pub parallel_tool_calls: Option<bool> [default = false, deprecated],
        /// The form that answers must have.
        #[serde(default, deserialize_with = "de::lenient_option")]
        pub response_format: Option<ResponseFormat>,
        /// Whether tool arguments are held to their schema exactly.
        #[serde(default)]
        pub strict: bool [default = false],
        /// Whether the log probabilities of the answer are returned.
        #[serde(default)]
        pub return_logprobs: bool [default = false],
        /// How many alternatives to each token are returned.
        pub top_logprobs: Option<i64>,
        /// Whether token ids are returned.
        #[serde(default)]
        pub return_token_ids: bool [default = false],
        /// The parser for tool calls.
        pub tool_call_parser: Option<String>,
        /// How many tokens fit into one call, input and output together.
        pub max_context_window: i64,
    }
}

impl Model {
    /// The model that `config` is for, with its defaults.
    #[must_use]
    pub fn new(provider_type: ProviderType, config: LlmConfig) -> Self {
        Self {
            handle: config.handle,
            name: config.model.clone(),
            display_name: config.display_name.or_else(|| Some(config.model.clone())),
            provider_type,
            provider_name: config.provider_name,
            model: config.model,
            model_endpoint_type: config.model_endpoint_type,
            model_endpoint: config.model_endpoint,
            provider_category: config.provider_category,
            model_wrapper: config.model_wrapper,
            context_window: config.context_window,
            put_inner_thoughts_in_kwargs: config.put_inner_thoughts_in_kwargs,
            temperature: config.temperature,
            max_tokens: config.max_tokens,
            enable_reasoner: config.enable_reasoner,
            reasoning_effort: config.reasoning_effort,
            max_reasoning_tokens: config.max_reasoning_tokens,
            effort: config.effort,
            frequency_penalty: config.frequency_penalty,
            compatibility_type: config.compatibility_type,
            verbosity: config.verbosity,
            tier: config.tier,
            parallel_tool_calls: config.parallel_tool_calls.or(Some(false)),
            response_format: None,
            strict: false,
            return_logprobs: false,
            top_logprobs: None,
            return_token_ids: false,
            tool_call_parser: None,
            max_context_window: config.context_window,
        }
    }
}

tagged_struct! {
    "model_type" = "embedding", as "EmbeddingModel";
    /// An embedding model. Some members repeat, for old clients, those of [`EmbeddingConfig`].
    pub struct EmbeddingModel {
        /// `provider/model`.
        pub handle: Option<String>,
        /// The provider's name for it.
        pub name: String,
        /// A name to show to people.
        pub display_name: String,
        /// The kind of service.
        pub provider_type: ProviderType,
        /// The name of the provider.
        pub provider_name: String,
        /// The protocol of the endpoint.
        pub embedding_endpoint_type: EmbeddingEndpointType [deprecated],
        /// The base URL of the endpoint.
        pub embedding_endpoint: Option<String> [deprecated],
        /// The same as `name`.
        pub embedding_model: String [deprecated],
        /// The length of a vector.
        pub embedding_dim: i64,
        /// The length of the pieces that texts are cut into, in tokens.
        #[serde(default = "default_chunk_size")]
        pub embedding_chunk_size: Option<i64> [default = 300, deprecated],
        /// How many texts one call may carry.
        #[serde(default = "default_batch_size")]
        pub batch_size: i64 [default = 32, deprecated],
        /// Azure: the endpoint of the resource.
        pub azure_endpoint: Option<String> [deprecated],
        /// Azure: the version of the API.
        pub azure_version: Option<String> [deprecated],
        /// Azure: the name of the deployment.
        pub azure_deployment: Option<String> [deprecated],
    }
}

impl EmbeddingModel {
    /// The model that `config` is for, with its defaults.
    #[must_use]
    pub fn new(provider_type: ProviderType, provider_name: impl Into<String>, config: EmbeddingConfig) -> Self {
        Self {
            handle: config.handle,
            name: config.embedding_model.clone(),
            display_name: config.embedding_model.clone(),
            provider_type,
            provider_name: provider_name.into(),
            embedding_endpoint_type: config.embedding_endpoint_type,
            embedding_endpoint: config.embedding_endpoint,
            embedding_model: config.embedding_model,
            embedding_dim: config.embedding_dim,
            embedding_chunk_size: config.embedding_chunk_size,
            batch_size: config.batch_size,
            azure_endpoint: config.azure_endpoint,
            azure_version: config.azure_version,
            azure_deployment: config.azure_deployment,
        }
    }
}

const fn yes() -> bool {
    true
}

const fn some_yes() -> Option<bool> {
    Some(true)
}

const fn some_no() -> Option<bool> {
    Some(false)
}

const fn default_temperature() -> f64 {
    0.7
}

const fn default_chunk_size() -> Option<i64> {
    Some(crate::DEFAULT_EMBEDDING_CHUNK_SIZE)
}

const fn default_batch_size() -> i64 {
    32
}
