//! `PATCH /v1/archives/{archive_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{Archive, ArchiveId, ArchiveUpdateRequest},
    },
};

/// Update an archive.
///
/// Fields that are absent or null stay as they are. The embedding model of an archive cannot change.
#[utoipa::path(
    patch, path = "/v1/archives/{archive_id}", tag = "archives", request_body = ArchiveUpdateRequest,
    params(("archive_id" = ArchiveId, Path, description = "The archive.")),
    responses((status = 200, description = "The archive after the change.", body = Archive))
)]
pub(crate) async fn modify_archive(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(archive): PathId<ArchiveId>,
    JsonBody(change): JsonBody<ArchiveUpdateRequest>,
) -> Answer<Archive> {
    Ok(Json(services.archives().update(&actor, archive, change).await?))
}
