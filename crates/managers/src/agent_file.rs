//! Agent files: agents with all that they are made of, out of this server and into it.
//!
//! A file is read and made without a database: [`read`] and [`legacy`] turn bytes into an [`AgentFile`], [`check`]
//! looks whether its parts fit together, [`write`](self::write) makes one of what an export has loaded. Only
//! [`export`] and [`import`] touch rows.

mod check;
mod export;
mod import;
mod legacy;
mod read;
mod write;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    Services,
    error::{Error, Result},
    schema::{AgentFile, ConversationId, Skill},
};

/// What is done with agent files.
#[derive(Debug, Clone, Copy)]
pub struct AgentFileManager<'a>(&'a Services);

impl Services {
    /// What is done with agent files.
    pub fn agent_files(&self) -> AgentFileManager<'_> {
        AgentFileManager(self)
    }
}

/// What an export holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExportOptions {
    /// The conversation whose messages are exported; `None` for the agent's default history.
    pub conversation_id: Option<ConversationId>,
    /// Whether messages are left out.
    pub scrub_messages: bool,
    /// Skills to put into the file.
    pub skills: Vec<Skill>,
}

/// What an import does with what is in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportOptions {
    /// The name of every agent, instead of the one in the file with its suffix.
    pub name: Option<String>,
    /// Whether `_copy` is added to the names in the file.
    pub append_copy_suffix: bool,
    /// Whether tools of the organization become what the file says of tools of their names.
    pub override_existing_tools: bool,
    /// Whether the messages in the file are left out.
    pub strip_messages: bool,
    /// The values of secrets whose names are in the file.
    pub secrets: BTreeMap<String, String>,
    /// The handle of the chat model of all agents, instead of those in the file.
    pub model: Option<String>,
    /// The handle of the embedding model of all agents and folders, instead of those in the file.
    pub embedding: Option<String>,
    /// The project of the new agents.
    pub project_id: Option<String>,
}

impl Default for ImportOptions {
    fn default() -> Self {
        Self {
            name: None,
            append_copy_suffix: true,
            override_existing_tools: true,
            strip_messages: false,
            secrets: BTreeMap::new(),
            model: None,
            embedding: None,
            project_id: None,
        }
    }
}

/// The values of secrets from the text that a form carries: a JSON object of texts.
///
/// # Errors
/// 400.
pub fn secrets(text: &str) -> Result<BTreeMap<String, String>> {
    let refused = || Error::BadRequest("secrets must be a valid JSON string: an object of texts by name.".to_owned());
    let object: Map<String, Value> = serde_json::from_str(text).map_err(|_| refused())?;
    let pairs = object.into_iter().map(|(key, value)| match value {
        Value::String(value) => Ok((key, value)),
        _ => Err(refused()),
    });
    pairs.collect()
}

impl AgentFileManager<'_> {
    /// An agent file from its bytes, those of the older form converted.
    ///
    /// # Errors
    /// 400 for what is no JSON or no agent file, 422 for members that are missing or of another type.
    pub fn read(&self, bytes: &[u8]) -> Result<AgentFile> {
        read::read(bytes)
    }
}
