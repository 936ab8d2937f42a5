//! Agents, and what belongs to them.

pub(crate) mod archival_memory;
pub(crate) mod archives;
pub(crate) mod blocks;
pub(crate) mod capture;
pub(crate) mod context;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod export;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod generate;
pub(crate) mod groups;
pub(crate) mod identities;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod messages;
pub(crate) mod preview;
pub(crate) mod retrieve;
pub(crate) mod search;
pub(crate) mod sources;
pub(crate) mod summarize;
pub(crate) mod tools;
pub(crate) mod update;

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, de};
use utoipa::IntoParams;

use crate::{
    extract::ClientGeneration,
    managers::{
        agent::Include,
        schema::{AgentInclude, WireEnum},
    },
};

/// Which relationships to load.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct IncludeQuery {
    /// What to load with the agent. What is not loaded is empty or null. Clients other than the official SDKs of
    /// version 1 get everything when they name nothing.
    #[param(value_type = Vec<AgentInclude>, required = false)]
    include: Vec<Relationship>,
    /// The older form of `include`: `memory`, `tools`, `sources`, `tags`, `identity_ids`, `multi_agent_group`,
    /// `secrets`.
    #[param(value_type = Vec<String>, required = false)]
    #[deprecated]
    include_relationships: Option<Vec<String>>,
}

/// A relationship by its name, or by the older one without `agent.` before it.
#[derive(Debug, Clone, Copy)]
struct Relationship(AgentInclude);

impl<'de> Deserialize<'de> for Relationship {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let known = match text.as_ref() {
            "memory" => Ok(AgentInclude::Blocks),
            name if name.starts_with("agent.") => name.parse(),
            name => format!("agent.{name}").parse(),
        };
        known.map(Self).map_err(|_| de::Error::unknown_variant(&text, AgentInclude::TEXTS))
    }
}

impl IncludeQuery {
    /// What to load for this client.
    pub(crate) fn of(&self, client: ClientGeneration) -> Include {
        let include: Vec<AgentInclude> = self.include.iter().map(|relationship| relationship.0).collect();
        Include::decide(&include, self.include_relationships.as_deref(), !client.is_legacy())
    }
}
