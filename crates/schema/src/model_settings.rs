//! A model's parameters in the form that clients send and see, one struct per kind of provider.
//!
//! What a client did not send stays out of the struct, so that [`ModelSettings::apply`] changes only what was
//! sent. The form in answers is rebuilt from the agent's [`LlmConfig`] and has every field.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    Effort, LlmConfig, ModelEndpointType, Patch, ReasoningEffort, ResponseFormat, ThinkingType, Verbosity,
    tagged::tagged_struct,
};

/// The output limit of an answer when the model's is not known.
const DEFAULT_OUTPUT_TOKENS: i64 = 4_096;
/// The same for Google's models.
const DEFAULT_GOOGLE_OUTPUT_TOKENS: i64 = 65_536;
/// The tokens of thought that are allowed when nothing else is said.
const DEFAULT_THINKING_BUDGET: i64 = 1_024;

tagged_union! {
    /// A model's parameters, by kind of provider. The kind need not be that of the agent's model.
    enum ModelSettings ("ModelSettings", by "provider_type") {
        /// OpenAI, and servers that speak its API.
        Openai(OpenAiModelSettings) = "openai",
        /// SGLang.
        Sglang(SglangModelSettings) = "sglang",
        /// Anthropic, and servers that speak its API.
        Anthropic(AnthropicModelSettings) = "anthropic",
        /// Gemini by its own API.
        GoogleAi(GoogleAiModelSettings) = "google_ai",
        /// Gemini by Vertex AI.
        GoogleVertex(GoogleVertexModelSettings) = "google_vertex",
        /// Azure.
        Azure(AzureModelSettings) = "azure",
        /// xAI.
        Xai(XaiModelSettings) = "xai",
        /// Z.ai.
        Zai(ZaiModelSettings) = "zai",
        /// Groq.
        Groq(GroqModelSettings) = "groq",
        /// DeepSeek.
        Deepseek(DeepseekModelSettings) = "deepseek",
        /// Together.
        Together(TogetherModelSettings) = "together",
        /// AWS Bedrock.
        Bedrock(BedrockModelSettings) = "bedrock",
        /// Baseten.
        Baseten(BasetenModelSettings) = "baseten",
        /// OpenRouter.
        Openrouter(OpenRouterModelSettings) = "openrouter",
        /// ChatGPT by a subscription's login.
        ChatgptOauth(ChatGptOauthModelSettings) = "chatgpt_oauth",
        /// Moonshot: an OpenAI-compatible API.
        Moonshot(MoonshotModelSettings) = "moonshot",
        /// Moonshot's coding plan: an Anthropic-compatible API.
        MoonshotCoding(MoonshotCodingModelSettings) = "moonshot_coding",
    }
}

