//! The wire types of Muisti, a server for stateful agents.
//!
//! Everything that goes over the network is a type of this crate: agents and what they are made of, messages,
//! runs, requests and errors. There is no I/O here, so another Rust service can use it alone.

#![deny(missing_docs)]

#[macro_use]
mod macros;

mod agent;
mod agent_file;
mod archive;
mod block;
mod capture;
mod chat_completion;
mod compaction;
mod content;
mod context;
mod conversation;
mod de;
mod deployment;
mod embedding_config;
mod enums;
mod group;
mod health;
mod identity;
mod ids;
mod job;
mod llm_config;
mod memory;
mod message;
mod model;
mod model_settings;
mod organization;
mod passage;
mod patch;
mod provider;
mod request;
mod response;
mod response_format;
mod run;
mod search;
mod secret;
mod source;
mod step;
mod tagged;
mod time;
mod tool;
mod tool_rule;
mod trace;

pub use agent::*;
pub use agent_file::*;
pub use archive::*;
pub use block::*;
pub use capture::*;
pub use chat_completion::*;
pub use compaction::*;
pub use content::*;
pub use context::*;
pub use conversation::*;
pub use deployment::*;
pub use embedding_config::*;
pub use enums::*;
pub use group::*;
pub use health::*;
pub use identity::*;
pub use ids::*;
pub use job::*;
pub use llm_config::*;
pub use memory::*;
pub use message::*;
pub use model::*;
pub use model_settings::*;
pub use organization::*;
pub use passage::*;
pub use patch::Patch;
pub use provider::*;
pub use request::*;
pub use response::*;
pub use response_format::*;
pub use run::*;
pub use search::*;
pub use secret::*;
pub use source::*;
pub use step::*;
pub use time::{MessageDate, Timestamp};
pub use tool::*;
pub use tool_rule::*;
pub use trace::*;
