//! Conversations: histories of an agent beside its default one.

pub(crate) mod cancel;
pub(crate) mod compact;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod fork;
pub(crate) mod import;
pub(crate) mod list;
pub(crate) mod messages;
pub(crate) mod preview;
pub(crate) mod recompile;
pub(crate) mod retrieve;
pub(crate) mod send;
pub(crate) mod stream;
pub(crate) mod update;

use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::ApiError,
    managers::{Error, schema::AgentId},
};

/// Whose default history is meant.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct DefaultOf {
    /// The id of the agent, with `default`.
    agent_id: Option<String>,
}

impl DefaultOf {
    /// The agent.
    pub(crate) fn agent(&self) -> Result<Option<AgentId>, ApiError> {
        Ok(self.agent_id.as_deref().map(str::parse).transpose().map_err(Error::from)?)
    }
}