/// Declares settings structs: the fields that all have, then each one's own.
macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident ($component:literal, $tag:literal, temperature $temperature:literal,
        max $max:expr, $max_literal:literal) {
        $($(#[$field_meta:meta])* $field:ident: $ty:ty [$($schema:tt)*] = $default:expr,)*
    })*) => {$(
        tagged_struct! {
            "provider_type" = $tag, as $component;
            $(#[$doc])*
            pub struct $name {
                /// How many tokens an answer may have.
                #[serde(skip_serializing_if = "Option::is_none")]
                pub max_output_tokens: Option<i64> [value_type = i64, default = $max_literal],
                /// Whether the model may call several tools at once.
                #[serde(skip_serializing_if = "Option::is_none")]
                pub parallel_tool_calls: Option<bool> [value_type = bool, default = true],
                /// The sampling temperature.
                #[serde(skip_serializing_if = "Option::is_none")]
                pub temperature: Option<f64> [value_type = f64, default = $temperature],
                $($(#[$field_meta])* pub $field: $ty [$($schema)*],)*
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    max_output_tokens: None,
                    parallel_tool_calls: None,
                    temperature: None,
                    $($field: Default::default(),)*
                }
            }
        }

        impl Asked for $name {
            fn asked(config: &LlmConfig) -> Self {
                Self { parallel_tool_calls: config.parallel_tool_calls, ..Self::default() }
            }
        }

        impl $name {
            /// The same with the default for each field that was not sent.
            #[must_use]
            pub fn with_defaults(self) -> Self {
                Self {
                    max_output_tokens: self.max_output_tokens.or(Some($max)),
                    parallel_tool_calls: self.parallel_tool_calls.or(Some(true)),
                    temperature: self.temperature.or(Some($temperature)),
                    $($field: Fill::fill(self.$field, $default),)*
                }
            }
        }
    )*};
}

/// Settings that know what was sent.
trait Asked {
    /// Those of a configuration that remembers whether they were sent.
    fn asked(config: &LlmConfig) -> Self;
}

/// A field that knows whether it was sent.
trait Fill {
    fn fill(self, default: Self) -> Self;
}

impl<T> Fill for Option<T> {
    fn fill(self, default: Self) -> Self {
        self.or(default)
    }
}

impl<T> Fill for Patch<T> {
    fn fill(self, default: Self) -> Self {
        if self.is_absent() { default } else { self }
    }
}

settings! {
    /// Settings of OpenAI's models.
    OpenAiModelSettings ("OpenAIModelSettings", "openai", temperature 0.7, max DEFAULT_OUTPUT_TOKENS, 4096) {
        /// How the model thinks.
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning: Option<OpenAiReasoning> [value_type = OpenAiReasoning] = Some(ReasoningEffort::High.into()),
        /// The form that answers must have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        response_format: Patch<ResponseFormat> [value_type = Option<ResponseFormat>] = Patch::Null,
        /// Whether tool arguments are held to their schema exactly.
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool> [value_type = bool, default = true] = Some(true),
    }

    /// Settings of models served by SGLang.
    SglangModelSettings ("SGLangModelSettings", "sglang", temperature 0.7, max DEFAULT_OUTPUT_TOKENS, 4096) {
        /// How the model thinks.
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning: Option<OpenAiReasoning> [value_type = OpenAiReasoning] = Some(ReasoningEffort::High.into()),
        /// The form that answers must have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        response_format: Patch<ResponseFormat> [value_type = Option<ResponseFormat>] = Patch::Null,
        /// Whether tool arguments are held to their schema exactly.
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool> [value_type = bool, default = true] = Some(true),
        /// The server's parser for tool calls.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        tool_call_parser: Patch<String> [value_type = Option<String>] = Patch::Null,
    }

    /// Settings of Anthropic's models.
    AnthropicModelSettings ("AnthropicModelSettings", "anthropic", temperature 1.0, max DEFAULT_OUTPUT_TOKENS, 4096) {
        /// Whether and how long the model thinks.
        #[serde(skip_serializing_if = "Option::is_none")]
        thinking: Option<AnthropicThinking> [value_type = AnthropicThinking] = Some(AnthropicThinking::default().with_defaults()),
        /// The form that answers must have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        response_format: Patch<ResponseFormat> [value_type = Option<ResponseFormat>] = Patch::Null,
        /// How wordy answers are.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        verbosity: Patch<Verbosity> [value_type = Option<Verbosity>] = Patch::Null,
        /// How much work goes into an answer.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        effort: Patch<Effort> [value_type = Option<Effort>] = Patch::Null,
        /// Whether tool arguments are held to their schema exactly.
        #[serde(skip_serializing_if = "Option::is_none")]
        strict: Option<bool> [value_type = bool, default = false] = Some(false),
    }

    /// Settings of Gemini models.
    GoogleAiModelSettings ("GoogleAIModelSettings", "google_ai", temperature 0.7,
        max DEFAULT_GOOGLE_OUTPUT_TOKENS, 65536) {
        /// Whether and how long the model thinks.
        #[serde(skip_serializing_if = "Option::is_none")]
        thinking_config: Option<GeminiThinkingConfig> [value_type = GeminiThinkingConfig] = Some(GeminiThinkingConfig::default().with_defaults()),
        /// The form that answers must have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        response_schema: Patch<ResponseFormat> [value_type = Option<ResponseFormat>] = Patch::Null,
    }

    /// Settings of Gemini models at Vertex AI.
    GoogleVertexModelSettings ("GoogleVertexModelSettings", "google_vertex", temperature 0.7,
        max DEFAULT_GOOGLE_OUTPUT_TOKENS, 65536) {
        /// Whether and how long the model thinks.
        #[serde(skip_serializing_if = "Option::is_none")]
        thinking_config: Option<GeminiThinkingConfig> [value_type = GeminiThinkingConfig] = Some(GeminiThinkingConfig::default().with_defaults()),
        /// The form that answers must have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        response_schema: Patch<ResponseFormat> [value_type = Option<ResponseFormat>] = Patch::Null,
    }

    /// Settings of models at Z.ai.
    ZaiModelSettings ("ZAIModelSettings", "zai", temperature 0.7, max DEFAULT_OUTPUT_TOKENS, 4096) {
        /// The form that answers must have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        response_format: Patch<ResponseFormat> [value_type = Option<ResponseFormat>] = Patch::Null,
        /// Whether the model thinks.
        #[serde(skip_serializing_if = "Option::is_none")]
        thinking: Option<ZaiThinking> [value_type = ZaiThinking] = Some(ZaiThinking::default().with_defaults()),
    }

    /// Settings of models at Baseten.
    BasetenModelSettings ("BasetenModelSettings", "baseten", temperature 0.7, max DEFAULT_OUTPUT_TOKENS, 4096) {}

    /// Settings of models used by a ChatGPT login.
    ChatGptOauthModelSettings ("ChatGPTOAuthModelSettings", "chatgpt_oauth", temperature 0.7,
        max DEFAULT_OUTPUT_TOKENS, 4096) {
        /// How the model thinks.
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning: Option<ChatGptOauthReasoning> [value_type = ChatGptOauthReasoning] = Some(ReasoningEffort::Medium.into()),
    }

    /// Settings of models at Moonshot's coding plan.
    MoonshotCodingModelSettings ("MoonshotCodingModelSettings", "moonshot_coding", temperature 1.0,
        max DEFAULT_OUTPUT_TOKENS, 4096) {
        /// Whether and how long the model thinks.
        #[serde(skip_serializing_if = "Option::is_none")]
        thinking: Option<AnthropicThinking> [value_type = AnthropicThinking] = Some(AnthropicThinking::default().with_defaults()),
        /// The form that answers must have.
        #[serde(default, skip_serializing_if = "Patch::is_absent")]
        response_format: Patch<ResponseFormat> [value_type = Option<ResponseFormat>] = Patch::Null,
    }
}

/// Declares the settings of providers that have nothing of their own.
macro_rules! plain_settings {
    ($($(#[$doc:meta])* $name:ident ($component:literal, $tag:literal);)*) => {
        settings! {$(
            $(#[$doc])*
            $name ($component, $tag, temperature 0.7, max DEFAULT_OUTPUT_TOKENS, 4096) {
                /// The form that answers must have.
                #[serde(default, skip_serializing_if = "Patch::is_absent")]
                response_format: Patch<ResponseFormat> [value_type = Option<ResponseFormat>] = Patch::Null,
            }
        )*}
    };
}

plain_settings! {
    /// Settings of models at Azure.
    AzureModelSettings ("AzureModelSettings", "azure");
    /// Settings of xAI's models.
    XaiModelSettings ("XAIModelSettings", "xai");
    /// Settings of models at Groq.
    GroqModelSettings ("GroqModelSettings", "groq");
    /// Settings of DeepSeek's models.
    DeepseekModelSettings ("DeepseekModelSettings", "deepseek");
    /// Settings of models at Together.
    TogetherModelSettings ("TogetherModelSettings", "together");
    /// Settings of models at AWS Bedrock.
    BedrockModelSettings ("BedrockModelSettings", "bedrock");
    /// Settings of models at OpenRouter.
    OpenRouterModelSettings ("OpenRouterModelSettings", "openrouter");
    /// Settings of Moonshot's models.
    MoonshotModelSettings ("MoonshotModelSettings", "moonshot");
}

/// How an OpenAI model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = OpenAIReasoning)]
pub struct OpenAiReasoning {
    /// How much.
    #[serde(default = "minimal")]
    #[schema(default = "minimal")]
    pub reasoning_effort: ReasoningEffort,
}

/// How a model that is used by a ChatGPT login thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ChatGPTOAuthReasoning)]
pub struct ChatGptOauthReasoning {
    /// How much.
    #[serde(default = "medium")]
    #[schema(default = "medium")]
    pub reasoning_effort: ReasoningEffort,
}

impl From<ReasoningEffort> for OpenAiReasoning {
    fn from(reasoning_effort: ReasoningEffort) -> Self {
        Self { reasoning_effort }
    }
}

impl From<ReasoningEffort> for ChatGptOauthReasoning {
    fn from(reasoning_effort: ReasoningEffort) -> Self {
        Self { reasoning_effort }
    }
}

/// Whether and how long an Anthropic model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct AnthropicThinking {
    /// Whether it thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ThinkingType, default = "enabled")]
    pub r#type: Option<ThinkingType>,
    /// How many tokens of thought are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, default = 1024)]
    pub budget_tokens: Option<i64>,
}

impl AnthropicThinking {
    /// The same with the default for each field that was not sent.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        Self {
            r#type: self.r#type.or(Some(ThinkingType::Enabled)),
            budget_tokens: self.budget_tokens.or(Some(DEFAULT_THINKING_BUDGET)),
        }
    }
}

/// Whether and how long a Gemini model thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct GeminiThinkingConfig {
    /// Whether its thoughts are returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, default = true)]
    pub include_thoughts: Option<bool>,
    /// How many tokens of thought are allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, default = 1024)]
    pub thinking_budget: Option<i64>,
}

