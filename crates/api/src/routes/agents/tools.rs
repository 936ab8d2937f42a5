//! The tools of an agent: `/v1/agents/{agent_id}/tools`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::{Answer, ApiError},
    extract::{ClientGeneration, OptionalJsonBody, Paging, PathId, PathText, Query, RequestActor},
    managers::{
        Actor, Services,
        agent::Include,
        schema::{AgentId, AgentState, ModifyApprovalRequest, Tool, ToolExecuteRequest, ToolExecutionResult, ToolId},
    },
};

/// List an agent's tools.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/tools", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), Paging::<10, true>),
    responses((status = 200, description = "A page of tools.", body = Vec<Tool>))
)]
pub(crate) async fn list_tools_for_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    paging: Paging<10, true>,
) -> Answer<Vec<Tool>> {
    Ok(Json(services.tools().list_of_agent(&actor, agent, paging.page).await?))
}

/// Attach a tool to an agent.
///
/// A tool that the agent has already is no error.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/tools/attach/{tool_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("tool_id" = ToolId, Path, description = "The tool."),
    ),
    responses((status = 200, description = "Null for the SDKs of version 1, else the agent.", body = Option<AgentState>))
)]
pub(crate) async fn attach_tool_to_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(tool): PathId<ToolId>,
    client: ClientGeneration,
) -> Answer<Option<AgentState>> {
    services.tools().attach(&actor, agent, tool).await?;
    changed(&services, &actor, agent, client).await
}

/// Detach a tool from an agent.
///
/// The tool itself stays, and so do the agent's rules for it. A tool that the agent does not have is no error.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/tools/detach/{tool_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("tool_id" = ToolId, Path, description = "The tool."),
    ),
    responses((status = 200, description = "Null for the SDKs of version 1, else the agent.", body = Option<AgentState>))
)]
pub(crate) async fn detach_tool_from_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(tool): PathId<ToolId>,
    client: ClientGeneration,
) -> Answer<Option<AgentState>> {
    services.tools().detach(&actor, agent, tool).await?;
    changed(&services, &actor, agent, client).await
}

/// The older place of what the body says.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ApprovalQuery {
    /// Whether calls of the tool wait for an approval. Send it in the body instead.
    #[deprecated]
    requires_approval: Option<bool>,
}

/// Say whether calls of a tool need an approval.
///
/// The rule is kept by the tool's name, whether or not the agent has such a tool now.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/tools/approval/{tool_name}", tag = "agents",
    request_body = Option<ModifyApprovalRequest>,
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("tool_name" = String, Path, description = "The name of the tool."),
        ApprovalQuery,
    ),
    responses((status = 200, description = "Null for the SDKs of version 1, else the agent.", body = Option<AgentState>))
)]
pub(crate) async fn modify_approval_for_tool(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathText(tool): PathText,
    Query(query): Query<ApprovalQuery>,
    client: ClientGeneration,
    OptionalJsonBody(body): OptionalJsonBody<ModifyApprovalRequest>,
) -> Answer<Option<AgentState>> {
    let required = body.map(|body| body.requires_approval).or(query.requires_approval).ok_or_else(|| {
        ApiError::unprocessable("requires_approval must be provided either in request body or as query parameter")
    })?;
    services.tools().set_approval(&actor, agent, &tool, required).await?;
    changed(&services, &actor, agent, client).await
}

/// Run a tool of an agent.
///
/// What the tool does to the agent's memory stays. No message and no run is recorded, and the agent's rules are not
/// asked. A tool that fails is answered with status 200 too: `status` is `error`, and `stderr` says why.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/tools/{tool_name}/run", tag = "agents",
    request_body = Option<ToolExecuteRequest>,
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("tool_name" = String, Path, description = "The name of the tool."),
    ),
    responses((status = 200, description = "What the tool returned.", body = ToolExecutionResult))
)]
pub(crate) async fn run_tool_for_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathText(tool): PathText,
    OptionalJsonBody(body): OptionalJsonBody<ToolExecuteRequest>,
) -> Answer<ToolExecutionResult> {
    let arguments = body.unwrap_or_default().args;
    Ok(Json(services.run_tool(&actor, agent, &tool, arguments).await?))
}

/// What clients of this generation get for a change of an agent's tools.
async fn changed(
    services: &Services,
    actor: &Actor,
    agent: AgentId,
    client: ClientGeneration,
) -> Answer<Option<AgentState>> {
    let state = if client.is_legacy() { Some(services.agents().get(actor, agent, Include::ALL).await?) } else { None };
    Ok(Json(state))
}
