//! Reads the JSON pieces of a chat completion, a streamed one's chunks or a whole answer's single body, into events.
//!
//! Servers differ in what they leave out and in which types they use; what can be understood is understood.

use serde::Deserialize;
use serde_json::Value;

use super::errors;
use crate::assemble::new_tool_call_id;
use crate::chat::{ChatEvent, FinishReason, Usage};
use crate::error::{LlmError, LlmErrorKind};
use crate::provider::ProviderKind;
use crate::schema::ChoiceLogprobs;
use crate::tables::is_openai_reasoning;

/// Turns pieces into events, and knows at the end whether the answer was whole.
pub(super) struct ChunkReader {
    provider: String,
    kind: ProviderKind,
    /// The model thinks and does not show it; said once, before anything else.
    hides_reasoning: bool,
    calls: Vec<OpenCall>,
    usage: Option<Usage>,
    finish: Option<FinishReason>,
    said_text: bool,
    /// Kept for DeepSeek alone, which may give its whole answer as reasoning.
    reasoning: String,
}

/// A tool call whose first piece has come.
struct OpenCall {
    /// What the server counts it as.
    wire_index: i64,
    /// As the server wrote it, before a missing one was made up.
    wire_id: Option<String>,
    name: String,
}

#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Option<Vec<Choice>>,
    #[serde(default)]
    usage: Option<Value>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: Option<i64>,
    #[serde(default, alias = "message")]
    delta: Option<Delta>,
    #[serde(default)]
    logprobs: Option<Value>,
    #[serde(default)]
    finish_reason: Option<String>,
    /// Groq and xAI report usage in the choice's own place at times.
    #[serde(default)]
    usage: Option<Value>,
}

#[derive(Default, Deserialize)]
struct Delta {
    #[serde(default)]
    content: Option<Content>,
    #[serde(default)]
    refusal: Option<String>,
    #[serde(default)]
    reasoning_content: Option<Content>,
    #[serde(default)]
    reasoning: Option<Content>,
    #[serde(default)]
    tool_calls: Option<Vec<CallPiece>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Value>),
    Other(Value),
}

#[derive(Deserialize)]
struct CallPiece {
    #[serde(default)]
    index: Option<i64>,
    #[serde(default)]
    id: Option<Value>,
    #[serde(default)]
    function: Option<FunctionPiece>,
}

#[derive(Deserialize)]
struct FunctionPiece {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    arguments: Option<Value>,
}

