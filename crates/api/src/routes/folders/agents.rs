//! `GET /v1/folders/{folder_id}/agents`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{Paging, PathId, RequestActor},
    managers::{
        Services,
        schema::{AgentId, SourceId},
    },
};

/// List the agents that have a folder.
#[utoipa::path(
    get, path = "/v1/folders/{folder_id}/agents", tag = "folders",
    params(("folder_id" = SourceId, Path, description = "The folder."), Paging::<50, true>),
    responses((status = 200, description = "The ids of a page of agents.", body = Vec<AgentId>))
)]
pub(crate) async fn list_agents_for_folder(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
    paging: Paging<50, true>,
) -> Answer<Vec<AgentId>> {
    Ok(Json(services.sources().list_agents(&actor, folder, paging.page).await?))
}
