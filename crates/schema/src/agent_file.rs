//! Agent files (`.af`): agents with all that they are made of, in one JSON document that another server can import.
//!
//! What is in a file has ids of the file's own, `<kind>-<number>`, which its other parts refer to. They say nothing
//! about ids on any server.

mod agent;
mod group;
mod parts;

pub use agent::ExportedAgent;
pub use group::{
    ExportedDynamicManager, ExportedGroup, ExportedManagerConfig, ExportedSleeptimeManager, ExportedSupervisorManager,
    ExportedVoiceSleeptimeManager,
};
pub use parts::{
    ExportedBlock, ExportedFile, ExportedFileAgent, ExportedMcpServer, ExportedMessage, ExportedSource, ExportedTool,
    Skill,
};

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{ConversationId, Timestamp, de};

/// Agents with all that they are made of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = AgentFileSchema)]
pub struct AgentFile {
    /// The agents; the first is the one that was asked for.
    pub agents: Vec<ExportedAgent>,
    /// The groups that they manage.
    pub groups: Vec<ExportedGroup>,
    /// Their memory blocks, each once.
    pub blocks: Vec<ExportedBlock>,
    /// The files that they have.
    pub files: Vec<ExportedFile>,
    /// The folders that they have, and those of their files.
    pub sources: Vec<ExportedSource>,
    /// Their tools, each once.
    pub tools: Vec<ExportedTool>,
    /// The servers that some of the tools come from.
    pub mcp_servers: Vec<ExportedMcpServer>,
    /// Skills that travel with the agents. A server does nothing with them.
    #[serde(default, deserialize_with = "de::null_as_default")]
    #[schema(required = false)]
    pub skills: Vec<Skill>,
    /// Facts about the file: `revision_id`, the revision of its form.
    #[serde(default, deserialize_with = "de::null_as_default")]
    #[schema(required = false)]
    pub metadata: BTreeMap<String, String>,
    /// When the file was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
}

/// What an export is to hold besides the agent.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ExportAgentRequest {
    /// Skills to put into the file.
    #[schema(required = false)]
    pub skills: Vec<Skill>,
    /// The conversation whose messages are exported; null for the agent's default history.
    pub conversation_id: Option<ConversationId>,
    /// Whether the messages are left out.
    #[schema(default = false)]
    pub scrub_messages: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn agent() -> Value {
        json!({"id": "agent-0", "name": "Ada", "tool_ids": ["tool-0"], "block_ids": ["block-0"],
            "source_ids": null, "tags": ["t"], "include_base_tools": false, "a_new_member": 1})
    }

    #[test]
    fn an_agent_in_a_file_is_a_request_with_the_file_s_own_ids() {
        let agent: ExportedAgent = serde_json::from_value(agent()).unwrap();
        assert_eq!(agent.tool_ids.as_deref(), Some(["tool-0".to_owned()].as_slice()));
        assert_eq!(agent.agent.tool_ids, None);
        assert_eq!((agent.name.as_deref(), agent.agent.include_base_tools), (Some("Ada"), false));
        let json = serde_json::to_value(&agent).unwrap();
        assert_eq!((&json["tool_ids"], &json["block_ids"]), (&json!(["tool-0"]), &json!(["block-0"])));
        assert_eq!((&json["name"], &json["source_ids"]), (&json!("Ada"), &Value::Null));
        let text = serde_json::to_string(&agent).unwrap();
        assert_eq!(text.matches("\"tool_ids\"").count(), 1, "{text}");
    }

    #[test]
    fn what_is_missing_in_a_file_is_named() {
        let error = serde_json::from_value::<AgentFile>(json!({"agents": []})).unwrap_err();
        assert!(error.to_string().contains("missing field `groups`"), "{error}");
        let error = serde_json::from_value::<ExportedBlock>(json!({"id": "block-0", "value": "v"})).unwrap_err();
        assert!(error.to_string().contains("label"), "{error}");
    }

    #[test]
    fn a_skill_has_its_text_or_says_where_it_is() {
        let is_complete = |json: Value| serde_json::from_value::<Skill>(json).unwrap().is_complete();
        assert!(is_complete(json!({"name": "s", "source_url": "https://example.com/s"})));
        assert!(is_complete(json!({"name": "s", "files": {"SKILL.md": "# s"}})));
        assert!(is_complete(json!({"name": "s", "files": {"x.md": ""}, "source_url": "https://example.com/s"})));
        assert!(!is_complete(json!({"name": "s"})));
        assert!(!is_complete(json!({"name": "s", "files": {"x.md": ""}})));
    }
}
