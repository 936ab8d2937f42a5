//! An agent that is to be made.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{
    AgentType, BlockId, CompactionSettingsInput, CreateBlock, EmbeddingConfig, IdentityId, LlmConfig, MessageCreate,
    ModelSettings, ResponseFormat, SourceId, ToolId, ToolRule, de, deployment,
};

/// An agent that is to be made.
///
/// ```
/// use muisti_schema::{CreateAgent, CreateBlock};
///
/// let agent = CreateAgent {
///     model: Some("openai/gpt-4o-mini".to_owned()),
///     memory_blocks: Some(vec![CreateBlock::new("human", "Nothing known yet.")]),
///     ..CreateAgent::default()
/// };
/// # let _ = agent;
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = CreateAgentRequest)]
#[serde(default)]
pub struct CreateAgent {
    /// The name; absent for a random one.
    #[serde(deserialize_with = "de::not_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    pub name: Option<String>,
    /// Blocks to be made for it.
    pub memory_blocks: Option<Vec<CreateBlock>>,
    /// Tools by name.
    pub tools: Option<Vec<String>>,
    /// Tools by id.
    pub tool_ids: Option<Vec<ToolId>>,
    /// Folders; `folder_ids` wins.
    #[schema(deprecated)]
    pub source_ids: Option<Vec<SourceId>>,
    /// Folders.
    pub folder_ids: Option<Vec<SourceId>>,
    /// Blocks that exist already.
    pub block_ids: Option<Vec<BlockId>>,
    /// The rules for its tools.
    pub tool_rules: Option<Vec<ToolRule>>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// The system prompt; null for the one of its type.
    pub system: Option<String>,
    /// What it is built to do.
    #[serde(deserialize_with = "de::known")]
    #[schema(default = "letta_v1_agent")]
    pub agent_type: AgentType,
    /// The messages that the conversation begins with; null for those of its type.
    pub initial_message_sequence: Option<Vec<MessageCreate>>,
    /// Whether it gets the tools of its type.
    #[schema(default = true)]
    pub include_base_tools: bool,
    /// Whether it gets the tools for talking to other agents.
    #[schema(default = false)]
    pub include_multi_agent_tools: bool,
    /// Whether it gets the rules that belong to its tools; null lets the model decide.
    pub include_base_tool_rules: Option<bool>,
    /// Whether it gets a folder of its own.
    #[schema(default = false, deprecated)]
    pub include_default_source: bool,
    /// What it is for.
    pub description: Option<String>,
    /// Data of the client's own.
    pub metadata: Option<Map<String, Value>>,
    /// The chat model, in full; wins over `model`.
    #[serde(deserialize_with = "de::strict_option")]
    #[schema(deprecated)]
    pub llm_config: Option<LlmConfig>,
    /// The embedding model, in full; wins over `embedding`.
    #[serde(deserialize_with = "de::strict_option")]
    #[schema(deprecated)]
    pub embedding_config: Option<EmbeddingConfig>,
    /// The handle of the chat model: `provider/model`.
    pub model: Option<String>,
    /// The handle of the embedding model: `provider/model`.
    pub embedding: Option<String>,
    /// The chat model's parameters.
    pub model_settings: Option<ModelSettings>,
    /// How its conversation is shortened when it grows too long.
    pub compaction_settings: Option<CompactionSettingsInput>,
    /// How many tokens fit into one call; null for what the model allows.
    pub context_window_limit: Option<i64>,
    /// The length of the pieces that texts are cut into for embedding, in tokens.
    #[schema(default = 300, deprecated)]
    pub embedding_chunk_size: Option<i64>,
    /// How many tokens an answer may have.
    #[schema(deprecated)]
    pub max_tokens: Option<i64>,
    /// How many tokens of thought are allowed.
    #[schema(deprecated)]
    pub max_reasoning_tokens: Option<i64>,
    /// Whether a model that can think does.
    #[schema(default = true, deprecated)]
    pub enable_reasoner: Option<bool>,
    /// Whether a model that can think does, and others say their thoughts.
    #[schema(deprecated)]
    pub reasoning: Option<bool>,
    /// Accepted for compatibility, without effect.
    #[schema(deprecated)]
    pub from_template: Option<String>,
    /// Accepted for compatibility, without effect.
    #[schema(default = false, deprecated)]
    pub template: bool,
    /// Accepted for compatibility, without effect.
    #[schema(deprecated)]
    pub project: Option<String>,
    /// The environment variables of its tools; `secrets` wins.
    #[schema(deprecated)]
    pub tool_exec_environment_variables: Option<BTreeMap<String, String>>,
    /// The environment variables of its tools.
    pub secrets: Option<BTreeMap<String, String>>,
    /// Accepted for compatibility, without effect.
    #[schema(deprecated)]
    pub memory_variables: Option<BTreeMap<String, String>>,
    /// The project that it belongs to.
    #[schema(deprecated)]
    pub project_id: Option<String>,
    /// The template that it is made from.
    #[schema(deprecated)]
    pub template_id: Option<String>,
    /// The template that this template was made from.
    #[schema(deprecated)]
    pub base_template_id: Option<String>,
    /// Whom it works for.
    pub identity_ids: Option<Vec<IdentityId>>,
    /// Whether it forgets the conversation after each request.
    #[schema(default = false)]
    pub message_buffer_autoclear: bool,
    /// Whether a background agent tends its memory.
    pub enable_sleeptime: Option<bool>,
    /// The form that its answers have.
    #[schema(deprecated)]
    pub response_format: Option<ResponseFormat>,
    /// The time zone in which it tells the time: an IANA name; null is UTC.
    pub timezone: Option<String>,
    /// How many files it may have open; null goes by the context window.
    pub max_files_open: Option<i64>,
    /// How many characters of each open file it sees; null goes by the context window.
    pub per_file_view_window_char_limit: Option<i64>,
    /// Whether lists leave it out.
    #[schema(deprecated)]
    pub hidden: Option<bool>,
    /// Whether the model may call several tools at once.
    #[schema(deprecated)]
    pub parallel_tool_calls: Option<bool>,
}