impl ChunkReader {
    pub(super) fn new(provider: &str, kind: ProviderKind, model: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            kind,
            hides_reasoning: !kind.is_local() && is_openai_reasoning(model),
            calls: Vec::new(),
            usage: None,
            finish: None,
            said_text: false,
            reasoning: String::new(),
        }
    }

    /// Reads one piece and appends what it says.
    pub(super) fn read(&mut self, json: &str, events: &mut impl Extend<ChatEvent>) -> Result<(), LlmError> {
        let chunk: Chunk = serde_json::from_str(json).map_err(|_| self.unreadable(json))?;
        self.take(chunk, events)
    }

    /// Reads a whole answer. One without `choices` is another server's answer.
    pub(super) fn read_whole(&mut self, json: &str, events: &mut impl Extend<ChatEvent>) -> Result<(), LlmError> {
        let foreign = |problem: &str| {
            LlmError::new(
                LlmErrorKind::InvalidResponse,
                &self.provider,
                format!("the answer {problem}, so this is not a chat completions server; check the base URL."),
            )
        };
        let chunk: Chunk = serde_json::from_str(json).map_err(|_| foreign("is not readable JSON"))?;
        let is_error = chunk.error.as_ref().is_some_and(|error| !error.is_null());
        if chunk.choices.is_none() && !is_error {
            return Err(foreign("has no 'choices'"));
        }
        self.take(chunk, events)
    }

    /// Reads what an event named `error` holds: the error itself, or an object around it.
    pub(super) fn read_error(&self, json: &str) -> LlmError {
        let value = serde_json::from_str(json).unwrap_or_else(|_| Value::String(json.to_owned()));
        errors::from_answer(&self.provider, value.get("error").unwrap_or(&value))
    }

    pub(super) fn provider(&self) -> &str {
        &self.provider
    }

    /// Whether the model has said that it is done; what may still come is usage.
    pub(super) fn has_finished(&self) -> bool {
        self.finish.is_some()
    }

    fn take(&mut self, chunk: Chunk, events: &mut impl Extend<ChatEvent>) -> Result<(), LlmError> {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(errors::from_answer(&self.provider, &error));
        }
        if let Some(usage) = chunk.usage.as_ref().and_then(read_usage) {
            self.usage = Some(usage);
        }
        for choice in chunk.choices.into_iter().flatten() {
            // One answer was asked for.
            if choice.index.unwrap_or(0) != 0 {
                continue;
            }
            if let Some(usage) = choice.usage.as_ref().and_then(read_usage) {
                self.usage = Some(usage);
            }
            if std::mem::take(&mut self.hides_reasoning) {
                events.extend([ChatEvent::OmittedReasoning]);
            }
            if let Some(delta) = choice.delta {
                self.take_delta(delta, events);
            }
            events.extend(choice.logprobs.as_ref().and_then(read_logprobs).map(ChatEvent::Logprobs));
            if let Some(word) = choice.finish_reason.filter(|word| !word.is_empty()) {
                self.finish = Some(finish_reason(word));
            }
        }
        Ok(())
    }

    fn take_delta(&mut self, delta: Delta, events: &mut impl Extend<ChatEvent>) {
        // Some servers send the same piece under both names.
        let thinking = delta.reasoning_content.map(Content::split).filter(|(text, _)| !text.is_empty());
        let thinking = thinking.or_else(|| delta.reasoning.map(Content::split)).map(|(text, _)| text);
        let (text, inner_thinking) = delta.content.map(Content::split).unwrap_or_default();
        for piece in [thinking.unwrap_or_default(), inner_thinking] {
            if !piece.is_empty() {
                if self.kind == ProviderKind::DeepSeek {
                    self.reasoning.push_str(&piece);
                }
                events.extend([ChatEvent::Reasoning(piece)]);
            }
        }
        for piece in [text, delta.refusal.unwrap_or_default()] {
            if !piece.is_empty() {
                self.said_text = true;
                events.extend([ChatEvent::Text(piece)]);
            }
        }
        for (position, piece) in delta.tool_calls.into_iter().flatten().enumerate() {
            let event = self.take_call(piece, position);
            events.extend([event]);
        }
    }

    /// `position` is the place in the list of this piece: in a whole answer it stands for the index.
    fn take_call(&mut self, piece: CallPiece, position: usize) -> ChatEvent {
        let id = match piece.id {
            Some(Value::String(id)) if !id.is_empty() => Some(id),
            Some(Value::Number(id)) => Some(id.to_string()),
            _ => None,
        };
        let (name, arguments) = piece.function.map(|function| (function.name, function.arguments)).unwrap_or_default();
        let name = name.filter(|name| !name.is_empty());
        let arguments = match arguments {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text,
            Some(other) => other.to_string(),
        };

        let wire_index = piece.index.unwrap_or(match (&id, self.calls.last()) {
            // Without a number, a new id or a name begins a call and anything else goes on with the last one.
            (_, Some(last)) if position == 0 && continues(last, id.as_deref(), name.as_deref()) => last.wire_index,
            _ => i64::try_from(self.calls.len()).unwrap_or(i64::MAX),
        });
        let known = self.calls.iter().rposition(|call| call.wire_index == wire_index);
        // Some servers count every call as 0; a second id with a name is a second call.
        let known = known.filter(|&at| {
            self.calls.get(at).is_some_and(|call| match (&call.wire_id, &id) {
                (Some(old), Some(new)) if old != new => name.is_none(),
                _ => true,
            })
        });
        match known.and_then(|at| self.calls.get_mut(at).map(|call| (at, call))) {
            Some((index, call)) => {
                // The whole name again is no more of the name.
                let name = name.filter(|name| *name != call.name);
                call.name.push_str(name.as_deref().unwrap_or_default());
                ChatEvent::ToolCall { index, id: None, name, arguments }
            }
            None => {
                let index = self.calls.len();
                let taken = |id: &String| self.calls.iter().any(|call| call.wire_id.as_ref() == Some(id));
                let fresh = id.clone().filter(|id| !taken(id)).unwrap_or_else(new_tool_call_id);
                self.calls.push(OpenCall { wire_index, wire_id: id, name: name.clone().unwrap_or_default() });
                ChatEvent::ToolCall { index, id: Some(fresh), name, arguments }
            }
        }
    }

    /// The last events, once everything has come. `done` says that the server has marked the end, or that what came
    /// was one whole body.
    pub(super) fn end(self, done: bool, events: &mut impl Extend<ChatEvent>) -> Result<(), LlmError> {
        let called = !self.calls.is_empty();
        let said = called || self.said_text;
        if self.kind == ProviderKind::DeepSeek && !said && !self.reasoning.is_empty() && self.finish.is_some() {
            events.extend([ChatEvent::Text(self.reasoning)]);
        }
        events.extend(self.usage.map(ChatEvent::Usage));
        let finish = match self.finish {
            Some(FinishReason::Stop) | None if called && (done || self.finish.is_some()) => FinishReason::ToolCalls,
            Some(reason) => reason,
            None if done => FinishReason::Stop,
            None => {
                return Err(LlmError::new(
                    LlmErrorKind::BrokenStream,
                    self.provider,
                    "the answer broke off before its end: the connection was closed early.",
                ));
            }
        };
        events.extend([ChatEvent::Finish(finish)]);
        Ok(())
    }

    fn unreadable(&self, json: &str) -> LlmError {
        let start: String = json.chars().take(80).collect();
        LlmError::new(
            LlmErrorKind::InvalidResponse,
            &self.provider,
            format!("a piece of the answer is not readable JSON ('{start}')."),
        )
    }
}

