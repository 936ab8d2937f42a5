//! `GET /v1/agents/{agent_id}`

use actix_web::web::{Data, Json};

use super::IncludeQuery;
use crate::{
    error::Answer,
    extract::{ClientGeneration, PathId, Query, RequestActor},
    managers::{
        Services,
        schema::{AgentId, AgentState},
    },
};

/// Retrieve an agent.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), IncludeQuery),
    responses((status = 200, description = "The agent.", body = AgentState))
)]
pub(crate) async fn retrieve_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    Query(include): Query<IncludeQuery>,
    client: ClientGeneration,
) -> Answer<AgentState> {
    Ok(Json(services.agents().get(&actor, agent, include.of(client)).await?))
}