impl Default for CreateAgent {
    fn default() -> Self {
        Self {
            name: None,
            memory_blocks: None,
            tools: None,
            tool_ids: None,
            source_ids: None,
            folder_ids: None,
            block_ids: None,
            tool_rules: None,
            tags: None,
            system: None,
            agent_type: AgentType::LettaV1Agent,
            initial_message_sequence: None,
            include_base_tools: true,
            include_multi_agent_tools: false,
            include_base_tool_rules: None,
            include_default_source: false,
            description: None,
            metadata: None,
            llm_config: None,
            embedding_config: None,
            model: None,
            embedding: None,
            model_settings: None,
            compaction_settings: None,
            context_window_limit: None,
            embedding_chunk_size: Some(crate::DEFAULT_EMBEDDING_CHUNK_SIZE),
            max_tokens: None,
            max_reasoning_tokens: None,
            enable_reasoner: Some(true),
            reasoning: None,
            from_template: None,
            template: false,
            project: None,
            tool_exec_environment_variables: None,
            secrets: None,
            memory_variables: None,
            project_id: None,
            template_id: None,
            base_template_id: None,
            identity_ids: None,
            message_buffer_autoclear: false,
            enable_sleeptime: None,
            response_format: None,
            timezone: None,
            max_files_open: None,
            per_file_view_window_char_limit: None,
            hidden: None,
            parallel_tool_calls: None,
        }
    }
}

/// An agent that a template makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InternalTemplateAgentCreate {
    /// What every new agent has. Its `llm_config`, `template_id` and `base_template_id` are required.
    #[serde(flatten, deserialize_with = "of_template")]
    pub agent: CreateAgent,
    /// The deployment that makes it.
    pub deployment_id: String,
    /// What it is called in its template.
    pub entity_id: String,
}

impl PartialSchema for InternalTemplateAgentCreate {
    fn schema() -> RefOr<Schema> {
        deployment::made_from_template::<CreateAgent>("An agent that a template makes. Its `llm_config` is required.")
    }
}

impl ToSchema for InternalTemplateAgentCreate {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        deployment::parts::<CreateAgent>(schemas);
    }
}

/// Reads an agent that says which template it is made from.
fn of_template<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CreateAgent, D::Error> {
    let agent = CreateAgent::deserialize(deserializer)?;
    de::required("template_id", agent.template_id.as_ref())?;
    de::required("base_template_id", agent.base_template_id.as_ref())?;
    Ok(agent)
}
