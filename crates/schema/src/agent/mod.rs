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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{AgentType, Patch};

    fn refusal<T: serde::de::DeserializeOwned + std::fmt::Debug>(json: Value) -> String {
        serde_json::from_value::<T>(json).unwrap_err().to_string()
    }

    #[test]
    fn an_empty_request_makes_an_agent_with_all_defaults() {
        let agent: CreateAgent = serde_json::from_value(json!({})).unwrap();
        assert_eq!(agent, CreateAgent::default());
        assert_eq!(agent.agent_type, AgentType::LettaV1Agent);
        assert!(agent.include_base_tools && agent.enable_reasoner == Some(true));
        assert_eq!(agent.embedding_chunk_size, Some(300));
    }

    #[test]
    fn a_request_with_something_wrong_says_what() {
        for (json, says) in [
            (json!({"name": null}), "null"),
            (json!({"agent_type": "telepath"}), "Invalid agent_type 'telepath'. Must be one of: memgpt_agent"),
            (json!({"agent_type": "unknown"}), "Invalid agent_type 'unknown'"),
            (json!({"tool_ids": ["tool-1"]}), "Invalid tool ID format: tool-1"),
            (json!({"model_settings": {}}), "provider_type"),
            (
                json!({"llm_config": {"model": "m", "model_endpoint_type": "telepathy", "context_window": 1}}),
                "Invalid model_endpoint_type 'telepathy'",
            ),
            (json!({"memory_blocks": [{"value": "v"}]}), "label"),
        ] {
            let error = refusal::<CreateAgent>(json);
            assert!(error.contains(says), "{error}");
        }
        let error = refusal::<UpdateAgent>(json!({"last_stop_reason": "bored"}));
        assert!(error.contains("Invalid stop_reason 'bored'"), "{error}");
    }

    #[test]
    fn an_update_knows_null_from_absent() {
        let update: UpdateAgent = serde_json::from_value(json!({"max_tokens": null, "name": "x"})).unwrap();
        assert_eq!(update.max_tokens, Patch::Null);
        assert_eq!(update.name, Patch::Value("x".to_owned()));
        assert!(update.system.is_absent());
        assert_eq!(serde_json::to_value(update).unwrap(), json!({"name": "x", "max_tokens": null}));
    }

    #[test]
    fn an_agent_of_a_newer_server_can_be_read() {
        let agent: AgentState = serde_json::from_value(json!({
            "id": AgentId::random(), "name": "n", "system": "", "agent_type": "telepath", "a_new_member": 1,
            "llm_config": {"model": "m", "model_endpoint_type": "telepathy", "context_window": 1, "effort": "heroic"},
            "tool_rules": [{"type": "whimsical", "tool_name": "t"}, {"type": "exit_loop", "tool_name": "t"}],
            "last_stop_reason": "bored",
        }))
        .unwrap();
        assert_eq!(agent.agent_type, AgentType::Unknown);
        assert_eq!(agent.tool_rules.unwrap().len(), 1);
    }
}
