//! The recorded request and answer of a model call.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{AgentId, OrganizationId, ProviderTraceId, RunId, StepId, Timestamp, UserId};

/// The recorded request and answer of a model call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProviderTrace {
    /// The id.
    pub id: ProviderTraceId,
    /// The request as it was sent, without keys.
    #[schema(value_type = Object)]
    pub request_json: Map<String, Value>,
    /// The answer, or `error` and `error_type`.
    #[schema(value_type = Object)]
    pub response_json: Map<String, Value>,
    /// The step that made the call.
    #[serde(default)]
    pub step_id: Option<StepId>,
    /// The agent.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The tags of the agent.
    #[serde(default)]
    pub agent_tags: Option<Vec<String>>,
    /// What the call was for: `agent_step`, `summarization`, `tool_generation`.
    #[serde(default)]
    pub call_type: Option<String>,
    /// The run.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// The name of the server that made the call.
    #[serde(default)]
    pub source: Option<String>,
    /// The organization.
    #[serde(default)]
    pub org_id: Option<OrganizationId>,
    /// How the conversation was to be shortened, for summaries.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub compaction_settings: Option<Map<String, Value>>,
    /// The configuration of the model.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub llm_config: Option<Map<String, Value>>,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub billing_context: Option<BillingContext>,
    /// When the call was made.
    #[serde(default = "Timestamp::now")]
    pub created_at: Timestamp,
    /// When the record was last changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// Who made the request.
    #[serde(default)]
    pub created_by_id: Option<UserId>,
    /// Who last changed the record.
    #[serde(default)]
    pub last_updated_by_id: Option<UserId>,
}

/// Who pays for a model call. Not used; kept for old clients.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct BillingContext {
    /// The plan.
    pub plan_type: Option<String>,
    /// Where the price comes from.
    pub cost_source: Option<String>,
    /// The customer.
    pub customer_id: Option<String>,
}

/// A part of the time of a run, in the columns that OpenTelemetry's exporters give to spans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Span {
    /// When it began, to the nanosecond.
    pub timestamp: String,
    /// 32 hex digits that all spans of a run share.
    pub trace_id: String,
    /// 16 hex digits.
    pub span_id: String,
    /// The span that this one is a part of; empty for the run itself.
    pub parent_span_id: String,
    /// Always empty.
    pub trace_state: String,
    /// What took the time: `agent_step`, `agent._execute_tool`, `time_to_first_token`, or the kind of the run.
    pub span_name: String,
    /// Always `Internal`.
    pub span_kind: String,
    /// The server's name.
    pub service_name: String,
    /// Always empty.
    pub resource_attributes: BTreeMap<String, String>,
    /// The server's name.
    pub scope_name: String,
    /// The server's version.
    pub scope_version: String,
    /// More about it.
    pub span_attributes: BTreeMap<String, String>,
    /// How long it took, in nanoseconds.
    pub duration: i64,
    /// `Ok` or `Error`.
    pub status_code: String,
    /// Always empty.
    pub status_message: String,
}
