//! What fills the context window of an agent's model.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{StoredMessage, tagged::tagged_struct};

/// What an agent's model would be sent now, part by part, with the tokens of each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ContextWindowOverview {
    /// The tokens that fit into the window.
    pub context_window_size_max: i64,
    /// The tokens of all parts.
    pub context_window_size_current: i64,
    /// The messages in context, the system message among them.
    pub num_messages: i64,
    /// The passages in the agent's archives.
    pub num_archival_memory: i64,
    /// All stored messages of the agent.
    pub num_recall_memory: i64,
    /// The tokens of `external_memory_summary`.
    pub num_tokens_external_memory_summary: i64,
    /// What the agent is told about what is not in its context.
    pub external_memory_summary: String,
    /// The tokens of `system_prompt`.
    pub num_tokens_system: i64,
    /// The agent's instructions.
    pub system_prompt: String,
    /// The tokens of `core_memory`.
    pub num_tokens_core_memory: i64,
    /// The memory blocks as they are shown; empty when there are none.
    pub core_memory: String,
    /// The tokens of `memory_filesystem`.
    #[serde(default)]
    pub num_tokens_memory_filesystem: i64,
    /// The files of a memory that is kept as files.
    #[serde(default)]
    pub memory_filesystem: Option<String>,
    /// The tokens of `tool_usage_rules`.
    #[serde(default)]
    pub num_tokens_tool_usage_rules: i64,
    /// What the agent is told about the order of its tools.
    #[serde(default)]
    pub tool_usage_rules: Option<String>,
    /// The tokens of `directories`.
    #[serde(default)]
    pub num_tokens_directories: i64,
    /// The attached folders as they are shown.
    #[serde(default)]
    pub directories: Option<String>,
    /// The tokens of `summary_memory`.
    pub num_tokens_summary_memory: i64,
    /// The summary that stands for older messages, if the context begins with one.
    #[serde(default)]
    #[schema(required)]
    pub summary_memory: Option<String>,
    /// The tokens of `functions_definitions`.
    pub num_tokens_functions_definitions: i64,
    /// The tools as the model is told of them.
    #[serde(default)]
    #[schema(required)]
    pub functions_definitions: Option<Vec<FunctionTool>>,
    /// The tokens of the messages after the system message and the summary.
    pub num_tokens_messages: i64,
    /// The messages in context.
    pub messages: Vec<StoredMessage>,
}

tagged_struct! {
    always "type" = "function", as "FunctionTool";
    /// A tool as most model providers are told of it.
    pub struct FunctionTool {
        /// The tool.
        pub function: FunctionDefinition,
    }
}

/// The schema of a tool, for a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FunctionDefinition {
    /// The name the model calls it by.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub description: Option<String>,
    /// The JSON schema of its arguments.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Whether the arguments are held strictly to the schema.
    #[serde(default)]
    pub strict: Option<bool>,
}
