//! The body of a chat completion request.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};

use super::messages::{Message, messages};
use super::strict;
use crate::chat::{ChatRequest, ToolChoice, ToolSpec};
use crate::provider::ProviderKind;
use crate::settings::ProviderSettings;
use crate::tables::is_openai_reasoning;

/// The body, borrowing from the request wherever it can: prompts are long.
#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Message<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frequency_penalty: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verbosity: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<&'a Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    logprobs: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_logprobs: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_cache_retention: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

#[derive(Serialize)]
struct Tool<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    function: Function<'a>,
}

#[derive(Serialize)]
struct Function<'a> {
    name: &'a str,
    description: &'a str,
    parameters: Cow<'a, Value>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    strict: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(settings: &ProviderSettings, request: &'a ChatRequest) -> Self {
        let kind = settings.kind;
        let itself = settings.is_openai_itself();
        // A local model may be called anything; OpenAI's own names mean OpenAI's models everywhere else.
        let reasons = !kind.is_local() && is_openai_reasoning(&request.model);
        let has_tools = !request.tools.is_empty();
        let tells_logprobs = request.logprobs && !reasons;
        let (model, service_tier) = match request.model.strip_suffix("-fast") {
            Some(model) if itself => (model, Some("priority")),
            _ => (request.model.as_str(), None),
        };
        let deepseek_reasoner = kind == ProviderKind::DeepSeek && model.contains("reasoner");
        let no_penalty = deepseek_reasoner || (kind == ProviderKind::Xai && model.contains("grok-3-mini-"));
        // OpenAI has renamed the field; of the others some know only the old name.
        let new_name = matches!(kind, ProviderKind::OpenAi | ProviderKind::Groq | ProviderKind::Xai) || reasons;
        let is_gpt5 = model.starts_with("gpt-5") && !kind.is_local();
        let long_cache = itself && (model == "gpt-4.1" || (model.starts_with("gpt-5") && model != "gpt-5-mini"));
        Self {
            model,
            messages: messages(kind, model, reasons, &request.messages),
            tools: request.tools.iter().map(tool).collect(),
            tool_choice: has_tools.then(|| tool_choice(kind, &request.tool_choice)),
            parallel_tool_calls: request
                .parallel_tool_calls
                .filter(|_| has_tools && !reasons && !matches!(kind, ProviderKind::Together | ProviderKind::DeepSeek)),
            temperature: request.temperature.filter(|_| !reasons && !deepseek_reasoner),
            max_tokens: request.max_tokens.filter(|_| !new_name),
            max_completion_tokens: request.max_tokens.filter(|_| new_name),
            frequency_penalty: request.frequency_penalty.filter(|_| !no_penalty && !reasons),
            reasoning_effort: request.reasoning_effort.as_deref().filter(|effort| reasons && *effort != "none"),
            verbosity: request.verbosity.as_deref().filter(|_| is_gpt5),
            response_format: request
                .response_format
                .as_ref()
                .filter(|format| format.get("type").and_then(Value::as_str) != Some("text")),
            logprobs: tells_logprobs,
            top_logprobs: request.top_logprobs.filter(|_| tells_logprobs),
            user: request.user.as_deref().filter(|user| !user.is_empty()),
            service_tier,
            prompt_cache_retention: long_cache.then_some("24h"),
            stream: request.stream,
            stream_options: request.stream.then_some(StreamOptions { include_usage: true }),
        }
    }
}

fn tool(spec: &ToolSpec) -> Tool<'_> {
    let parameters = if spec.strict {
        Cow::Owned(strict::closed(&spec.parameters))
    } else if spec.parameters.is_object() {
        Cow::Borrowed(&spec.parameters)
    } else {
        Cow::Owned(json!({"type": "object", "properties": {}}))
    };
    let function = Function { name: &spec.name, description: &spec.description, parameters, strict: spec.strict };
    Tool { kind: "function", function }
}

fn tool_choice(kind: ProviderKind, choice: &ToolChoice) -> Value {
    match choice {
        ToolChoice::Auto => json!("auto"),
        ToolChoice::None => json!("none"),
        // These take no object here.
        ToolChoice::Named(_) if matches!(kind, ProviderKind::OpenRouter | ProviderKind::Groq) => json!("required"),
        ToolChoice::Required => json!("required"),
        ToolChoice::Named(name) => json!({"type": "function", "function": {"name": name}}),
    }
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
