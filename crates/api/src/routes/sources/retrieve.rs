//! `GET /v1/sources/{source_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Source, SourceId},
    },
};

/// Retrieve a folder.
#[utoipa::path(
    get, path = "/v1/sources/{source_id}", tag = "sources",
    params(("source_id" = SourceId, Path, description = "The folder.")),
    responses((status = 200, description = "The folder.", body = Source))
)]
#[deprecated]
pub(crate) async fn retrieve_source(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
) -> Answer<Source> {
    Ok(Json(services.sources().get(&actor, folder).await?))
}
