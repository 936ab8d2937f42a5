//! The folders of an agent: `/v1/agents/{agent_id}/folders`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{ClientGeneration, Paging, PathId, RequestActor},
    managers::{
        Actor, Services,
        agent::Include,
        schema::{AgentId, AgentState, Source, SourceId},
    },
};

/// List an agent's folders.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/folders", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), Paging::<100, true>),
    responses((status = 200, description = "A page of folders.", body = Vec<Source>))
)]
pub(crate) async fn list_folders_for_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    paging: Paging<100, true>,
) -> Answer<Vec<Source>> {
    Ok(Json(services.sources().list_of_agent(&actor, agent, paging.page).await?))
}

/// Attach a folder to an agent.
///
/// The agent gets the files of the folder, as many of them open as it may have, and the tools to use them. A folder
/// that it has already is no error: its files are opened anew.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/folders/attach/{folder_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("folder_id" = SourceId, Path, description = "The folder."),
    ),
    responses((status = 200, description = "Null for the SDKs of version 1, else the agent.", body = Option<AgentState>))
)]
pub(crate) async fn attach_folder_to_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(folder): PathId<SourceId>,
    client: ClientGeneration,
) -> Answer<Option<AgentState>> {
    services.sources().attach(&actor, agent, folder).await?;
    changed(&services, &actor, agent, client).await
}

/// Detach a folder from an agent.
///
/// The folder itself stays. With the last folder the agent loses the tools for files. A folder that it does not have
/// is no error.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/folders/detach/{folder_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("folder_id" = SourceId, Path, description = "The folder."),
    ),
    responses((status = 200, description = "Null for the SDKs of version 1, else the agent.", body = Option<AgentState>))
)]
pub(crate) async fn detach_folder_from_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathId(folder): PathId<SourceId>,
    client: ClientGeneration,
) -> Answer<Option<AgentState>> {
    services.sources().detach(&actor, agent, folder).await?;
    changed(&services, &actor, agent, client).await
}

/// What clients of this generation get for a change of an agent's folders.
async fn changed(
    services: &Services,
    actor: &Actor,
    agent: AgentId,
    client: ClientGeneration,
) -> Answer<Option<AgentState>> {
    let state = if client.is_legacy() { Some(services.agents().get(actor, agent, Include::ALL).await?) } else { None };
    Ok(Json(state))
}
