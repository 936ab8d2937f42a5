//! `GET /v1/folders/{folder_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Folder, SourceId},
    },
};

/// Retrieve a folder.
#[utoipa::path(
    get, path = "/v1/folders/{folder_id}", tag = "folders",
    params(("folder_id" = SourceId, Path, description = "The folder.")),
    responses((status = 200, description = "The folder.", body = Folder))
)]
pub(crate) async fn retrieve_folder(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
) -> Answer<Folder> {
    Ok(Json(services.sources().get(&actor, folder).await?.into()))
}
