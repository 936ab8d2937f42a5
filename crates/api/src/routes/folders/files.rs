//! The files of a folder: `/v1/folders/{folder_id}/files`

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::{Answer, ApiError},
    extract::{Paging, PathId, Query, RequestActor},
    managers::{
        Services,
        schema::{FileId, FileMetadata, SourceId},
    },
};

/// What to tell of a file.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ContentQuery {
    /// Also give the text.
    #[param(required = false, default = false)]
    pub(crate) include_content: bool,
}

/// List the files of a folder.
///
/// A folder that does not exist has none.
#[utoipa::path(
    get, path = "/v1/folders/{folder_id}/files", tag = "folders",
    params(("folder_id" = SourceId, Path, description = "The folder."), Paging::<1000, true>, ContentQuery),
    responses((status = 200, description = "A page of files.", body = Vec<FileMetadata>))
)]
pub(crate) async fn list_files_for_folder(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
    paging: Paging<1000, true>,
    Query(query): Query<ContentQuery>,
) -> Answer<Vec<FileMetadata>> {
    Ok(Json(services.files().list(&actor, folder, query.include_content, paging.page).await?))
}

/// Retrieve a file.
#[utoipa::path(
    get, path = "/v1/folders/{folder_id}/files/{file_id}", tag = "folders",
    params(
        ("folder_id" = SourceId, Path, description = "The folder."),
        ("file_id" = FileId, Path, description = "The file."),
        ContentQuery,
    ),
    responses((status = 200, description = "The file.", body = FileMetadata))
)]
pub(crate) async fn retrieve_file(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
    PathId(file): PathId<FileId>,
    Query(query): Query<ContentQuery>,
) -> Answer<FileMetadata> {
    Ok(Json(services.files().get(&actor, Some(folder), file, query.include_content).await?))
}

/// Delete a file.
///
/// It goes also from the agents that have it.
#[utoipa::path(
    delete, path = "/v1/folders/{folder_id}/{file_id}", tag = "folders",
    params(
        ("folder_id" = SourceId, Path, description = "The folder."),
        ("file_id" = FileId, Path, description = "The file."),
    ),
    responses((status = 204, description = "The file is gone."))
)]
pub(crate) async fn delete_file_from_folder(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
    PathId(file): PathId<FileId>,
) -> Result<HttpResponse, ApiError> {
    services.files().delete(&actor, folder, file).await?;
    Ok(HttpResponse::NoContent().finish())
}
