//! `DELETE /v1/archives/{archive_id}`

use actix_web::{HttpResponse, web::Data};

use crate::{
    error::ApiError,
    extract::{PathId, RequestActor},
    managers::{Services, schema::ArchiveId},
};

/// Delete an archive.
///
/// Its passages go with it. The agents that have it stay.
#[utoipa::path(
    delete, path = "/v1/archives/{archive_id}", tag = "archives",
    params(("archive_id" = ArchiveId, Path, description = "The archive.")),
    responses((status = 204, description = "The archive is gone."))
)]
pub(crate) async fn delete_archive(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(archive): PathId<ArchiveId>,
) -> Result<HttpResponse, ApiError> {
    services.archives().delete(&actor, archive).await?;
    Ok(HttpResponse::NoContent().finish())
}
