//! The one request type and the one event type that every provider's wire is translated from and to.

use std::pin::Pin;

use futures::Stream;
use serde_json::Value;

use crate::error::LlmError;
use crate::schema::ChoiceLogprobs;

/// What a model answers with, event by event. Dropping the stream closes the connection to the provider.
pub type ChatStream = Pin<Box<dyn Stream<Item = Result<ChatEvent, LlmError>> + Send>>;

/// One call of a chat model, before any provider's wire format.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatRequest {
    /// The provider's own model id ([`ModelInfo::name`](crate::ModelInfo::name)), not the handle.
    pub model: String,
    /// Oldest first; the system message, if any, comes first.
    pub messages: Vec<ChatMessage>,
    /// The tools on offer. Empty: no tool fields are sent at all.
    pub tools: Vec<ToolSpec>,
    /// Whether the model may, must or must not call a tool. Ignored without tools.
    pub tool_choice: ToolChoice,
    /// Whether several tool calls may come in one answer. Sent only where the provider understands it.
    pub parallel_tool_calls: Option<bool>,
    /// Sampling temperature. Not sent to models that refuse it.
    pub temperature: Option<f64>,
    /// The most tokens the answer may have.
    pub max_tokens: Option<i64>,
    /// Penalty for tokens already used, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// `none`, `minimal`, `low`, `medium`, `high` or `xhigh`; sent to reasoning models only.
    pub reasoning_effort: Option<String>,
    /// `low`, `medium` or `high`; sent to models that know it (GPT-5).
    pub verbosity: Option<String>,
    /// The wire form `{"type": …}`; `{"type": "text"}` is the same as none. Passed through where the provider holds a
    /// model to it, else the answer is asked for as the arguments of a tool and comes back as text all the same.
    pub response_format: Option<Value>,
    /// Ask for the log-probability of each token of the answer's text. Not sent to models that refuse it.
    pub logprobs: bool,
    /// With [`logprobs`](Self::logprobs): how many alternatives to tell for each token, 0 to 20.
    pub top_logprobs: Option<i64>,
    /// The end user's stable id, for the provider's abuse detection.
    pub user: Option<String>,
    /// Ask for the answer token by token. Either way it comes back as a [`ChatStream`].
    pub stream: bool,
}

/// One message of the conversation.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatMessage {
    /// Instructions. Sent under whatever role the model family uses for them.
    System {
        /// The instructions.
        text: String,
    },
    /// Input to the model.
    User {
        /// Text and images in order.
        parts: Vec<ChatPart>,
        /// Who speaks, for conversations of several people.
        name: Option<String>,
    },
    /// An earlier answer of the model.
    Assistant {
        /// What it said.
        text: Option<String>,
        /// What it thought, where the provider wants that back.
        reasoning: Option<String>,
        /// The tools it called; each is answered by one [`ChatMessage::Tool`].
        tool_calls: Vec<ToolCallOut>,
        /// The agent's name.
        name: Option<String>,
    },
    /// What a tool returned.
    Tool {
        /// The id of the call that this answers.
        tool_call_id: String,
        /// The return, as text.
        content: String,
        /// The images of the return.
        images: Vec<ChatPart>,
    },
}

impl ChatMessage {
    /// A system message.
    pub fn system(text: impl Into<String>) -> Self {
        Self::System { text: text.into() }
    }

    /// A user message of one text.
    pub fn user(text: impl Into<String>) -> Self {
        Self::User { parts: vec![ChatPart::Text(text.into())], name: None }
    }

    /// An assistant message of one text.
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::Assistant { text: Some(text.into()), reasoning: None, tool_calls: Vec::new(), name: None }
    }

    /// The return of a tool call, without images.
    pub fn tool(tool_call_id: impl Into<String>, content: impl Into<String>) -> Self {
        Self::Tool { tool_call_id: tool_call_id.into(), content: content.into(), images: Vec::new() }
    }
}

/// One part of a user message, or an image of a tool's return.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatPart {
    /// Plain text.
    Text(String),
    /// An image as bytes.
    Image {
        /// For example `image/png`.
        media_type: String,
        /// Base64, without the `data:` prefix.
        data: String,
        /// `auto`, `low` or `high`; `auto` when absent.
        detail: Option<String>,
    },
    /// An image that the provider fetches itself.
    ImageUrl {
        /// An `https:` or `data:` address.
        url: String,
        /// `auto`, `low` or `high`; `auto` when absent.
        detail: Option<String>,
    },
}

/// A tool the model may call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// The name the model calls it by.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// JSON Schema of the arguments object.
    pub parameters: Value,
    /// Ask the provider to hold the arguments strictly to the schema. The schema is closed on the way out.
    pub strict: bool,
}

/// Whether the model may, must or must not call a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// At least one tool must be called.
    Required,
    /// This tool must be called.
    Named(String),
    /// No tool may be called.
    None,
}

/// One piece of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ChatEvent {
    /// A piece of the model's visible reasoning.
    Reasoning(String),
    /// The model reasons, and the provider does not show it. At most once, before anything else.
    OmittedReasoning,
    /// A piece of the answer's text; never empty.
    Text(String),
    /// A piece of a tool call. The first piece of an index carries its id.
    ToolCall {
        /// Counts the calls of this answer from 0.
        index: usize,
        /// Given once, on the first piece of the call.
        id: Option<String>,
        /// A piece of the name, nearly always all of it on the first piece.
        name: Option<String>,
        /// A piece of the arguments' JSON text; may be empty.
        arguments: String,
    },
    /// The log-probabilities of the next tokens of the text, where they were asked for.
    Logprobs(ChoiceLogprobs),
    /// What the call cost so far; the last one counts.
    Usage(Usage),
    /// The answer is complete. Always the last event of a stream that did not fail.
    Finish(FinishReason),
}

/// A complete tool call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolCallOut {
    /// Ties the call to its return.
    pub id: String,
    /// The tool's name, as the model wrote it.
    pub name: String,
    /// JSON text as the model wrote it, not necessarily valid; see [`crate::json::tool_arguments`].
    pub arguments: String,
}

/// Tokens of one call. A `None` was not reported, which is not the same as zero.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Tokens of the request, cached ones included.
    pub prompt_tokens: i64,
    /// Tokens of the answer, hidden reasoning included.
    pub completion_tokens: i64,
    /// As reported, else the sum.
    pub total_tokens: i64,
    /// The part of the prompt that came from the provider's cache.
    pub cached_input_tokens: Option<i64>,
    /// The part of the prompt that was written to the provider's cache.
    pub cache_write_tokens: Option<i64>,
    /// The part of the answer that was reasoning.
    pub reasoning_tokens: Option<i64>,
}

/// Why the model stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishReason {
    /// It had said what it wanted to say.
    Stop,
    /// It ran into `max_tokens` or the end of its context.
    Length,
    /// It called tools.
    ToolCalls,
    /// The provider held the answer back.
    ContentFilter,
    /// Something this crate has no name for, in the provider's word.
    Other(String),
}

impl FinishReason {
    /// The word of the OpenAI wire.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::ToolCalls => "tool_calls",
            Self::ContentFilter => "content_filter",
            Self::Other(word) => word,
        }
    }
}
