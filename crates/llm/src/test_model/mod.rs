//! The built-in test model `muisti/test`: deterministic, no network, no key. For trying the server out and for tests.
//!
//! It is a provider like any other and knows only what a [`ChatRequest`] tells it. It answers word by word and knows
//! these phrases of a user message, in any case:
//!
//! | phrase | what it does |
//! |---|---|
//! | `remember that X`, `remember: X` | stores `X` in the `human` block, then confirms |
//! | `X. Remember it.` (also `this`) | the same with the sentences before |
//! | `what do you know about me` | answers with the text of the `human` block in the system message |
//! | anything else | says what it heard, and what it is |
//!
//! To store, it calls the first of these tools that the request offers: `memory_insert` (`label`, `new_string`),
//! `core_memory_append` (`label`, `content`), `memory` (`command: insert`, `path`, `insert_text`). Without any of
//! them it says so. Where the request offers `send_message`, it says everything through that. A forced tool that is none
//! of these is called with empty values for what its schema requires.
//!
//! `muisti/test-embedding` embeds by hashing words into 64 dimensions, so texts that share words are near each other.

mod answer;
mod embedding;

use std::borrow::Cow;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use crate::assemble::new_tool_call_id;
use crate::chat::{ChatEvent, ChatMessage, ChatPart, ChatRequest, ChatStream, FinishReason, Usage};
use crate::error::LlmError;
use crate::provider::{EmbeddingModelInfo, ModelInfo, Provider, ProviderKind};
use crate::schema::ProviderCategory;
use crate::structured;
use answer::Answer;

const NAME: &str = "muisti";
const MODEL: &str = "test";
const EMBEDDING_MODEL: &str = "test-embedding";

/// The provider of the built-in test models.
pub struct TestProvider;

#[async_trait]
impl Provider for TestProvider {
    fn name(&self) -> &str {
        NAME
    }

    fn kind(&self) -> ProviderKind {
        ProviderKind::Test
    }

    fn endpoint(&self) -> &str {
        ""
    }

    async fn models(&self) -> Result<Vec<ModelInfo>, LlmError> {
        Ok(vec![self.describe(MODEL)])
    }

    async fn embedding_models(&self) -> Result<Vec<EmbeddingModelInfo>, LlmError> {
        Ok(self.describe_embedding(EMBEDDING_MODEL).into_iter().collect())
    }

    fn describe(&self, model: &str) -> ModelInfo {
        ModelInfo {
            handle: format!("{NAME}/{model}"),
            aliases: Vec::new(),
            name: model.to_owned(),
            provider_name: NAME.to_owned(),
            provider_category: ProviderCategory::Base,
            provider_kind: ProviderKind::Test,
            endpoint: String::new(),
            context_window: 128_000,
            max_tokens: Some(4_096),
            frequency_penalty: None,
            compatibility_type: None,
            tools: Some(true),
        }
    }

    fn describe_embedding(&self, model: &str) -> Option<EmbeddingModelInfo> {
        (model == EMBEDDING_MODEL).then(|| EmbeddingModelInfo {
            handle: format!("{NAME}/{model}"),
            aliases: Vec::new(),
            name: model.to_owned(),
            provider_name: NAME.to_owned(),
            provider_category: ProviderCategory::Base,
            provider_kind: ProviderKind::Test,
            endpoint: String::new(),
            dimensions: embedding::DIMENSIONS,
            batch_size: 1_024,
        })
    }

    async fn chat(&self, request: &ChatRequest) -> Result<ChatStream, LlmError> {
        let prepared = structured::prepare(ProviderKind::Test, request);
        let events = events(&prepared, Answer::to(&prepared));
        // One event a turn of the scheduler, so that it streams like a model and never starves anybody.
        let slow = stream::iter(events).then(|event| async {
            tokio::task::yield_now().await;
            Ok(event)
        });
        Ok(structured::answer(matches!(prepared, Cow::Owned(_)), slow.boxed()))
    }

    async fn embed(&self, _model: &str, texts: &[String]) -> Result<Vec<Vec<f32>>, LlmError> {
        Ok(texts.iter().map(|text| embedding::embed(text)).collect())
    }

    fn request_body(&self, request: &ChatRequest) -> Value {
        let request = structured::prepare(ProviderKind::Test, request);
        let messages: Vec<Value> = request.messages.iter().map(preview).collect();
        let tools: Vec<&str> = request.tools.iter().map(|tool| tool.name.as_str()).collect();
        json!({"model": request.model, "messages": messages, "tools": tools, "stream": request.stream})
    }
}

fn events(request: &ChatRequest, answer: Answer) -> Vec<ChatEvent> {
    let prompt: usize = request.messages.iter().map(|message| words(message_text(message).as_str())).sum();
    let (mut events, completion, finish) = match answer {
        Answer::Text(text) => {
            let events = pieces(&text).map(|piece| ChatEvent::Text(piece.to_owned())).collect::<Vec<_>>();
            (events, words(&text), FinishReason::Stop)
        }
        Answer::Call { tool, arguments } => {
            let arguments = arguments.to_string();
            let begin = ChatEvent::ToolCall {
                index: 0,
                id: Some(new_tool_call_id()),
                name: Some(tool),
                arguments: String::new(),
            };
            let rest = pieces(&arguments).map(|piece| ChatEvent::ToolCall {
                index: 0,
                id: None,
                name: None,
                arguments: piece.to_owned(),
            });
            let count = words(&arguments);
            (std::iter::once(begin).chain(rest).collect(), count, FinishReason::ToolCalls)
        }
    };
    let tokens = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    events.push(ChatEvent::Usage(Usage {
        prompt_tokens: tokens(prompt),
        completion_tokens: tokens(completion),
        total_tokens: tokens(prompt + completion),
        ..Usage::default()
    }));
    events.push(ChatEvent::Finish(finish));
    events
}

/// A text word by word, each with the space after it.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive(' ')
}

/// Its tokens are words.
fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

fn message_text(message: &ChatMessage) -> String {
    match message {
        ChatMessage::System { text } => text.clone(),
        ChatMessage::User { parts, .. } => {
            let texts = parts.iter().filter_map(|part| match part {
                ChatPart::Text(text) => Some(text.as_str()),
                _ => None,
            });
            texts.collect::<Vec<_>>().join("\n")
        }
        ChatMessage::Assistant { text, tool_calls, .. } => {
            let calls = tool_calls.iter().map(|call| format!("{} {}", call.name, call.arguments));
            text.iter().cloned().chain(calls).collect::<Vec<_>>().join("\n")
        }
        ChatMessage::Tool { content, .. } => content.clone(),
    }
}

fn preview(message: &ChatMessage) -> Value {
    let role = match message {
        ChatMessage::System { .. } => "system",
        ChatMessage::User { .. } => "user",
        ChatMessage::Assistant { .. } => "assistant",
        ChatMessage::Tool { .. } => "tool",
    };
    json!({"role": role, "content": message_text(message)})
}

#[cfg(test)]
mod tests;
