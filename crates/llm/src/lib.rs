//! Chat and embedding models over the network: one request type in, one stream of events out.
//!
//! This crate knows the wires of model providers and nothing of agents: no loop, no database, no prompts. A caller
//! builds a [`ChatRequest`], asks the [`Catalog`] which [`Provider`] serves a handle, and reads [`ChatEvent`]s; the
//! [`Assembler`] folds them into one [`ChatAnswer`]. A new provider is one module that implements [`Provider`].
//!
//! Neither keys nor the contents of messages are ever logged.

#![deny(missing_docs)]

mod assemble;
mod catalog;
mod chat;
mod error;
pub mod http;
pub mod json;
mod local;
mod openai;
mod provider;
pub mod settings;
pub mod structured;
mod tables;
mod test_model;
mod tokens;

pub use assemble::{Assembler, ChatAnswer, Said, new_tool_call_id};
pub use catalog::{Catalog, ProviderStatus, ResolveError};
pub use chat::{
    ChatEvent, ChatMessage, ChatPart, ChatRequest, ChatStream, FinishReason, ToolCallOut, ToolChoice, ToolSpec, Usage,
};
pub use error::{LlmError, LlmErrorKind};
pub use http::BaseUrl;
pub use muisti_schema as schema;
pub use openai::OpenAiProvider;
pub use provider::{EmbeddingModelInfo, ModelInfo, Provider, ProviderKind};
pub use settings::{LlmSettings, ProviderSettings, SettingsError, Timeouts};
pub use test_model::TestProvider;
pub use tokens::{TokenCounter, Vocabulary};
