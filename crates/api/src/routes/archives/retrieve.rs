//! `GET /v1/archives/{archive_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Archive, ArchiveId},
    },
};

/// Retrieve an archive.
#[utoipa::path(
    get, path = "/v1/archives/{archive_id}", tag = "archives",
    params(("archive_id" = ArchiveId, Path, description = "The archive.")),
    responses((status = 200, description = "The archive.", body = Archive))
)]
pub(crate) async fn retrieve_archive(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(archive): PathId<ArchiveId>,
) -> Answer<Archive> {
    Ok(Json(services.archives().get(&actor, archive).await?))
}
