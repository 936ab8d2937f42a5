//! What agents in a file are made of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    CreateBlock, DEFAULT_RETURN_CHAR_LIMIT, EmbeddingConfig, FileProcessingStatus, FunctionToolCall, MessageContent,
    MessageRole, NpmRequirement, PipRequirement, StoredApproval, StoredToolReturn, Timestamp, ToolType, de,
};

/// A message in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = letta__schemas__agent_file__MessageSchema)]
pub struct ExportedMessage {
    /// Always `message`.
    #[serde(default = "message")]
    #[schema(default = "message")]
    pub r#type: Option<String>,
    /// The client's own id of the message.
    pub otid: Option<String>,
    /// The group that it was sent in, on the server that it comes from.
    pub group_id: Option<String>,
    /// Who it comes from.
    #[serde(deserialize_with = "de::known")]
    pub role: MessageRole,
    /// What it says.
    #[schema(inline)]
    pub content: MessageContent,
    /// The name of the sender.
    pub name: Option<String>,
    /// The id of the sender, on the server that it comes from.
    pub sender_id: Option<String>,
    /// The item of a batch that it was sent in.
    pub batch_item_id: Option<String>,
    /// Its id in the file.
    pub id: String,
    /// The model that wrote it.
    pub model: Option<String>,
    /// The agent, by its id in the file.
    pub agent_id: Option<String>,
    /// The tool calls.
    pub tool_calls: Option<Vec<FunctionToolCall>>,
    /// The first call that it answers.
    pub tool_call_id: Option<String>,
    /// What tools returned.
    pub tool_returns: Option<Vec<StoredToolReturn>>,
    /// When it was made.
    #[serde(default = "Timestamp::now")]
    #[schema(required = false)]
    pub created_at: Timestamp,
    /// The first of the client's approvals.
    pub approve: Option<bool>,
    /// The request that the client answers.
    pub approval_request_id: Option<String>,
    /// The reason of the first of the client's approvals.
    pub denial_reason: Option<String>,
    /// The client's answers to an approval request.
    #[schema(inline)]
    pub approvals: Option<Vec<StoredApproval>>,
}

#[allow(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn message() -> Option<String> {
    Some("message".to_owned())
}

/// A memory block in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = BlockSchema)]
pub struct ExportedBlock {
    /// What every new block has.
    #[serde(flatten)]
    pub block: CreateBlock,
    /// Its id in the file.
    pub id: String,
}

/// A tool in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = letta__schemas__agent_file__ToolSchema)]
pub struct ExportedTool {
    /// Its id in the file.
    pub id: String,
    /// Where it comes from.
    #[serde(default = "custom", deserialize_with = "de::known")]
    #[schema(default = "custom")]
    pub tool_type: ToolType,
    /// What it does, in a person's words.
    pub description: Option<String>,
    /// The language of the source.
    pub source_type: Option<String>,
    /// The name by which the model calls it.
    pub name: Option<String>,
    /// Words to find it by.
    #[serde(default, deserialize_with = "de::null_as_default")]
    #[schema(required = false)]
    pub tags: Vec<String>,
    /// The source; null for tools that are built in.
    pub source_code: Option<String>,
    /// The function as the model is told of it.
    pub json_schema: Option<Map<String, Value>>,
    /// The JSON schema of the arguments alone.
    pub args_json_schema: Option<Map<String, Value>>,
    /// How many characters of its return the model sees.
    #[serde(default = "return_char_limit")]
    #[schema(default = 50000, minimum = 1, maximum = 1000000)]
    pub return_char_limit: i64,
    /// Python packages that it needs.
    pub pip_requirements: Option<Vec<PipRequirement>>,
    /// Packages of npm that it needs.
    pub npm_requirements: Option<Vec<NpmRequirement>>,
    /// Whether agents that get it also get the rule that a person approves its calls.
    pub default_requires_approval: Option<bool>,
    /// Whether it may run at the same time as other tools.
    #[serde(default)]
    #[schema(default = false)]
    pub enable_parallel_execution: Option<bool>,
    /// Who made it, on the server that it comes from.
    pub created_by_id: Option<String>,
    /// Who changed it last, on the server that it comes from.
    pub last_updated_by_id: Option<String>,
    /// Data of the server and the client.
    pub metadata_: Option<Map<String, Value>>,
    /// The project that it belonged to.
    pub project_id: Option<String>,
}

