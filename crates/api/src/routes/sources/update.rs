//! `PATCH /v1/sources/{source_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{Source, SourceId, SourceUpdate},
    },
};

/// Update a folder.
///
/// Fields that are absent or null stay as they are. Files keep the names that they have.
#[utoipa::path(
    patch, path = "/v1/sources/{source_id}", tag = "sources", request_body = SourceUpdate,
    params(("source_id" = SourceId, Path, description = "The folder.")),
    responses((status = 200, description = "The folder after the change.", body = Source))
)]
#[deprecated]
pub(crate) async fn modify_source(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
    JsonBody(change): JsonBody<SourceUpdate>,
) -> Answer<Source> {
    Ok(Json(services.sources().update(&actor, folder, change).await?))
}