/// Whether a piece without a number goes on with `last`.
fn continues(last: &OpenCall, id: Option<&str>, name: Option<&str>) -> bool {
    match id {
        Some(id) => last.wire_id.as_deref() == Some(id),
        None => name.is_none(),
    }
}

impl Content {
    /// Text, and thinking that stands between the text's parts (Mistral).
    fn split(self) -> (String, String) {
        let mut text = String::new();
        let mut thinking = String::new();
        match self {
            Self::Text(whole) => text = whole,
            Self::Parts(parts) => {
                for part in &parts {
                    collect(part, &mut text, &mut thinking);
                }
            }
            Self::Other(part) => collect(&part, &mut text, &mut thinking),
        }
        (text, thinking)
    }
}

fn collect(part: &Value, text: &mut String, thinking: &mut String) {
    if let Some(piece) = part.as_str().or_else(|| part.get("text").and_then(Value::as_str)) {
        text.push_str(piece);
    }
    match part.get("thinking") {
        Some(Value::String(piece)) => thinking.push_str(piece),
        Some(Value::Array(pieces)) => {
            for piece in pieces {
                thinking.push_str(piece.get("text").and_then(Value::as_str).unwrap_or_default());
            }
        }
        _ => {}
    }
}

fn finish_reason(word: String) -> FinishReason {
    match word.as_str() {
        "stop" | "eos" | "end_turn" | "stop_sequence" => FinishReason::Stop,
        "length" | "max_tokens" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" => FinishReason::ContentFilter,
        _ => FinishReason::Other(word),
    }
}

/// The log-probabilities of some tokens, if there are any. Other forms of them, such as that of the old completions
/// wire, are not worth failing an answer.
fn read_logprobs(value: &Value) -> Option<ChoiceLogprobs> {
    let read = ChoiceLogprobs::deserialize(value).ok()?;
    (read.content.is_some() || read.refusal.is_some()).then_some(read)
}

/// A usage object with a number in it; what was not reported stays `None`.
fn read_usage(value: &Value) -> Option<Usage> {
    let number = |path: &str| {
        let value = value.pointer(path)?;
        #[expect(clippy::cast_possible_truncation, reason = "a count of tokens written as a float")]
        value.as_i64().or_else(|| value.as_f64().map(|float| float as i64))
    };
    let prompt = number("/prompt_tokens");
    let completion = number("/completion_tokens");
    let total = number("/total_tokens");
    if prompt.is_none() && completion.is_none() && total.is_none() {
        return None;
    }
    let prompt_tokens = prompt.unwrap_or(0);
    let completion_tokens = completion.unwrap_or(0);
    Some(Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens: total.unwrap_or(prompt_tokens + completion_tokens),
        // DeepSeek has its own word.
        cached_input_tokens: number("/prompt_tokens_details/cached_tokens")
            .or_else(|| number("/prompt_cache_hit_tokens")),
        cache_write_tokens: None,
        reasoning_tokens: number("/completion_tokens_details/reasoning_tokens"),
    })
}

#[cfg(test)]
#[path = "chunk_tests.rs"]
mod tests;
