//! The passages of an archive: `/v1/archives/{archive_id}/passages`

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};

use crate::{
    error::{Answer, ApiError},
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{ArchiveId, Passage, PassageBatchCreateRequest, PassageCreateRequest, PassageId},
    },
};

/// Put a passage into an archive.
#[utoipa::path(
    post, path = "/v1/archives/{archive_id}/passages", tag = "archives", request_body = PassageCreateRequest,
    params(("archive_id" = ArchiveId, Path, description = "The archive.")),
    responses((status = 200, description = "The new passage.", body = Passage))
)]
pub(crate) async fn create_passage_in_archive(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(archive): PathId<ArchiveId>,
    JsonBody(passage): JsonBody<PassageCreateRequest>,
) -> Answer<Passage> {
    Ok(Json(services.passages().create(&actor, archive, passage).await?))
}

/// Put several passages into an archive.
///
/// All are stored, or none. They are answered in the order of the request.
#[utoipa::path(
    post, path = "/v1/archives/{archive_id}/passages/batch", tag = "archives",
    request_body = PassageBatchCreateRequest,
    params(("archive_id" = ArchiveId, Path, description = "The archive.")),
    responses((status = 200, description = "The new passages.", body = Vec<Passage>))
)]
pub(crate) async fn create_passages_in_archive(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(archive): PathId<ArchiveId>,
    JsonBody(passages): JsonBody<PassageBatchCreateRequest>,
) -> Answer<Vec<Passage>> {
    Ok(Json(services.passages().create_many(&actor, archive, passages).await?))
}

/// Delete a passage from an archive.
#[utoipa::path(
    delete, path = "/v1/archives/{archive_id}/passages/{passage_id}", tag = "archives",
    params(
        ("archive_id" = ArchiveId, Path, description = "The archive."),
        ("passage_id" = PassageId, Path, description = "The passage."),
    ),
    responses((status = 204, description = "The passage is gone."))
)]
pub(crate) async fn delete_passage_from_archive(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(archive): PathId<ArchiveId>,
    PathId(passage): PathId<PassageId>,
) -> Result<HttpResponse, ApiError> {
    services.passages().delete(&actor, archive, passage).await?;
    Ok(HttpResponse::NoContent().finish())
}
