//! `GET /v1/archives/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Paging, Query, RequestActor},
    managers::{Error, Services, archive::ArchiveFilter, schema::Archive},
};

/// Which archives to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ArchiveQuery {
    /// The exact name.
    name: Option<String>,
    /// The id of an agent: only the archive that it has.
    agent_id: Option<String>,
}

/// List archives.
#[utoipa::path(
    get, path = "/v1/archives/", tag = "archives", params(Paging::<50, true>, ArchiveQuery),
    responses((status = 200, description = "A page of archives.", body = Vec<Archive>))
)]
pub(crate) async fn list_archives(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, true>,
    Query(query): Query<ArchiveQuery>,
) -> Answer<Vec<Archive>> {
    let agent_id = query.agent_id.map(|id| id.parse()).transpose().map_err(Error::from)?;
    let filter = ArchiveFilter { name: query.name, agent_id };
    Ok(Json(services.archives().list(&actor, filter, paging.page).await?))
}
