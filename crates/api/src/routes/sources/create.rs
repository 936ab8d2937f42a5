//! `POST /v1/sources/`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{Source, SourceCreate},
    },
};

/// Create a folder.
///
/// Its files are embedded with the model that `embedding` names, or with the server's default. Attach it to agents to
/// let them read its files.
#[utoipa::path(
    post, path = "/v1/sources/", tag = "sources", request_body = SourceCreate,
    responses((status = 200, description = "The new folder.", body = Source))
)]
#[deprecated]
pub(crate) async fn create_source(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(folder): JsonBody<SourceCreate>,
) -> Answer<Source> {
    Ok(Json(services.sources().create(&actor, folder).await?))
}
