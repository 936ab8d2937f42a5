//! `POST /v1/folders/`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{Folder, SourceCreate},
    },
};

/// Create a folder.
///
/// Its files are embedded with the model that `embedding` names, or with the server's default. Attach it to agents to
/// let them read its files.
#[utoipa::path(
    post, path = "/v1/folders/", tag = "folders", request_body = SourceCreate,
    responses((status = 200, description = "The new folder.", body = Folder))
)]
pub(crate) async fn create_folder(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(folder): JsonBody<SourceCreate>,
) -> Answer<Folder> {
    Ok(Json(services.sources().create(&actor, folder).await?.into()))
}
