//! What the test model answers to a request.

use serde_json::{Map, Value, json};

use super::message_text;
use crate::chat::{ChatMessage, ChatRequest, ToolChoice, ToolSpec};

/// Either a text or one tool call.
#[derive(Debug, PartialEq)]
pub(super) enum Answer {
    Text(String),
    Call { tool: String, arguments: Value },
}

/// Only so much of a message is said back.
const LONGEST_ECHO: usize = 200;

impl Answer {
    pub(super) fn to(request: &ChatRequest) -> Self {
        if let ToolChoice::Named(name) = &request.tool_choice
            && let Some(tool) = offered(request, name).filter(|tool| tool.name != "send_message")
        {
            return call(tool, json!({}));
        }
        if let Some(ChatMessage::Tool { tool_call_id, content, .. }) = request.messages.last() {
            return say(request, after_tool(request, tool_call_id, content));
        }
        let text = last_user_text(request);
        if let Some(fact) = to_remember(&text) {
            return match memory_call(request, &fact) {
                Some(answer) if request.tool_choice != ToolChoice::None => answer,
                _ => say(request, format!("I have no tool to remember that {}", fact_sentence(&fact))),
            };
        }
        if text.to_ascii_lowercase().contains("what do you know about me") {
            return say(
                request,
                match human_block(request) {
                    Some(known) => format!("This is what I know about you: {known}"),
                    None => "I know nothing about you yet.".to_owned(),
                },
            );
        }
        let heard: String = text.chars().take(LONGEST_ECHO).collect();
        let cut = if text.chars().nth(LONGEST_ECHO).is_some() { "…" } else { "" };
        say(
            request,
            format!("You said: \"{heard}{cut}\" I am Muisti's built-in test model, I only know a few phrases."),
        )
    }
}

/// A text, or the tool by which agents of the older kinds say it.
fn say(request: &ChatRequest, text: String) -> Answer {
    match offered(request, "send_message") {
        Some(tool) if request.tool_choice != ToolChoice::None => call(tool, json!({"message": text})),
        _ => Answer::Text(text),
    }
}

fn after_tool(request: &ChatRequest, tool_call_id: &str, content: &str) -> String {
    let calls = request.messages.iter().rev().filter_map(|message| match message {
        ChatMessage::Assistant { tool_calls, .. } => Some(tool_calls),
        _ => None,
    });
    let tool = calls.flatten().find(|call| call.id == tool_call_id).map_or("a tool", |call| call.name.as_str());
    let failed = ["error", "failed"].iter().any(|word| content.to_ascii_lowercase().contains(word));
    let fact = to_remember(&last_user_text(request));
    match fact {
        Some(fact) if !failed && MEMORY_TOOLS.contains(&tool) => {
            format!("I will remember that {}", fact_sentence(&fact))
        }
        _ => {
            let start: String = content.chars().take(LONGEST_ECHO).collect();
            format!("The tool {tool} answered: {start}")
        }
    }
}

/// `My name is Ada` as the end of a sentence.
fn fact_sentence(fact: &str) -> String {
    let fact = fact.trim_end_matches(['.', '!']);
    let mut chars = fact.chars();
    match chars.next() {
        Some(first) if !fact.starts_with("I ") && !fact.starts_with("I'") => {
            format!("{}{}.", first.to_lowercase(), chars.as_str())
        }
        _ => format!("{fact}."),
    }
}

const MEMORY_TOOLS: [&str; 3] = ["memory_insert", "core_memory_append", "memory"];

fn memory_call(request: &ChatRequest, fact: &str) -> Option<Answer> {
    MEMORY_TOOLS.iter().find_map(|name| {
        let tool = offered(request, name)?;
        let arguments = match *name {
            "memory_insert" => json!({"label": "human", "new_string": fact}),
            "core_memory_append" => json!({"label": "human", "content": fact}),
            _ => json!({"command": "insert", "path": "human", "insert_text": fact}),
        };
        Some(call(tool, arguments))
    })
}

/// A call with these arguments, and empty values for what else the schema requires.
fn call(tool: &ToolSpec, arguments: Value) -> Answer {
    let mut arguments = match arguments {
        Value::Object(map) => map,
        _ => Map::new(),
    };
    let required = tool.parameters.get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str) {
        if arguments.contains_key(name) {
            continue;
        }
        let property = tool.parameters.get("properties").and_then(|properties| properties.get(name));
        let value = match property.and_then(|property| property.get("type")).and_then(Value::as_str) {
            Some("integer" | "number") => json!(0),
            Some("boolean") => json!(true),
            Some("array") => json!([]),
            Some("object") => json!({}),
            _ => json!(""),
        };
        arguments.insert(name.to_owned(), value);
    }
    Answer::Call { tool: tool.name.clone(), arguments: arguments.into() }
}

fn offered<'a>(request: &'a ChatRequest, name: &str) -> Option<&'a ToolSpec> {
    request.tools.iter().find(|tool| tool.name == name)
}

/// The last user message; older agents get it inside a JSON object.
fn last_user_text(request: &ChatRequest) -> String {
    let last = request.messages.iter().rev().find(|message| matches!(message, ChatMessage::User { .. }));
    let text = last.map(message_text).unwrap_or_default();
    match serde_json::from_str::<Value>(&text) {
        Ok(Value::Object(packed)) => match packed.get("message").and_then(Value::as_str) {
            Some(message) => message.trim().to_owned(),
            None => text,
        },
        _ => text.trim().to_owned(),
    }
}

/// The fact in `remember that X`, `remember: X` or `X. Remember it.`
fn to_remember(text: &str) -> Option<String> {
    let lower = text.to_ascii_lowercase();
    for phrase in ["remember that ", "remember: "] {
        if let Some(at) = lower.find(phrase) {
            return fact(text.get(at + phrase.len()..)?);
        }
    }
    let before = ["remember it", "remember this"].iter().find_map(|phrase| lower.rfind(phrase))?;
    let before = text.get(..before)?.trim_end();
    fact(before.strip_suffix("Please").or_else(|| before.strip_suffix("please")).unwrap_or(before))
}

fn fact(text: &str) -> Option<String> {
    let text = text.trim().trim_end_matches([',', ';']);
    (!text.is_empty()).then(|| text.to_owned())
}

/// The value of the block `human` as the system message shows it.
fn human_block(request: &ChatRequest) -> Option<String> {
    let system = request.messages.iter().find_map(|message| match message {
        ChatMessage::System { text } => Some(text),
        _ => None,
    })?;
    let (_, block) = system.split_once("<human>")?;
    let (_, value) = block.split_once("<value>")?;
    let (value, _) = value.split_once("</value>")?;
    let value = value.trim();
    (!value.is_empty()).then(|| value.to_owned())
}
