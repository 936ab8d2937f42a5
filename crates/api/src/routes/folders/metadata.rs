//! `GET /v1/folders/metadata`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Query, RequestActor},
    managers::{Services, schema::OrganizationSourcesStats},
};

/// How much to tell.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct StatsQuery {
    /// Also tell the sizes of each folder and of its files.
    #[param(required = false, default = false)]
    pub(crate) include_detailed_per_source_metadata: bool,
}

/// Tell how large the folders are.
#[utoipa::path(
    get, path = "/v1/folders/metadata", tag = "folders", params(StatsQuery),
    responses((status = 200, description = "Numbers and sizes in bytes.", body = OrganizationSourcesStats))
)]
pub(crate) async fn retrieve_metadata(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(query): Query<StatsQuery>,
) -> Answer<OrganizationSourcesStats> {
    Ok(Json(services.sources().stats(&actor, query.include_detailed_per_source_metadata).await?))
}
