//! `GET /v1/archives/{archive_id}/agents`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{ClientGeneration, Paging, PathId, Query, RequestActor},
    managers::{
        Services,
        schema::{AgentState, ArchiveId},
    },
    routes::agents::IncludeQuery,
};

/// List the agents that have an archive.
#[utoipa::path(
    get, path = "/v1/archives/{archive_id}/agents", tag = "archives",
    params(("archive_id" = ArchiveId, Path, description = "The archive."), Paging::<50, true>, IncludeQuery),
    responses((status = 200, description = "A page of agents.", body = Vec<AgentState>))
)]
pub(crate) async fn list_agents_for_archive(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(archive): PathId<ArchiveId>,
    paging: Paging<50, true>,
    Query(include): Query<IncludeQuery>,
    client: ClientGeneration,
) -> Answer<Vec<AgentState>> {
    Ok(Json(services.agents().list_of_archive(&actor, archive, paging.page, include.of(client)).await?))
}
