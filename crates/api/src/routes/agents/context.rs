//! What the model sees of an agent: `/v1/agents/{agent_id}/context`, `/recompile`, `/reset-messages`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::{Answer, ApiError},
    extract::{JsonBody, PathId, Query, RequestActor},
    managers::{
        Error, Services,
        schema::{AgentId, AgentState, ContextWindowOverview, ConversationId, ResetMessagesRequest},
    },
};

/// Of which history.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ContextQuery {
    /// A conversation of the agent; without it, or with `default`, the agent's default history.
    conversation_id: Option<String>,
}

impl ContextQuery {
    fn conversation(&self) -> Result<Option<ConversationId>, ApiError> {
        let named = self.conversation_id.as_deref().filter(|id| *id != "default");
        Ok(named.map(str::parse).transpose().map_err(Error::from)?)
    }
}

/// Show what fills the context window.
///
/// Each part of what the agent's model would be sent now, with an estimate of its tokens.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/context", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), ContextQuery),
    responses((status = 200, description = "The parts of the context.", body = ContextWindowOverview))
)]
#[deprecated]
pub(crate) async fn retrieve_agent_context_window(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    Query(query): Query<ContextQuery>,
) -> Answer<ContextWindowOverview> {
    Ok(Json(services.agents().context_window(&actor, agent, query.conversation()?).await?))
}

/// How to render the system message.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct RecompileQuery {
    /// Whether the message shows the current time as that of its rendering, instead of the time at which it was made.
    #[param(required = false, default = false)]
    update_timestamp: bool,
    /// Whether to return the message without storing it.
    #[param(required = false, default = false)]
    dry_run: bool,
}

/// Render an agent's system message anew.
///
/// The server does this by itself when what the message shows changes.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/recompile", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), RecompileQuery),
    responses((status = 200, description = "The text of the system message.", body = String))
)]
pub(crate) async fn recompile_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    Query(query): Query<RecompileQuery>,
) -> Answer<String> {
    Ok(Json(services.agents().recompile(&actor, agent, query.update_timestamp, query.dry_run).await?))
}

/// Render an agent's system message anew, by its older name.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/system-prompt/recompile", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), RecompileQuery),
    responses((status = 200, description = "The text of the system message.", body = String))
)]
#[deprecated]
pub(crate) async fn recompile_agent_system_prompt(
    actor: RequestActor,
    services: Data<Services>,
    agent: PathId<AgentId>,
    query: Query<RecompileQuery>,
) -> Answer<String> {
    recompile_agent(actor, services, agent, query).await
}

/// Begin an agent's history afresh.
///
/// All messages but the system message leave the context. They stay stored, and lists still show them.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/reset-messages", tag = "agents", request_body = ResetMessagesRequest,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent, with all relationships.", body = Option<AgentState>))
)]
pub(crate) async fn reset_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    JsonBody(request): JsonBody<ResetMessagesRequest>,
) -> Answer<Option<AgentState>> {
    let state = services.agents().reset_messages(&actor, agent, request.add_default_initial_messages).await?;
    Ok(Json(Some(state)))
}
