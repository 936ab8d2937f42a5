//! Which chat model an agent uses, and how it is called.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    CompatibilityType, Effort, ModelEndpointType, ProviderCategory, ReasoningEffort, ResponseFormat, Verbosity,
    de::{self, Check, Configuration, is_known, is_readable},
};

/// A chat model with its endpoint and parameters.
///
/// What is stored is read leniently: optional values that this version does not know are dropped. Requests are
/// read strictly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = LLMConfig)]
pub struct LlmConfig {
    /// The provider's name for the model.
    pub model: String,
    /// A name to show to people.
    pub display_name: Option<String>,
    /// The protocol of the endpoint.
    pub model_endpoint_type: ModelEndpointType,
    /// The base URL of the endpoint.
    pub model_endpoint: Option<String>,
    /// The name of the provider.
    pub provider_name: Option<String>,
    /// Whose provider it is.
    #[serde(default, deserialize_with = "de::lenient_option")]
    pub provider_category: Option<ProviderCategory>,
    /// Obsolete.
    pub model_wrapper: Option<String>,
    /// How many tokens fit into one call, input and output together. 0 when nobody knows.
    #[serde(deserialize_with = "de::null_as_default")]
    pub context_window: i64,
    /// Whether thoughts travel as an argument of each tool call: the older agent types.
    #[serde(default)]
    #[schema(default = false)]
    pub put_inner_thoughts_in_kwargs: Option<bool>,
    /// `provider/model`.
    pub handle: Option<String>,
    /// The sampling temperature.
    #[serde(default = "default_temperature")]
    #[schema(default = 1.0)]
    pub temperature: f64,
    /// How many tokens an answer may have; null leaves it to the provider.
    pub max_tokens: Option<i64>,
    /// Whether a model that can think does.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub enable_reasoner: bool,
    /// How much an OpenAI reasoning model thinks.
    #[serde(default, deserialize_with = "de::lenient_option")]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// How many tokens of thought are allowed; 0 leaves it to the provider.
    #[serde(default)]
    #[schema(default = 0)]
    pub max_reasoning_tokens: i64,
    /// How much work an Anthropic model puts into an answer.
    #[serde(default, deserialize_with = "de::lenient_option")]
    pub effort: Option<Effort>,
    /// The penalty for repeating tokens, from -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// The file format of a local model.
    #[serde(default, deserialize_with = "de::lenient_option")]
    pub compatibility_type: Option<CompatibilityType>,
    /// How wordy the answers of a GPT-5 model are.
    #[serde(default, deserialize_with = "de::lenient_option")]
    pub verbosity: Option<Verbosity>,
    /// The price class of a hosted model.
    pub tier: Option<String>,
    /// Whether the model may call several tools at once. Null: nobody has said so, and it may not.
    #[schema(default = false, deprecated)]
    pub parallel_tool_calls: Option<bool>,
    /// The form that answers must have.
    #[serde(default, deserialize_with = "de::lenient_option")]
    pub response_format: Option<ResponseFormat>,
    /// Whether tool arguments are held to their schema exactly.
    #[serde(default)]
    #[schema(default = false)]
    pub strict: bool,
    /// Whether the log probabilities of the answer are returned.
    #[serde(default)]
    #[schema(default = false)]
    pub return_logprobs: bool,
    /// How many alternatives to each token are returned with their log probability.
    pub top_logprobs: Option<i64>,
    /// Whether token ids are returned: SGLang.
    #[serde(default)]
    #[schema(default = false)]
    pub return_token_ids: bool,
    /// The parser for tool calls: SGLang.
    pub tool_call_parser: Option<String>,
}

/// A reasoning effort that the model refuses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Model '{model}' does not support 'minimal' reasoning effort. Please use 'low', 'medium', or 'high' instead.")]
pub struct UnsupportedEffort {
    /// The name of the model.
    pub model: String,
}

impl LlmConfig {
    /// A configuration with the defaults for all but what must be known, normalised.
    #[must_use]
    pub fn new(endpoint_type: ModelEndpointType, model: impl Into<String>, context_window: i64) -> Self {
        let model = model.into();
        let mut config = Self {
            max_tokens: default_max_tokens(&model),
            model,
            display_name: None,
            model_endpoint_type: endpoint_type,
            model_endpoint: None,
            provider_name: None,
            provider_category: None,
            model_wrapper: None,
            context_window,
            put_inner_thoughts_in_kwargs: Some(false),
            handle: None,
            temperature: default_temperature(),
            enable_reasoner: true,
            reasoning_effort: None,
            max_reasoning_tokens: 0,
            effort: None,
            frequency_penalty: None,
            compatibility_type: None,
            verbosity: None,
            tier: None,
            parallel_tool_calls: None,
            response_format: None,
            strict: false,
            return_logprobs: false,
            top_logprobs: None,
            return_token_ids: false,
            tool_call_parser: None,
        };
        config.normalise();
        config
    }

