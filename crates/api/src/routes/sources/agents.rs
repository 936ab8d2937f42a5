//! `GET /v1/sources/{source_id}/agents`

use actix_web::web::{Data, Json};

use super::FIRST_50;
use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{AgentId, SourceId},
    },
};

/// List the 50 oldest agents that have a folder.
#[utoipa::path(
    get, path = "/v1/sources/{source_id}/agents", tag = "sources",
    params(("source_id" = SourceId, Path, description = "The folder.")),
    responses((status = 200, description = "The ids of the agents.", body = Vec<AgentId>))
)]
#[deprecated]
pub(crate) async fn get_agents_for_source(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
) -> Answer<Vec<AgentId>> {
    Ok(Json(services.sources().list_agents(&actor, folder, FIRST_50).await?))
}
