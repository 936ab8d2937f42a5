//! `PATCH /v1/folders/{folder_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{Folder, SourceId, SourceUpdate},
    },
};

/// Update a folder.
///
/// Fields that are absent or null stay as they are. Files keep the names that they have.
#[utoipa::path(
    patch, path = "/v1/folders/{folder_id}", tag = "folders", request_body = SourceUpdate,
    params(("folder_id" = SourceId, Path, description = "The folder.")),
    responses((status = 200, description = "The folder after the change.", body = Folder))
)]
pub(crate) async fn modify_folder(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
    JsonBody(change): JsonBody<SourceUpdate>,
) -> Answer<Folder> {
    Ok(Json(services.sources().update(&actor, folder, change).await?.into()))
}