impl GeminiThinkingConfig {
    /// The same with the default for each field that was not sent.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        Self {
            include_thoughts: self.include_thoughts.or(Some(true)),
            thinking_budget: self.thinking_budget.or(Some(DEFAULT_THINKING_BUDGET)),
        }
    }
}

/// Whether a model at Z.ai thinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = ZAIThinking)]
#[serde(default)]
pub struct ZaiThinking {
    /// Whether it thinks.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = ThinkingType, default = "enabled")]
    pub r#type: Option<ThinkingType>,
    /// Whether earlier thoughts are left out of the next call.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, default = false)]
    pub clear_thinking: Option<bool>,
}

impl ZaiThinking {
    /// The same with the default for each field that was not sent.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        Self {
            r#type: self.r#type.or(Some(ThinkingType::Enabled)),
            clear_thinking: self.clear_thinking.or(Some(false)),
        }
    }
}

const fn minimal() -> ReasoningEffort {
    ReasoningEffort::Minimal
}

const fn medium() -> ReasoningEffort {
    ReasoningEffort::Medium
}

/// Runs the same expression for the settings of every provider.
macro_rules! each {
    ($settings:expr, $member:ident => $body:expr) => {
        match $settings {
            ModelSettings::Openai($member) => $body,
            ModelSettings::Sglang($member) => $body,
            ModelSettings::Anthropic($member) => $body,
            ModelSettings::GoogleAi($member) => $body,
            ModelSettings::GoogleVertex($member) => $body,
            ModelSettings::Azure($member) => $body,
            ModelSettings::Xai($member) => $body,
            ModelSettings::Zai($member) => $body,
            ModelSettings::Groq($member) => $body,
            ModelSettings::Deepseek($member) => $body,
            ModelSettings::Together($member) => $body,
            ModelSettings::Bedrock($member) => $body,
            ModelSettings::Baseten($member) => $body,
            ModelSettings::Openrouter($member) => $body,
            ModelSettings::ChatgptOauth($member) => $body,
            ModelSettings::Moonshot($member) => $body,
            ModelSettings::MoonshotCoding($member) => $body,
        }
    };
}