    /// Reads a configuration as it was stored, by this or an older version, and normalises it.
    ///
    /// # Errors
    ///
    /// When the JSON is not an object, or lacks the model or the type of its endpoint.
    pub fn read_stored(mut stored: Value) -> Result<Self, serde_json::Error> {
        if let Some(config) = stored.as_object_mut() {
            complete(config);
            config.entry("context_window").or_insert(Value::Null);
            let openai = config.get("model_endpoint_type").is_some_and(|value| value == "openai");
            // Before the field existed, OpenAI models were always held to the schema.
            config.entry("strict").or_insert(openai.into());
        }
        let mut config: Self = serde_json::from_value(stored)?;
        config.normalise();
        Ok(config)
    }

    /// Replaces retired model names, fills what follows from the model's name, and turns off what the model
    /// cannot do. Every configuration that is stored or used has gone through this; twice is as good as once.
    pub fn normalise(&mut self) {
        const RETIRED: &str = "gemini-3-pro-preview";
        const SUCCESSOR: &str = "gemini-3.1-pro-preview";
        if self.is_google() && self.model == RETIRED {
            SUCCESSOR.clone_into(&mut self.model);
        }
        if let Some(provider) = self.handle.as_deref().and_then(|h| h.strip_suffix(RETIRED)?.strip_suffix('/')) {
            self.handle = Some(format!("{provider}/{SUCCESSOR}"));
        }
        if self.context_window <= 0 {
            self.context_window = default_context_window(&self.model).unwrap_or(0);
        }
        if self.is_gpt_5() {
            self.verbosity.get_or_insert(Verbosity::Medium);
        }
        if self.is_reasoner_by_name() || self.is_anthropic_reasoner() {
            self.put_inner_thoughts_in_kwargs = Some(false);
        }
        self.put_inner_thoughts_in_kwargs.get_or_insert(false);
    }

    /// Whether the provider will accept the reasoning effort.
    ///
    /// # Errors
    ///
    /// For `minimal` with a model that has no such level.
    pub fn check_effort(&self) -> Result<(), UnsupportedEffort> {
        if self.reasoning_effort == Some(ReasoningEffort::Minimal) && self.lacks_minimal_effort() {
            return Err(UnsupportedEffort { model: self.model.clone() });
        }
        Ok(())
    }

    /// Whether the endpoint is one of Google's.
    #[must_use]
    pub const fn is_google(&self) -> bool {
        matches!(self.model_endpoint_type, ModelEndpointType::GoogleAi | ModelEndpointType::GoogleVertex)
    }

    /// Whether the model is of the GPT-5 family.
    #[must_use]
    pub fn is_gpt_5(&self) -> bool {
        self.model.starts_with("gpt-5")
    }

    /// Whether it is a reasoning model of OpenAI, called at OpenAI.
    #[must_use]
    pub fn is_openai_reasoner(&self) -> bool {
        self.model_endpoint_type == ModelEndpointType::Openai && self.is_reasoner_by_name()
    }

    /// Whether the name is that of an OpenAI reasoning model, whoever serves it.
    fn is_reasoner_by_name(&self) -> bool {
        starts_with_any(&self.model, &["o1", "o3", "o4", "gpt-5"])
    }

    /// Whether reasoning can be turned off with the effort `none`.
    #[must_use]
    pub fn supports_no_effort(&self) -> bool {
        starts_with_any(&self.model, &["gpt-5.1", "gpt-5.2", "gpt-5.3", "gpt-5.4"])
    }

    /// Whether the effort `minimal` is refused by the model.
    #[must_use]
    pub fn lacks_minimal_effort(&self) -> bool {
        self.model.contains("codex")
    }

    /// Whether it is a model of Anthropic that can think, called at Anthropic or Bedrock.
    #[must_use]
    pub fn is_anthropic_reasoner(&self) -> bool {
        matches!(self.model_endpoint_type, ModelEndpointType::Anthropic | ModelEndpointType::Bedrock)
            && starts_with_any(
                &self.model,
                &["claude-3-7-sonnet", "claude-sonnet-4", "claude-opus-4", "claude-haiku-4-5"],
            )
    }

    /// Whether the model decides itself how long it thinks, so that it needs no budget.
    #[must_use]
    pub fn thinks_adaptively(&self) -> bool {
        starts_with_any(&self.model, &["claude-opus-4-6", "claude-sonnet-4-6"])
    }

    /// Whether the model takes an `effort`.
    #[must_use]
    pub fn supports_effort(&self) -> bool {
        self.model.starts_with("claude-opus-4-5") || self.thinks_adaptively()
    }

    /// Whether it is a Gemini model that can think.
    #[must_use]
    pub fn is_gemini_reasoner(&self) -> bool {
        self.is_google() && starts_with_any(&self.model, &["gemini-2.5-flash", "gemini-2.5-pro"])
    }

