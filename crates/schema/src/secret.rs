//! Secrets of an agent: environment variables of its tools.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgentEnvId, AgentId, Timestamp, UserId};

/// A secret of an agent.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentEnvironmentVariable {
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// The id.
    pub id: AgentEnvId,
    /// The name of the variable; unique within the agent.
    pub key: String,
    /// The value in the clear.
    pub value: String,
    /// What it is for.
    pub description: Option<String>,
    /// The encrypted value. Not shown: always null.
    pub value_enc: Option<String>,
    /// The agent.
    pub agent_id: AgentId,
}

/// Logs and panics must not show the value.
impl std::fmt::Debug for AgentEnvironmentVariable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentEnvironmentVariable")
            .field("id", &self.id)
            .field("key", &self.key)
            .field("agent_id", &self.agent_id)
            .finish_non_exhaustive()
    }
}