impl ModelSettings {
    /// The same with the default for each field that was not sent.
    #[must_use]
    pub fn with_defaults(self) -> Self {
        each!(self, settings => settings.with_defaults().into())
    }

    /// The output limit, if one was sent.
    #[must_use]
    pub const fn max_output_tokens(&self) -> Option<i64> {
        each!(self, settings => settings.max_output_tokens)
    }

    /// Writes what was sent over `config`, which is then to be normalised and checked by the caller.
    pub fn apply(&self, config: &mut LlmConfig) {
        each!(self, settings => {
            config.max_tokens = settings.max_output_tokens.or(config.max_tokens);
            config.parallel_tool_calls = settings.parallel_tool_calls.or(config.parallel_tool_calls);
            config.temperature = settings.temperature.unwrap_or(config.temperature);
        });
        match self {
            Self::Openai(settings) => {
                apply_reasoning(config, settings.reasoning.map(|reasoning| reasoning.reasoning_effort));
                apply_format(config, &settings.response_format);
                config.strict = settings.strict.unwrap_or(config.strict);
            }
            Self::Sglang(settings) => {
                apply_reasoning(config, settings.reasoning.map(|reasoning| reasoning.reasoning_effort));
                apply_format(config, &settings.response_format);
                config.strict = settings.strict.unwrap_or(config.strict);
                if let Some(parser) = settings.tool_call_parser.clone().change() {
                    config.tool_call_parser = parser;
                }
            }
            Self::Anthropic(settings) => {
                apply_thinking(config, settings.thinking);
                apply_format(config, &settings.response_format);
                if let Some(verbosity) = settings.verbosity.change() {
                    config.verbosity = verbosity;
                }
                if let Some(effort) = settings.effort.change() {
                    config.effort = effort;
                }
                config.strict = settings.strict.unwrap_or(config.strict);
            }
            Self::MoonshotCoding(settings) => {
                apply_thinking(config, settings.thinking);
                apply_format(config, &settings.response_format);
                config.strict = false;
            }
            Self::GoogleAi(settings) => {
                apply_gemini_thinking(config, settings.thinking_config);
                apply_format(config, &settings.response_schema);
                config.strict = false;
            }
            Self::GoogleVertex(settings) => {
                apply_gemini_thinking(config, settings.thinking_config);
                apply_format(config, &settings.response_schema);
                config.strict = false;
            }
            Self::Zai(settings) => {
                if let Some(thinking) = settings.thinking.and_then(|thinking| thinking.r#type) {
                    config.enable_reasoner = thinking == ThinkingType::Enabled;
                }
                apply_plain(config, &settings.response_format);
            }
            Self::ChatgptOauth(settings) => {
                apply_reasoning(config, settings.reasoning.map(|reasoning| reasoning.reasoning_effort));
            }
            Self::Baseten(_) => config.strict = true,
            Self::Azure(settings) => apply_plain(config, &settings.response_format),
            Self::Xai(settings) => apply_plain(config, &settings.response_format),
            Self::Groq(settings) => apply_plain(config, &settings.response_format),
            Self::Deepseek(settings) => apply_plain(config, &settings.response_format),
            Self::Together(settings) => apply_plain(config, &settings.response_format),
            Self::Bedrock(settings) => apply_plain(config, &settings.response_format),
            Self::Openrouter(settings) => apply_plain(config, &settings.response_format),
            Self::Moonshot(settings) => apply_plain(config, &settings.response_format),
        }
    }

