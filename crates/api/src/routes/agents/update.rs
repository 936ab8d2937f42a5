//! `PATCH /v1/agents/{agent_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{AgentId, AgentState, UpdateAgent},
    },
};

/// Update an agent.
///
/// Fields that are absent stay as they are.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}", tag = "agents", request_body = UpdateAgent,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent after the change, with all relationships.", body = AgentState))
)]
pub(crate) async fn modify_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    JsonBody(change): JsonBody<UpdateAgent>,
) -> Answer<AgentState> {
    Ok(Json(services.agents().update(&actor, agent, change).await?))
}
