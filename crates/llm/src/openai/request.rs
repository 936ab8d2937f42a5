//! The body of a chat completion request.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Serialize;
use serde_json::{Value, json};

use super::strict;
use crate::chat::{ChatMessage, ChatPart, ChatRequest, ToolCallOut, ToolChoice, ToolSpec};
use crate::provider::ProviderKind;
use crate::settings::ProviderSettings;
use crate::tables::is_openai_reasoning;

/// Longer tool call ids are cut, on calls and returns alike: other providers' ids may be longer than OpenAI takes.
const LONGEST_TOOL_CALL_ID: usize = 29;

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

#[derive(Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Message<'a> {
    System {
        content: &'a str,
    },
    Developer {
        content: &'a str,
    },
    User {
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reasoning_content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<Call<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<&'a str>,
    },
    Tool {
        tool_call_id: Cow<'a, str>,
        content: &'a str,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
enum Content<'a> {
    Text(&'a str),
    Parts(Vec<Part<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Part<'a> {
    Text { text: &'a str },
    ImageUrl { image_url: ImageUrl<'a> },
}

#[derive(Serialize)]
struct ImageUrl<'a> {
    url: Cow<'a, str>,
    detail: &'a str,
}

#[derive(Serialize)]
struct Call<'a> {
    id: Cow<'a, str>,
    #[serde(rename = "type")]
    kind: &'static str,
    function: CalledFunction<'a>,
}

#[derive(Serialize)]
struct CalledFunction<'a> {
    name: &'a str,
    arguments: &'a str,
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

fn messages<'a>(kind: ProviderKind, model: &str, reasons: bool, messages: &'a [ChatMessage]) -> Vec<Message<'a>> {
    let ids = ToolCallIds::of(messages);
    let last_is_user = matches!(messages.last(), Some(ChatMessage::User { .. }));
    let takes_reasoning = match kind {
        ProviderKind::OpenAi | ProviderKind::Groq | ProviderKind::Xai => false,
        // A new question: DeepSeek wants what it thought about the old ones dropped.
        ProviderKind::DeepSeek => !last_is_user,
        _ => true,
    };
    let developer = reasons && !model.starts_with("o1-mini");
    let never_null = model.contains("gpt-oss");
    let mut sent = Vec::with_capacity(messages.len());
    for message in messages {
        sent.push(match message {
            ChatMessage::System { text } if developer => Message::Developer { content: text },
            ChatMessage::System { text } => Message::System { content: text },
            ChatMessage::User { parts, name } => Message::User { content: content(parts), name: speaker(name) },
            ChatMessage::Assistant { text, reasoning, tool_calls, name } => {
                let text = text.as_deref();
                if text.is_none_or(str::is_empty) && tool_calls.is_empty() {
                    continue;
                }
                let mut reasoning = reasoning.as_deref().filter(|_| takes_reasoning);
                if kind == ProviderKind::DeepSeek && takes_reasoning && !tool_calls.is_empty() {
                    reasoning = reasoning.or(Some(""));
                }
                Message::Assistant {
                    content: if never_null { Some(text.unwrap_or_default()) } else { text },
                    reasoning_content: reasoning,
                    tool_calls: tool_calls.iter().map(|call| wire_call(&ids, call)).collect(),
                    name: speaker(name),
                }
            }
            ChatMessage::Tool { tool_call_id, content } => {
                Message::Tool { tool_call_id: ids.wire(tool_call_id), content }
            }
        });
    }
    sent
}

fn wire_call<'a>(ids: &ToolCallIds<'_>, call: &'a ToolCallOut) -> Call<'a> {
    let arguments = if call.arguments.trim().is_empty() { "{}" } else { &call.arguments };
    Call { id: ids.wire(&call.id), kind: "function", function: CalledFunction { name: &call.name, arguments } }
}

fn content(parts: &[ChatPart]) -> Content<'_> {
    if let [ChatPart::Text(text)] = parts {
        return Content::Text(text);
    }
    if parts.is_empty() {
        return Content::Text("");
    }
    Content::Parts(parts.iter().map(part).collect())
}

fn part(part: &ChatPart) -> Part<'_> {
    match part {
        ChatPart::Text(text) => Part::Text { text },
        ChatPart::Image { media_type, data, detail } => Part::ImageUrl {
            image_url: ImageUrl { url: format!("data:{media_type};base64,{data}").into(), detail: or_auto(detail) },
        },
        ChatPart::ImageUrl { url, detail } => {
            Part::ImageUrl { image_url: ImageUrl { url: url.into(), detail: or_auto(detail) } }
        }
    }
}

fn or_auto(detail: &Option<String>) -> &str {
    detail.as_deref().unwrap_or("auto")
}