    /// The settings that an answer shows for `config`, every field filled; `None` for endpoints that have no
    /// settings of their own.
    ///
    /// `parallel_tool_calls` is true unless it was asked for otherwise: clients know that as the default, although a
    /// model may call several tools at once only where it was asked for.
    #[must_use]
    pub fn of(config: &LlmConfig) -> Option<Self> {
        Some(match config.model_endpoint_type {
            ModelEndpointType::Openai if is_sglang(config) => SglangModelSettings {
                reasoning: Some(config.reasoning_effort.unwrap_or(ReasoningEffort::Minimal).into()),
                strict: Some(config.strict),
                tool_call_parser: nullable(config.tool_call_parser.clone()),
                ..SglangModelSettings::shown(config)
            }
            .into(),
            ModelEndpointType::Openai => OpenAiModelSettings {
                reasoning: Some(config.reasoning_effort.unwrap_or(ReasoningEffort::Minimal).into()),
                strict: Some(config.strict),
                ..OpenAiModelSettings::shown(config)
            }
            .into(),
            ModelEndpointType::Anthropic | ModelEndpointType::Minimax => AnthropicModelSettings {
                thinking: Some(AnthropicThinking {
                    r#type: Some(thinking_type(config)),
                    budget_tokens: Some(thinking_budget(config)),
                }),
                verbosity: nullable(config.verbosity),
                effort: nullable(config.effort.filter(|_| config.model_endpoint_type == ModelEndpointType::Anthropic)),
                strict: Some(config.strict),
                ..AnthropicModelSettings::shown(config)
            }
            .into(),
            ModelEndpointType::GoogleAi => GoogleAiModelSettings {
                max_output_tokens: Some(config.max_tokens.unwrap_or(DEFAULT_GOOGLE_OUTPUT_TOKENS)),
                temperature: Some(config.temperature),
                thinking_config: Some(gemini_thinking(config)),
                response_schema: nullable(config.response_format.clone()),
                ..GoogleAiModelSettings::asked(config).with_defaults()
            }
            .into(),
            ModelEndpointType::GoogleVertex => GoogleVertexModelSettings {
                max_output_tokens: Some(config.max_tokens.unwrap_or(DEFAULT_GOOGLE_OUTPUT_TOKENS)),
                temperature: Some(config.temperature),
                thinking_config: Some(gemini_thinking(config)),
                response_schema: nullable(config.response_format.clone()),
                ..GoogleVertexModelSettings::asked(config).with_defaults()
            }
            .into(),
            ModelEndpointType::Zai | ModelEndpointType::ZaiCoding => ZaiModelSettings {
                thinking: Some(ZaiThinking { r#type: Some(thinking_type(config)), clear_thinking: Some(false) }),
                ..ZaiModelSettings::shown(config)
            }
            .into(),
            ModelEndpointType::ChatgptOauth => ChatGptOauthModelSettings {
                max_output_tokens: Some(config.max_tokens.unwrap_or(DEFAULT_OUTPUT_TOKENS)),
                temperature: Some(config.temperature),
                reasoning: Some(config.reasoning_effort.unwrap_or(ReasoningEffort::Medium).into()),
                ..ChatGptOauthModelSettings::asked(config).with_defaults()
            }
            .into(),
            ModelEndpointType::Baseten => BasetenModelSettings {
                max_output_tokens: Some(config.max_tokens.unwrap_or(DEFAULT_OUTPUT_TOKENS)),
                temperature: Some(config.temperature),
                ..BasetenModelSettings::asked(config).with_defaults()
            }
            .into(),
            ModelEndpointType::Azure => AzureModelSettings::shown(config).into(),
            ModelEndpointType::Xai => XaiModelSettings::shown(config).into(),
            ModelEndpointType::Groq => GroqModelSettings::shown(config).into(),
            ModelEndpointType::Deepseek => DeepseekModelSettings::shown(config).into(),
            ModelEndpointType::Together => TogetherModelSettings::shown(config).into(),
            ModelEndpointType::Bedrock => BedrockModelSettings::shown(config).into(),
            ModelEndpointType::Openrouter => OpenRouterModelSettings::shown(config).into(),
            _ => return None,
        })
    }
}

/// Declares how the fields that most settings share are shown.
macro_rules! shown {
    ($($name:ident)*) => {$(
        impl $name {
            fn shown(config: &LlmConfig) -> Self {
                Self {
                    max_output_tokens: Some(config.max_tokens.unwrap_or(DEFAULT_OUTPUT_TOKENS)),
                    temperature: Some(config.temperature),
                    response_format: nullable(config.response_format.clone()),
                    ..Self::asked(config).with_defaults()
                }
            }
        }
    )*};
}

shown! {
    OpenAiModelSettings SglangModelSettings AnthropicModelSettings ZaiModelSettings AzureModelSettings
    XaiModelSettings GroqModelSettings DeepseekModelSettings TogetherModelSettings BedrockModelSettings
    OpenRouterModelSettings
}

fn nullable<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Null, Patch::Value)
}

