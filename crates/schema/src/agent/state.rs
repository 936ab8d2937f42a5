//! An agent as it is answered.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    AgentEnvironmentVariable, AgentId, AgentType, ApprovalRequestMessage, Block, CompactionSettings, EmbeddingConfig,
    Group, Identity, IdentityId, LlmConfig, Memory, MessageId, ModelSettings, ResponseFormat, Source, StopReason,
    Timestamp, Tool, ToolRule, UserId, de,
};

/// An agent.
///
/// Relationships (blocks, tools, sources, tags, identities, groups, secrets) are empty unless they were asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentState {
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// The id.
    pub id: AgentId,
    /// The name; not unique.
    pub name: String,
    /// The rules for its tools.
    #[serde(default, deserialize_with = "de::lenient_list")]
    pub tool_rules: Option<Vec<ToolRule>>,
    /// The messages that the model sees, oldest first; the first is the compiled system prompt.
    pub message_ids: Option<Vec<MessageId>>,
    /// The system prompt as it was given, before memory is added.
    pub system: String,
    /// What it is built to do.
    pub agent_type: AgentType,
    /// The chat model, in full.
    #[schema(deprecated)]
    pub llm_config: LlmConfig,
    /// The embedding model, in full.
    #[schema(deprecated)]
    pub embedding_config: Option<EmbeddingConfig>,
    /// The handle of the chat model.
    pub model: Option<String>,
    /// The handle of the embedding model.
    pub embedding: Option<String>,
    /// The chat model's parameters.
    #[serde(default, deserialize_with = "de::lenient_option")]
    pub model_settings: Option<ModelSettings>,
    /// How its conversation is shortened when it grows too long.
    pub compaction_settings: Option<CompactionSettings>,
    /// The form that its answers have.
    #[serde(default, deserialize_with = "de::lenient_option")]
    pub response_format: Option<ResponseFormat>,
    /// What it is for.
    pub description: Option<String>,
    /// Data of the client's own.
    pub metadata: Option<Map<String, Value>>,
    /// Its blocks and files as one object.
    #[serde(default)]
    #[schema(required, deprecated)]
    pub memory: Memory,
    /// Its memory blocks.
    #[serde(default)]
    #[schema(required)]
    pub blocks: Vec<Block>,
    /// Its tools.
    #[serde(default)]
    #[schema(required)]
    pub tools: Vec<Tool>,
    /// Its folders.
    #[serde(default)]
    #[schema(required, deprecated)]
    pub sources: Vec<Source>,
    /// Words to find it by.
    #[serde(default)]
    #[schema(required)]
    pub tags: Vec<String>,
    /// The same as `secrets`.
    #[serde(default)]
    #[schema(deprecated)]
    pub tool_exec_environment_variables: Vec<AgentEnvironmentVariable>,
    /// The environment variables of its tools.
    #[serde(default)]
    pub secrets: Vec<AgentEnvironmentVariable>,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// The template that it was made from.
    pub template_id: Option<String>,
    /// The template that this template was made from.
    pub base_template_id: Option<String>,
    /// The deployment that made it.
    pub deployment_id: Option<String>,
    /// What it is called in its template.
    pub entity_id: Option<String>,
    /// The ids of `identities`.
    #[serde(default)]
    #[schema(deprecated)]
    pub identity_ids: Vec<IdentityId>,
    /// Whom it works for.
    #[serde(default)]
    pub identities: Vec<Identity>,
    /// The tool calls that wait for a person's approval.
    pub pending_approval: Option<ApprovalRequestMessage>,
    /// Whether it forgets the conversation after each request.
    #[serde(default)]
    #[schema(default = false)]
    pub message_buffer_autoclear: bool,
    /// Whether a background agent tends its memory.
    pub enable_sleeptime: Option<bool>,
    /// The same as `managed_group`.
    #[schema(deprecated)]
    pub multi_agent_group: Option<Group>,
    /// The group that it manages.
    pub managed_group: Option<Group>,
    /// When its last run ended.
    pub last_run_completion: Option<Timestamp>,
    /// How long its last run took, in milliseconds.
    pub last_run_duration_ms: Option<i64>,
    /// Why its last run stopped.
    pub last_stop_reason: Option<StopReason>,
    /// The time zone in which it tells the time: an IANA name.
    pub timezone: Option<String>,
    /// How many files it may have open.
    pub max_files_open: Option<i64>,
    /// How many characters of each open file it sees.
    pub per_file_view_window_char_limit: Option<i64>,
    /// Whether lists leave it out.
    pub hidden: Option<bool>,
}
