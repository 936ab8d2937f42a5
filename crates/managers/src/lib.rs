//! The domain of Muisti: one manager per resource, and the agent loop.
//!
//! A manager knows the rules of its resource: what a request may say, what follows from it, in which transaction.
//! It speaks the types of [`schema`], reads and writes through [`orm`], and asks models through [`llm`]. Every
//! method takes the [`Actor`] on whose behalf it works. There is no HTTP here.

mod actor;
mod admin;
pub mod agent;
pub mod agent_file;
pub mod agent_loop;
pub mod archive;
pub mod block;
mod callback;
pub mod chat;
pub mod conversation;
mod error;
pub mod file;
pub mod frames;
pub mod group;
mod identity;
pub mod image;
mod job;
mod message;
pub mod model;
mod outbound;
pub mod passage;
pub mod prompt;
mod run;
pub mod secret;
mod services;
mod settings;
pub mod source;
mod step;
mod step_webhook;
pub mod stream;
mod tag;
pub mod template;
pub mod tool;
pub mod trace;

pub use actor::{Actor, DEFAULT_ACTOR, DEFAULT_ORGANIZATION, DEFAULT_USER};
pub use admin::AdminManager;
pub use agent::AgentManager;
pub use agent_file::AgentFileManager;
pub use agent_loop::{
    AgentLoop, CancelOutcome, Node, Origin, Recipient, Sent, TurnEvents, TurnStream, WhenBusy, WhenPending,
};
pub use archive::ArchiveManager;
pub use block::BlockManager;
pub use callback::Callbacks;
pub use chat::ChatManager;
pub use conversation::{ConversationManager, HistoryName};
pub use error::{Error, FieldError, PendingCalls, Result};
pub use file::FileManager;
pub use frames::StoredStream;
pub use group::GroupManager;
pub use identity::{IdentityFilter, IdentityManager};
pub use job::JobManager;
pub use message::{MessageManager, MessageQuery};
pub use model::ModelManager;
pub use muisti_llm as llm;
pub use muisti_orm as orm;
pub use muisti_orm::schema;
pub use passage::PassageManager;
pub use run::RunManager;
pub use services::Services;
pub use settings::{InvalidSetting, Settings, StepWebhookSettings};
pub use source::SourceManager;
pub use step::StepManager;
pub use step_webhook::StepWebhook;
pub use stream::StreamManager;
pub use tag::TagManager;
pub use template::TemplateManager;
pub use tool::{ToolExecutor, ToolManager};
pub use trace::TraceManager;