fn is_sglang(config: &LlmConfig) -> bool {
    config.handle.as_deref().is_some_and(|handle| handle.starts_with("sglang/"))
        || config.provider_name.as_deref().is_some_and(|name| name.contains("sglang"))
}

const fn thinking_type(config: &LlmConfig) -> ThinkingType {
    if config.enable_reasoner { ThinkingType::Enabled } else { ThinkingType::Disabled }
}

const fn thinking_budget(config: &LlmConfig) -> i64 {
    if config.max_reasoning_tokens > 0 { config.max_reasoning_tokens } else { DEFAULT_THINKING_BUDGET }
}

const fn gemini_thinking(config: &LlmConfig) -> GeminiThinkingConfig {
    GeminiThinkingConfig {
        include_thoughts: Some(config.max_reasoning_tokens > 0),
        thinking_budget: Some(thinking_budget(config)),
    }
}

fn apply_format(config: &mut LlmConfig, format: &Patch<ResponseFormat>) {
    if let Some(format) = format.clone().change() {
        config.response_format = format;
    }
}

fn apply_plain(config: &mut LlmConfig, format: &Patch<ResponseFormat>) {
    apply_format(config, format);
    config.strict = false;
}

fn apply_reasoning(config: &mut LlmConfig, effort: Option<ReasoningEffort>) {
    config.reasoning_effort = effort.or(config.reasoning_effort);
}

