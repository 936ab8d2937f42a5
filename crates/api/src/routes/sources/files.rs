//! The files of a folder: `/v1/sources/{source_id}/files`

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
    routes::folders::files::ContentQuery,
};

/// What has no effect; kept for clients that send it.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code)]
pub(crate) struct StatusQuery {
    /// Without effect: the states of files are always up to date.
    #[param(default = true)]
    check_status_updates: Option<bool>,
}

/// List the files of a folder.
///
/// A folder that does not exist has none.
#[utoipa::path(
    get, path = "/v1/sources/{source_id}/files", tag = "sources",
    params(("source_id" = SourceId, Path, description = "The folder."), Paging::<1000, false>, ContentQuery, StatusQuery),
    responses((status = 200, description = "A page of files.", body = Vec<FileMetadata>))
)]
#[deprecated]
pub(crate) async fn list_source_files(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
    paging: Paging<1000, false>,
    Query(query): Query<ContentQuery>,
) -> Answer<Vec<FileMetadata>> {
    Ok(Json(services.files().list(&actor, folder, query.include_content, paging.page).await?))
}

/// Retrieve a file.
///
/// The file may be in another folder than the one that the path names.
#[utoipa::path(
    get, path = "/v1/sources/{source_id}/files/{file_id}", tag = "sources",
    params(
        ("source_id" = SourceId, Path, description = "The folder."),
        ("file_id" = FileId, Path, description = "The file."),
        ContentQuery,
    ),
    responses((status = 200, description = "The file.", body = FileMetadata))
)]
#[deprecated]
pub(crate) async fn get_file_metadata(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(_): PathId<SourceId>,
    PathId(file): PathId<FileId>,
    Query(query): Query<ContentQuery>,
) -> Answer<FileMetadata> {
    Ok(Json(services.files().get(&actor, None, file, query.include_content).await?))
}

/// Delete a file.
///
/// It goes also from the agents that have it.
#[utoipa::path(
    delete, path = "/v1/sources/{source_id}/{file_id}", tag = "sources",
    params(
        ("source_id" = SourceId, Path, description = "The folder."),
        ("file_id" = FileId, Path, description = "The file."),
    ),
    responses((status = 204, description = "The file is gone."))
)]
#[deprecated]
pub(crate) async fn delete_file_from_source(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(folder): PathId<SourceId>,
    PathId(file): PathId<FileId>,
) -> Result<HttpResponse, ApiError> {
    services.files().delete(&actor, folder, file).await?;
    Ok(HttpResponse::NoContent().finish())
}
