//! Chat and embedding models over the network: one request type in, one stream of events out.
//!
//! This crate knows the wires of model providers and nothing of agents: no loop, no database, no prompts. A caller
//! builds a [`ChatRequest`], asks the [`Catalog`] which [`Provider`] serves a handle, and reads [`ChatEvent`]s; the
//! [`Assembler`] folds them into one [`ChatAnswer`]. A new provider is one module that implements [`Provider`].

#![deny(missing_docs)]

mod assemble;
mod chat;
mod error;
mod provider;

pub use assemble::{Assembler, ChatAnswer};
pub use chat::{
    ChatEvent, ChatMessage, ChatPart, ChatRequest, ChatStream, FinishReason, ToolCallOut, ToolChoice, ToolSpec, Usage,
};
pub use error::{LlmError, LlmErrorKind};
pub use muisti_schema as schema;
pub use provider::{EmbeddingModelInfo, ModelInfo, Provider, ProviderKind};