/// OpenAI refuses the whole request over a name with a space or one of `<|\/>`.
fn speaker(name: &Option<String>) -> Option<&str> {
    let refused = |c: char| c.is_whitespace() || "<|\\/>".contains(c);
    name.as_deref().filter(|name| !name.is_empty() && !name.contains(refused))
}

/// The ids that two different long ids would share when cut.
struct ToolCallIds<'a> {
    shared: HashMap<&'a str, usize>,
}

impl<'a> ToolCallIds<'a> {
    fn of(messages: &'a [ChatMessage]) -> Self {
        let mut first: HashMap<&str, &str> = HashMap::new();
        let mut shared = HashMap::new();
        let ids = messages.iter().flat_map(|message| match message {
            ChatMessage::Assistant { tool_calls, .. } => tool_calls.as_slice(),
            _ => &[],
        });
        for id in ids.map(|call| call.id.as_str()) {
            let cut = cut(id);
            if *first.entry(cut).or_insert(id) != id {
                let next = shared.len() + 1;
                shared.entry(id).or_insert(next);
            }
        }
        Self { shared }
    }

    /// The id as sent: cut, and told apart from another that begins alike.
    fn wire<'b>(&self, id: &'b str) -> Cow<'b, str> {
        match self.shared.get(id) {
            Some(number) => {
                let suffix = format!("-{number}");
                let keep: String = id.chars().take(LONGEST_TOOL_CALL_ID.saturating_sub(suffix.len())).collect();
                Cow::Owned(keep + &suffix)
            }
            None => Cow::Borrowed(cut(id)),
        }
    }
}