fn apply_thinking(config: &mut LlmConfig, thinking: Option<AnthropicThinking>) {
    let Some(thinking) = thinking else { return };
    if let Some(thinking) = thinking.r#type {
        config.enable_reasoner = thinking == ThinkingType::Enabled;
    }
    config.max_reasoning_tokens = thinking.budget_tokens.unwrap_or(config.max_reasoning_tokens);
}

fn apply_gemini_thinking(config: &mut LlmConfig, thinking: Option<GeminiThinkingConfig>) {
    let Some(thinking) = thinking else { return };
    if let Some(include) = thinking.include_thoughts {
        config.enable_reasoner = include;
    }
    match (thinking.include_thoughts, thinking.thinking_budget) {
        (Some(false), _) => config.max_reasoning_tokens = 0,
        (_, Some(budget)) => config.max_reasoning_tokens = budget,
        (Some(true), None) => config.max_reasoning_tokens = thinking_budget(config),
        (None, None) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(json: serde_json::Value) -> ModelSettings {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_what_was_sent_is_applied() {
        let mut config = LlmConfig::new(ModelEndpointType::Openai, "gpt-4o-mini", 128_000);
        let before = config.clone();
        settings(json!({"provider_type": "openai"})).apply(&mut config);
        assert_eq!(config, before);

        settings(json!({"provider_type": "openai", "temperature": 0.2, "response_format": {"type": "text"}}))
            .apply(&mut config);
        assert_eq!((config.temperature, config.max_tokens), (0.2, None));
        assert!(config.response_format.is_some());
        settings(json!({"provider_type": "openai", "response_format": null})).apply(&mut config);
        assert_eq!(config.response_format, None);
    }

    #[test]
    fn thinking_can_be_turned_off() {
        let mut config = LlmConfig::new(ModelEndpointType::Anthropic, "claude-sonnet-4", 200_000);
        settings(json!({"provider_type": "anthropic", "thinking": {"type": "disabled"}})).apply(&mut config);
        assert!(!config.enable_reasoner);
        settings(json!({"provider_type": "google_ai", "thinking_config": {"include_thoughts": true}}))
            .apply(&mut config);
        assert_eq!((config.enable_reasoner, config.max_reasoning_tokens), (true, 1024));
    }

    #[test]
    fn an_agent_shows_all_settings_of_its_model() {
        let mut config = LlmConfig::new(ModelEndpointType::Openai, "gpt-4o-mini", 128_000);
        config.max_tokens = Some(16_384);
        assert_eq!(
            serde_json::to_value(ModelSettings::of(&config)).unwrap(),
            json!({"max_output_tokens": 16384, "parallel_tool_calls": true, "provider_type": "openai",
                "temperature": 1.0, "reasoning": {"reasoning_effort": "minimal"}, "response_format": null,
                "strict": false})
        );
        config.model_endpoint_type = ModelEndpointType::Mistral;
        assert_eq!(ModelSettings::of(&config), None);
    }

    #[test]
    fn several_calls_read_back_as_they_were_asked_for_and_else_as_the_default() {
        for kind in ["openai", "anthropic", "google_ai", "google_vertex", "groq", "chatgpt_oauth", "baseten"] {
            let mut config = LlmConfig::new(kind.parse().unwrap(), "m", 8_000);
            for (sent, shown) in [(None, true), (Some(false), false), (Some(true), true)] {
                config.parallel_tool_calls = sent;
                let settings = serde_json::to_value(ModelSettings::of(&config)).unwrap();
                assert_eq!(settings["parallel_tool_calls"], shown, "{kind}");
            }
        }
    }

    #[test]
    fn settings_without_a_known_provider_are_refused() {
        for json in [json!({}), json!({"provider_type": "telepathy"}), json!({"provider_type": "unknown"})] {
            assert!(serde_json::from_value::<ModelSettings>(json).is_err());
        }
    }
}
