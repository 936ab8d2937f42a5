//! The older spelling of an agent's folders: `/v1/agents/{agent_id}/sources`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{Paging, PathId, RequestActor},
    managers::{
        Services,
        agent::Include,
        schema::{AgentId, AgentState, Source, SourceId},
    },
};

/// List an agent's folders.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/sources", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), Paging::<100, true>),
    responses((status = 200, description = "A page of folders.", body = Vec<Source>))
)]
#[deprecated]
pub(crate) async fn list_agent_sources(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    paging: Paging<100, true>,
) -> Answer<Vec<Source>> {
    Ok(Json(services.sources().list_of_agent(&actor, agent, paging.page).await?))
}

/// Attach a folder to an agent.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/sources/attach/{source_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("source_id" = SourceId, Path, description = "The folder."),
    ),
    responses((status = 200, description = "The agent, with all relationships.", body = AgentState))
)]
#[deprecated]
pub(crate) async fn attach_source_to_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(folder): PathId<SourceId>,
) -> Answer<AgentState> {
    services.sources().attach(&actor, agent, folder).await?;
    Ok(Json(services.agents().get(&actor, agent, Include::ALL).await?))
}

/// Detach a folder from an agent.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/sources/detach/{source_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("source_id" = SourceId, Path, description = "The folder."),
    ),
    responses((status = 200, description = "The agent, with all relationships.", body = AgentState))
)]
#[deprecated]
pub(crate) async fn detach_source_from_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(folder): PathId<SourceId>,
) -> Answer<AgentState> {
    services.sources().detach(&actor, agent, folder).await?;
    Ok(Json(services.agents().get(&actor, agent, Include::ALL).await?))
}