fn cut(id: &str) -> &str {
    match id.char_indices().nth(LONGEST_TOOL_CALL_ID) {
        Some((end, _)) => id.get(..end).unwrap_or(id),
        None => id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::BaseUrl;

    fn body(kind: ProviderKind, url: &str, request: &ChatRequest) -> Value {
        let settings = ProviderSettings::new(kind, BaseUrl::parse(url).unwrap());
        serde_json::to_value(Body::new(&settings, request)).unwrap()
    }

    fn openai(request: &ChatRequest) -> Value {
        body(ProviderKind::OpenAi, "https://api.openai.com", request)
    }

    fn request(model: &str) -> ChatRequest {
        ChatRequest {
            model: model.to_owned(),
            messages: vec![ChatMessage::system("Be kind."), ChatMessage::user("Hello")],
            temperature: Some(0.7),
            max_tokens: Some(100),
            reasoning_effort: Some("low".to_owned()),
            ..ChatRequest::default()
        }
    }

    fn with_tool(model: &str, strict: bool) -> ChatRequest {
        let parameters = json!({"type": "object", "properties": {"a": {"type": "string"}}, "required": []});
        let tool = ToolSpec { name: "t".to_owned(), description: "Does.".to_owned(), parameters, strict };
        ChatRequest { tools: vec![tool], parallel_tool_calls: Some(false), ..request(model) }
    }

    #[test]
    fn a_plain_request_has_no_nulls() {
        assert_eq!(
            openai(&request("gpt-4o-mini")),
            json!({"model": "gpt-4o-mini",
                   "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}],
                   "temperature": 0.7, "max_completion_tokens": 100})
        );
    }

    #[test]
    fn reasoning_models_get_effort_and_the_developer_role_but_no_temperature() {
        for model in ["o1", "o3-mini", "o4-mini", "gpt-5"] {
            let sent = openai(&with_tool(model, false));
            assert_eq!(sent["reasoning_effort"], "low", "{model}");
            assert_eq!(sent["messages"][0]["role"], "developer");
            assert_eq!(sent["max_completion_tokens"], 100);
            assert!(sent.get("temperature").is_none() && sent.get("parallel_tool_calls").is_none());
        }
        let local = body(ProviderKind::Ollama, "http://localhost:11434", &request("gpt-5-distill"));
        assert_eq!((&local["messages"][0]["role"], &local["max_tokens"]), (&json!("system"), &json!(100)));
        assert_eq!(local["temperature"], 0.7);
    }

    #[test]
    fn logprobs_are_asked_for_only_where_they_are_told() {
        let asks = |model: &str| ChatRequest { logprobs: true, top_logprobs: Some(3), ..request(model) };
        let sent = openai(&asks("gpt-4o"));
        assert_eq!((&sent["logprobs"], &sent["top_logprobs"]), (&json!(true), &json!(3)));
        let sent = openai(&asks("o3-mini"));
        assert!(sent.get("logprobs").is_none() && sent.get("top_logprobs").is_none());
        let sent = openai(&ChatRequest { logprobs: false, ..asks("gpt-4o") });
        assert!(sent.get("logprobs").is_none() && sent.get("top_logprobs").is_none());
    }

    #[test]
    fn the_stream_asks_for_usage() {
        let sent = openai(&ChatRequest { stream: true, ..request("gpt-4o") });
        assert_eq!((&sent["stream"], &sent["stream_options"]), (&json!(true), &json!({"include_usage": true})));
    }

    #[test]
    fn tools_are_not_strict_unless_asked() {
        let sent = openai(&with_tool("gpt-4o", false));
        let parameters = &sent["tools"][0]["function"]["parameters"];
        assert!(
            sent["tools"][0]["function"].get("strict").is_none() && parameters.get("additionalProperties").is_none()
        );
        assert_eq!((&sent["tool_choice"], &sent["parallel_tool_calls"]), (&json!("auto"), &json!(false)));
        let strict = openai(&with_tool("gpt-4o", true));
        assert_eq!(strict["tools"][0]["function"]["strict"], true);
        assert_eq!(strict["tools"][0]["function"]["parameters"]["required"], json!(["a"]));
    }

    #[test]
    fn every_tool_choice_has_its_form() {
        let named = ToolChoice::Named("t".to_owned());
        let choose = |kind, choice: &ToolChoice| {
            body(kind, "http://h", &ChatRequest { tool_choice: choice.clone(), ..with_tool("m", false) })["tool_choice"]
                .clone()
        };
        assert_eq!(choose(ProviderKind::OpenAi, &named), json!({"type": "function", "function": {"name": "t"}}));
        assert_eq!(choose(ProviderKind::Groq, &named), "required");
        assert_eq!(choose(ProviderKind::OpenAi, &ToolChoice::Required), "required");
        assert_eq!(choose(ProviderKind::OpenAi, &ToolChoice::None), "none");
    }

    #[test]
    fn messages_take_the_form_of_the_wire() {
        let call = |id: &str| ToolCallOut { id: id.to_owned(), name: "t".to_owned(), arguments: String::new() };
        let long = ["x".repeat(40), "x".repeat(50)];
        let image = ChatPart::Image { media_type: "image/png".to_owned(), data: "AAAA".to_owned(), detail: None };
        let messages = vec![
            ChatMessage::User { parts: vec![ChatPart::Text("look".to_owned()), image], name: Some("a b".to_owned()) },
            ChatMessage::Assistant { text: None, reasoning: Some("hm".to_owned()), tool_calls: vec![], name: None },
            ChatMessage::Assistant {
                text: None,
                reasoning: Some("hm".to_owned()),
                tool_calls: vec![call(&long[0]), call(&long[1])],
                name: Some("Ada".to_owned()),
            },
            ChatMessage::tool(&long[0], "one"),
            ChatMessage::tool(&long[1], ""),
        ];
        let request = ChatRequest { model: "m".to_owned(), messages, ..ChatRequest::default() };
        let sent = openai(&request);
        let sent = sent["messages"].as_array().unwrap();
        assert_eq!(sent.len(), 4, "an answer with nothing in it is not sent");
        assert_eq!(sent[0]["content"][1]["image_url"], json!({"url": "data:image/png;base64,AAAA", "detail": "auto"}));
        assert!(sent[0].get("name").is_none());
        assert_eq!((&sent[1]["content"], &sent[1]["name"]), (&Value::Null, &json!("Ada")));
        assert!(sent[1].get("reasoning_content").is_none());
        assert_eq!(sent[1]["tool_calls"][0]["function"]["arguments"], "{}");
        let id = |i: usize| sent[1]["tool_calls"][i]["id"].as_str().unwrap();
        assert_eq!((id(0), id(1)), ("x".repeat(29).as_str(), format!("{}-1", "x".repeat(27)).as_str()));
        assert_eq!((&sent[2]["tool_call_id"], &sent[3]["tool_call_id"]), (&json!(id(0)), &json!(id(1))));

        let local = body(ProviderKind::LlamaCpp, "http://h", &request);
        assert_eq!(local["messages"][1]["reasoning_content"], "hm");
    }

    #[test]
    fn long_caching_and_the_priority_tier_are_asked_of_openai_alone() {
        let sent = openai(&request("gpt-5.4-fast"));
        assert_eq!((&sent["model"], &sent["service_tier"]), (&json!("gpt-5.4"), &json!("priority")));
        assert_eq!(sent["prompt_cache_retention"], "24h");
        assert!(openai(&request("gpt-5-mini")).get("prompt_cache_retention").is_none());
        let proxy = body(ProviderKind::OpenAi, "http://proxy", &request("gpt-5.4-fast"));
        assert_eq!(proxy["model"], "gpt-5.4-fast");
        assert!(proxy.get("service_tier").is_none() && proxy.get("prompt_cache_retention").is_none());
    }
}
