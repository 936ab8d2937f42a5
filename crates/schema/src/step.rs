//! Steps: one model call and the tools that it called.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{
    AgentId, CompletionTokenDetails, FeedbackType, PromptTokenDetails, RunId, StepId, StepStatus, StopReason,
    StoredMessage,
};

/// A step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// The id.
    pub id: StepId,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub origin: Option<String>,
    /// The id of the provider, if it is the organization's own.
    #[serde(default)]
    pub provider_id: Option<String>,
    /// The run.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// The agent.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The kind of provider.
    #[serde(default)]
    pub provider_name: Option<String>,
    /// Whose key was used: `base` for the server's, `byok` for the organization's.
    #[serde(default)]
    pub provider_category: Option<String>,
    /// The name of the model.
    #[serde(default)]
    pub model: Option<String>,
    /// The handle of the model.
    #[serde(default)]
    pub model_handle: Option<String>,
    /// The address of the model's server.
    #[serde(default)]
    pub model_endpoint: Option<String>,
    /// The context window, in tokens.
    #[serde(default)]
    pub context_window_limit: Option<i64>,
    /// The tokens that the model wrote.
    #[serde(default)]
    pub completion_tokens: Option<i64>,
    /// The tokens that the model read.
    #[serde(default)]
    pub prompt_tokens: Option<i64>,
    /// Both.
    #[serde(default)]
    pub total_tokens: Option<i64>,
    /// The tokens read from the provider's cache.
    #[serde(default)]
    pub cached_input_tokens: Option<i64>,
    /// The tokens written to the provider's cache.
    #[serde(default)]
    pub cache_write_tokens: Option<i64>,
    /// The tokens of reasoning.
    #[serde(default)]
    pub reasoning_tokens: Option<i64>,
    /// More about what it wrote.
    #[serde(default)]
    pub completion_tokens_details: Option<CompletionTokenDetails>,
    /// More about what it read.
    #[serde(default)]
    pub prompt_tokens_details: Option<PromptTokenDetails>,
    /// Why the run stopped, on its last step.
    #[serde(default)]
    pub stop_reason: Option<StopReason>,
    /// Tags given with feedback.
    #[serde(default, deserialize_with = "crate::de::null_as_default")]
    #[schema(required = false)]
    pub tags: Vec<String>,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub tid: Option<String>,
    /// The trace of the request.
    #[serde(default)]
    pub trace_id: Option<String>,
    /// The client's own id of the request.
    #[serde(default)]
    pub request_id: Option<String>,
    /// Always empty; kept for old clients.
    #[serde(default, deserialize_with = "crate::de::null_as_default")]
    #[schema(required = false, deprecated)]
    pub messages: Vec<StoredMessage>,
    /// What the user thinks of it.
    #[serde(default)]
    pub feedback: Option<FeedbackType>,
    /// The project of the agent.
    #[serde(default)]
    pub project_id: Option<String>,
    /// The class of the error, when it failed.
    #[serde(default)]
    pub error_type: Option<String>,
    /// More about the error: `message`, `traceback`, `details`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub error_data: Option<Map<String, Value>>,
    /// How far it has come.
    #[serde(default = "pending")]
    pub status: Option<StepStatus>,
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
const fn pending() -> Option<StepStatus> {
    Some(StepStatus::Pending)
}

/// How long the parts of a step took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StepMetrics {
    /// The id of the step.
    pub id: StepId,
    /// The id of the provider, if it is the organization's own.
    #[serde(default)]
    pub provider_id: Option<String>,
    /// The run.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// The agent.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// When it began: nanoseconds since 1970.
    #[serde(default)]
    pub step_start_ns: Option<i64>,
    /// When the model was asked: nanoseconds since 1970.
    #[serde(default)]
    pub llm_request_start_ns: Option<i64>,
    /// How long the model took, in nanoseconds.
    #[serde(default)]
    pub llm_request_ns: Option<i64>,
    /// How long the tools took, in nanoseconds.
    #[serde(default)]
    pub tool_execution_ns: Option<i64>,
    /// How long all took, in nanoseconds.
    #[serde(default)]
    pub step_ns: Option<i64>,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub base_template_id: Option<String>,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub template_id: Option<String>,
    /// The project of the agent.
    #[serde(default)]
    pub project_id: Option<String>,
}

/// What a user thinks of a step.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct ModifyFeedbackRequest {
    /// The feedback; absent or null takes it back.
    pub feedback: Option<FeedbackType>,
    /// The step's new tags; absent, null or empty: no change.
    pub tags: Option<Vec<String>>,
}
