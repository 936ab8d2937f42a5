//! Agents.

mod create;
mod state;
mod update;

pub use create::{CreateAgent, InternalTemplateAgentCreate};
pub use state::AgentState;
pub use update::UpdateAgent;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgentId, FileAgentId, FileId, SourceId, Timestamp};

wire_enum! {
    /// A relationship that is loaded with an agent when it is asked for.
    closed enum AgentInclude ("AgentInclude", "include") {
        Blocks = "agent.blocks",
        Identities = "agent.identities",
        ManagedGroup = "agent.managed_group",
        PendingApproval = "agent.pending_approval",
        Secrets = "agent.secrets",
        Sources = "agent.sources",
        Tags = "agent.tags",
        Tools = "agent.tools",
    }
}

/// The agents that an import has made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportedAgentsResponse {
    /// Their ids, in the order of the file.
    pub agent_ids: Vec<AgentId>,
}

/// A file as one agent sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AgentFileAttachment {
    /// The id of the connection between agent and file.
    pub id: FileAgentId,
    /// The file.
    pub file_id: FileId,
    /// Its name.
    pub file_name: String,
    /// Its folder.
    pub folder_id: SourceId,
    /// The folder's name.
    pub folder_name: String,
    /// Whether the agent has the file open.
    pub is_open: bool,
    /// When the agent last opened, closed or searched it.
    pub last_accessed_at: Option<Timestamp>,
    /// What the agent sees of it.
    pub visible_content: Option<String>,
    /// The first line that it sees, from 1.
    pub start_line: Option<i64>,
    /// The last line that it sees.
    pub end_line: Option<i64>,
}

/// A page of an agent's files.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PaginatedAgentFiles {
    /// The files.
    pub files: Vec<AgentFileAttachment>,
    /// The cursor of the next page.
    pub next_cursor: Option<String>,
    /// Whether there is a next page.
    pub has_more: bool,
}
