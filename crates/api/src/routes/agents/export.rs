//! `/v1/agents/{agent_id}/export`

use actix_web::{HttpResponse, http::header::ContentType, web::Data};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::ApiError,
    extract::{OptionalJsonBody, PathId, Query, RequestActor},
    managers::{
        Services,
        agent_file::ExportOptions,
        schema::{AgentFile, AgentId, ConversationId, ExportAgentRequest},
    },
};

/// What an export holds.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ExportQuery {
    /// The conversation whose messages are exported, instead of the agent's default history.
    #[param(value_type = Option<String>)]
    conversation_id: Option<ConversationId>,
    /// Whether messages are left out.
    #[param(required = false, default = false)]
    scrub_messages: bool,
    /// Ignored.
    #[param(value_type = i64, required = false, default = 100)]
    #[deprecated]
    max_steps: Option<i64>,
    /// The older form of agent files is not written any more.
    #[param(required = false, default = false)]
    #[deprecated]
    use_legacy_format: bool,
}

/// What some clients send with an export. It is ignored.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[schema(as = Body_export_agent)]
#[allow(dead_code, reason = "only for the document")]
pub(crate) struct ExportBody {
    /// Ignored.
    spec: Option<AgentFile>,
    /// Ignored.
    #[schema(value_type = Option<Object>)]
    legacy_spec: Option<serde_json::Value>,
}

/// Export an agent.
///
/// Everything that the agent is made of, as the text of an agent file: blocks, tools, rules, tags, folders with their
/// files, the messages in its context, and the groups that it manages with their agents. Secrets are named without
/// their values.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/export", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), ExportQuery),
    request_body = Option<ExportBody>,
    responses((status = 200, description = "The agent file.", body = String, content_type = "application/json"))
)]
pub(crate) async fn export_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    Query(query): Query<ExportQuery>,
) -> Result<HttpResponse, ApiError> {
    if query.use_legacy_format {
        return Err(ApiError::bad_request("Legacy format is not supported"));
    }
    let options = ExportOptions {
        conversation_id: query.conversation_id,
        scrub_messages: query.scrub_messages,
        skills: Vec::new(),
    };
    answer(&services.agent_files().export(&actor, agent, options).await?)
}

/// Export an agent with skills.
///
/// The same as the other export, with skills put into the file.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/export", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    request_body = Option<ExportAgentRequest>,
    responses((status = 200, description = "The agent file.", body = String, content_type = "application/json"))
)]
pub(crate) async fn export_agent_with_skills(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    OptionalJsonBody(request): OptionalJsonBody<ExportAgentRequest>,
) -> Result<HttpResponse, ApiError> {
    let ExportAgentRequest { skills, conversation_id, scrub_messages } = request.unwrap_or_default();
    let options = ExportOptions { conversation_id, scrub_messages, skills };
    answer(&services.agent_files().export(&actor, agent, options).await?)
}

/// The file as people read it: indented by two spaces.
fn answer(file: &AgentFile) -> Result<HttpResponse, ApiError> {
    let text = serde_json::to_string_pretty(file)
        .map_err(|error| crate::managers::Error::Internal(format!("an agent file could not be written: {error}")))?;
    Ok(HttpResponse::Ok().content_type(ContentType::json()).body(text))
}
