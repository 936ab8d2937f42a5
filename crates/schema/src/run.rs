//! Runs: all that one request made an agent do.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    AgentId, ConversationId, DEFAULT_MESSAGE_TOOL, DEFAULT_MESSAGE_TOOL_KWARG, MessageType, RunId, RunStatus,
    StopReason, Timestamp, WireOptions,
};

/// A run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Run {
    /// The id.
    pub id: RunId,
    /// How far it has come.
    #[serde(default = "created")]
    pub status: RunStatus,
    /// When it was made.
    #[serde(default = "Timestamp::now")]
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default)]
    pub completed_at: Option<Timestamp>,
    /// The agent.
    pub agent_id: AgentId,
    /// The conversation; null for the agent's default history.
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub base_template_id: Option<String>,
    /// Whether it goes on without the client.
    #[serde(default)]
    pub background: Option<bool>,
    /// More about it: `run_type`, and `error` when it failed.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// How its messages are to be shown.
    #[serde(default)]
    pub request_config: Option<RunRequestConfig>,
    /// Why it stopped.
    #[serde(default)]
    pub stop_reason: Option<StopReason>,
    /// Where to post the result.
    #[serde(default)]
    pub callback_url: Option<String>,
    /// When the result was posted.
    #[serde(default)]
    pub callback_sent_at: Option<Timestamp>,
    /// How the receiver answered.
    #[serde(default)]
    pub callback_status_code: Option<i64>,
    /// Why the result could not be posted.
    #[serde(default)]
    pub callback_error: Option<String>,
    /// Nanoseconds to the first piece of an answer.
    #[serde(default)]
    pub ttft_ns: Option<i64>,
    /// Nanoseconds from start to end.
    #[serde(default)]
    pub total_duration_ns: Option<i64>,
}

const fn created() -> RunStatus {
    RunStatus::Created
}

/// What a run keeps of its request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = LettaRequestConfig)]
#[serde(default)]
pub struct RunRequestConfig {
    /// Whether calls of the message tool are shown as assistant messages.
    pub use_assistant_message: bool,
    /// The name of the message tool.
    pub assistant_message_tool_name: String,
    /// The argument of the message tool that holds the message.
    pub assistant_message_tool_kwarg: String,
    /// The kinds of messages to return; none, or an empty list: all.
    pub include_return_message_types: Option<Vec<MessageType>>,
}

impl Default for RunRequestConfig {
    fn default() -> Self {
        Self {
            use_assistant_message: true,
            assistant_message_tool_name: DEFAULT_MESSAGE_TOOL.to_owned(),
            assistant_message_tool_kwarg: DEFAULT_MESSAGE_TOOL_KWARG.to_owned(),
            include_return_message_types: None,
        }
    }
}

impl RunRequestConfig {
    /// The usual form, of these kinds of messages alone; none: of all.
    #[must_use]
    pub fn of_types(types: Vec<MessageType>) -> Self {
        Self { include_return_message_types: (!types.is_empty()).then_some(types), ..Self::default() }
    }

    /// How the run's messages are shown, for an agent whose text is what it says, or what it thinks.
    #[must_use]
    pub fn wire_options(&self, text_is_assistant: bool) -> WireOptions {
        WireOptions {
            text_is_assistant,
            use_assistant_message: self.use_assistant_message,
            assistant_message_tool_name: self.assistant_message_tool_name.clone(),
            assistant_message_tool_kwarg: self.assistant_message_tool_kwarg.clone(),
            include_types: self.include_return_message_types.clone(),
            ..WireOptions::default()
        }
    }
}

/// How long a run took, and what it used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RunMetrics {
    /// The id of the run.
    pub id: RunId,
    /// The agent.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The project of the agent.
    #[serde(default)]
    pub project_id: Option<String>,
    /// When it began: nanoseconds since 1970.
    #[serde(default)]
    pub run_start_ns: Option<i64>,
    /// How long it took, in nanoseconds; null until it ends.
    #[serde(default)]
    pub run_ns: Option<i64>,
    /// How many steps it took.
    #[serde(default)]
    pub num_steps: Option<i64>,
    /// The ids of the tools that it called.
    #[serde(default)]
    pub tools_used: Option<Vec<String>>,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub template_id: Option<String>,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub base_template_id: Option<String>,
}

/// What a run used: sums over its steps.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = UsageStatistics)]
#[serde(default)]
pub struct RunUsage {
    /// The tokens that the model wrote.
    pub completion_tokens: i64,
    /// The tokens that the model read.
    pub prompt_tokens: i64,
    /// Both.
    pub total_tokens: i64,
    /// More about what it read; null if no step reported it.
    pub prompt_tokens_details: Option<PromptTokenDetails>,
    /// More about what it wrote; null if no step reported it.
    pub completion_tokens_details: Option<CompletionTokenDetails>,
}

/// More about the tokens that a model read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = UsageStatisticsPromptTokenDetails)]
#[serde(default)]
pub struct PromptTokenDetails {
    /// Those from the provider's cache (OpenAI, Gemini).
    pub cached_tokens: Option<i64>,
    /// Those from the provider's cache (Anthropic).
    pub cache_read_tokens: Option<i64>,
    /// Those written to the provider's cache (Anthropic).
    pub cache_creation_tokens: Option<i64>,
}

/// More about the tokens that a model wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[schema(as = UsageStatisticsCompletionTokenDetails)]
#[serde(default)]
pub struct CompletionTokenDetails {
    /// Those of reasoning.
    pub reasoning_tokens: Option<i64>,
}
