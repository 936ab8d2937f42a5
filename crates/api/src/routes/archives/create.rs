//! `POST /v1/archives/`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{Archive, ArchiveCreateRequest},
    },
};

/// Create an archive.
///
/// It belongs to no agent until it is attached to one. It keeps the embedding model that it is made with; one
/// without is searched by words.
#[utoipa::path(
    post, path = "/v1/archives/", tag = "archives", request_body = ArchiveCreateRequest,
    responses((status = 200, description = "The new archive.", body = Archive))
)]
pub(crate) async fn create_archive(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(archive): JsonBody<ArchiveCreateRequest>,
) -> Answer<Archive> {
    Ok(Json(services.archives().create(&actor, archive).await?))
}