const fn custom() -> ToolType {
    ToolType::Custom
}

const fn return_char_limit() -> i64 {
    DEFAULT_RETURN_CHAR_LIMIT
}

/// A folder in a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = SourceSchema)]
pub struct ExportedSource {
    /// The name.
    pub name: String,
    /// What is in it.
    pub description: Option<String>,
    /// How agents are to use it.
    pub instructions: Option<String>,
    /// Data of the client's own.
    pub metadata: Option<Map<String, Value>>,
    /// The handle of the model that embeds its files.
    pub embedding: Option<String>,
    /// The length of the pieces that files are cut into, in tokens.
    pub embedding_chunk_size: Option<i64>,
    /// The model that embeds its files, in full.
    #[serde(default, deserialize_with = "de::strict_option")]
    pub embedding_config: Option<EmbeddingConfig>,
    /// Its id in the file.
    pub id: String,
}

/// A file of a folder in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileSchema)]
pub struct ExportedFile {
    /// The folder.
    #[schema(deprecated)]
    pub source_id: String,
    /// The name that agents see.
    pub file_name: Option<String>,
    /// The name at upload.
    pub original_file_name: Option<String>,
    /// Where it was stored.
    pub file_path: Option<String>,
    /// The MIME type.
    pub file_type: Option<String>,
    /// The size in bytes.
    pub file_size: Option<i64>,
    /// When it was made, as its uploader said.
    pub file_creation_date: Option<String>,
    /// When it was last changed, as its uploader said.
    pub file_last_modified_date: Option<String>,
    /// How far it had been processed.
    #[serde(default = "pending", deserialize_with = "de::known")]
    #[schema(default = "pending")]
    pub processing_status: FileProcessingStatus,
    /// Why processing failed.
    pub error_message: Option<String>,
    /// How many pieces it had.
    pub total_chunks: Option<i64>,
    /// How many of them were embedded.
    pub chunks_embedded: Option<i64>,
    /// The text.
    pub content: Option<String>,
    /// Its id in the file.
    pub id: String,
}

const fn pending() -> FileProcessingStatus {
    FileProcessingStatus::Pending
}

/// A file as an agent in a file sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = FileAgentSchema)]
pub struct ExportedFileAgent {
    /// The agent.
    pub agent_id: String,
    /// The file.
    pub file_id: String,
    /// The folder.
    #[schema(deprecated)]
    pub source_id: String,
    /// The name that the agent sees.
    pub file_name: String,
    /// Whether the agent has the file open.
    #[serde(default = "yes")]
    #[schema(default = true)]
    pub is_open: bool,
    /// What the agent sees of it.
    pub visible_content: Option<String>,
    /// When the agent last opened, closed or searched it.
    pub last_accessed_at: Option<Timestamp>,
    /// The first line that it sees.
    pub start_line: Option<i64>,
    /// The last line that it sees.
    pub end_line: Option<i64>,
    /// The id of the connection on the server that it comes from.
    pub id: String,
}

const fn yes() -> bool {
    true
}

/// A server of the Model Context Protocol in a file, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = MCPServerSchema)]
pub struct ExportedMcpServer {
    /// Its id in the file.
    pub id: String,
    /// How it is spoken to: `sse`, `stdio` or `streamable_http`.
    pub server_type: String,
    /// The name.
    pub server_name: String,
    /// Where it is.
    pub server_url: Option<String>,
    /// How it is started, without its environment.
    pub stdio_config: Option<Map<String, Value>>,
    /// Data of the server and the client.
    pub metadata_: Option<Map<String, Value>>,
}

/// A skill: instructions with their material.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = SkillSchema)]
pub struct Skill {
    /// The name.
    pub name: String,
    /// The texts by their paths; `SKILL.md` among them, unless `source_url` is given.
    pub files: Option<BTreeMap<String, String>>,
    /// Where it can be had.
    pub source_url: Option<String>,
}

impl Skill {
    /// Whether its text is there, or it is said where it is.
    pub fn is_complete(&self) -> bool {
        self.source_url.is_some() || self.files.as_ref().is_some_and(|files| files.contains_key("SKILL.md"))
    }
}
