//! `GET /v1/folders/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Paging, Query, RequestActor},
    managers::{Services, schema::Folder},
};

/// Which folders to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct FolderQuery {
    /// A part of the name, in any case.
    name: Option<String>,
}

/// List folders.
#[utoipa::path(
    get, path = "/v1/folders/", tag = "folders", params(Paging::<50, false>, FolderQuery),
    responses((status = 200, description = "A page of folders.", body = Vec<Folder>))
)]
pub(crate) async fn list_folders(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, false>,
    Query(query): Query<FolderQuery>,
) -> Answer<Vec<Folder>> {
    let folders = services.sources().list(&actor, query.name, paging.page).await?;
    Ok(Json(folders.into_iter().map(Into::into).collect()))
}