    /// Whether it is a model of Z.ai that can think.
    #[must_use]
    pub fn is_zai_reasoner(&self) -> bool {
        matches!(self.model_endpoint_type, ModelEndpointType::Zai | ModelEndpointType::ZaiCoding)
            && starts_with_any(&self.model, &["glm-4.5", "glm-4.6", "glm-4.7", "glm-5"])
    }

    /// Whether it is a model that can think, called at OpenRouter.
    #[must_use]
    pub fn is_openrouter_reasoner(&self) -> bool {
        const PARTS: &[&str] = &[
            "/o1",
            "/o3",
            "/o4",
            "/gpt-5",
            "claude-3-7-sonnet",
            "claude-sonnet-4",
            "claude-opus-4",
            "claude-haiku-4",
            "gemini",
            "glm-4.5",
            "glm-4.6",
            "glm-4.7",
            "glm-5",
            "deepseek-r1",
            "deepseek-reasoner",
            "kimi",
        ];
        self.model_endpoint_type == ModelEndpointType::Openrouter && PARTS.iter().any(|part| self.model.contains(part))
    }
}

impl Configuration for LlmConfig {
    const CHECKS: &'static [(&'static str, Check)] = &[
        ("model_endpoint_type", is_known::<ModelEndpointType>),
        ("provider_category", is_known::<ProviderCategory>),
        ("reasoning_effort", is_known::<ReasoningEffort>),
        ("effort", is_known::<Effort>),
        ("compatibility_type", is_known::<CompatibilityType>),
        ("verbosity", is_known::<Verbosity>),
        ("response_format", is_readable::<ResponseFormat>),
    ];

    fn complete(config: &mut Map<String, Value>) {
        complete(config);
    }
}

/// Fills the output limit when it was not sent: null, which was, means "no limit of ours".
fn complete(config: &mut Map<String, Value>) {
    let max_tokens = config.get("model").and_then(Value::as_str).and_then(default_max_tokens);
    config.entry("max_tokens").or_insert(max_tokens.into());
}

/// The output limit of the models that need one.
fn default_max_tokens(model: &str) -> Option<i64> {
    if starts_with_any(model, &["gpt-5.2", "gpt-5.3"]) && !model.contains("-chat") {
        Some(128_000)
    } else if model.starts_with("gpt-5") {
        Some(16_384)
    } else {
        (model == "gpt-4.1").then_some(8_192)
    }
}

/// The context window of the models whose window we know.
fn default_context_window(model: &str) -> Option<i64> {
    match model {
        _ if model.starts_with("gpt-5") => Some(272_000),
        "gpt-4.1" => Some(256_000),
        "gpt-4o" | "gpt-4o-mini" => Some(128_000),
        "gpt-4" => Some(8_192),
        _ => None,
    }
}

fn starts_with_any(text: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| text.starts_with(prefix))
}

const fn default_temperature() -> f64 {
    1.0
}

const fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Request {
        #[serde(deserialize_with = "de::strict_option")]
        llm_config: Option<LlmConfig>,
    }

    fn request(config: Value) -> Result<LlmConfig, serde_json::Error> {
        serde_json::from_value::<Request>(json!({"llm_config": config})).map(|request| request.llm_config.unwrap())
    }

    #[test]
    fn what_follows_from_the_model_name_is_filled() {
        let mut config =
            request(json!({"model": "gpt-5.2", "model_endpoint_type": "openai", "context_window": null})).unwrap();
        config.normalise();
        assert_eq!((config.max_tokens, config.context_window), (Some(128_000), 272_000));
        assert_eq!(config.verbosity, Some(Verbosity::Medium));

        let config = LlmConfig::new(ModelEndpointType::GoogleAi, "gemini-3-pro-preview", 1);
        assert_eq!(config.model, "gemini-3.1-pro-preview");
    }

    #[test]
    fn an_output_limit_of_null_stays_null() {
        let config =
            json!({"model": "gpt-5", "model_endpoint_type": "openai", "context_window": 1, "max_tokens": null});
        assert_eq!(request(config.clone()).unwrap().max_tokens, None);
        assert_eq!(LlmConfig::read_stored(config).unwrap().max_tokens, None);
    }

    #[test]
    fn an_odd_stored_configuration_is_read_and_an_odd_request_is_not() {
        for (field, value) in [
            ("model_endpoint_type", json!("telepathy")),
            ("effort", json!("maximal")),
            ("response_format", json!({"type": "poem"})),
        ] {
            let mut config = json!({"model": "m", "model_endpoint_type": "vllm", "context_window": 8192});
            config[field] = value;
            let error = request(config.clone()).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
            let stored = LlmConfig::read_stored(config).unwrap();
            assert_eq!((stored.effort, stored.response_format), (None, None));
        }
    }

    #[test]
    fn codex_models_refuse_minimal_effort() {
        let mut config = LlmConfig::new(ModelEndpointType::Openai, "gpt-5-codex", 1);
        assert_eq!(config.check_effort(), Ok(()));
        config.reasoning_effort = Some(ReasoningEffort::Minimal);
        assert!(config.check_effort().is_err());
    }
}
