//! `GET /v1/sources/metadata`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{Query, RequestActor},
    managers::{Services, schema::OrganizationSourcesStats},
    routes::folders::metadata::StatsQuery,
};

/// Tell how large the folders are.
#[utoipa::path(
    get, path = "/v1/sources/metadata", tag = "sources", params(StatsQuery),
    responses((status = 200, description = "Numbers and sizes in bytes.", body = OrganizationSourcesStats))
)]
#[deprecated]
pub(crate) async fn get_sources_metadata(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(query): Query<StatsQuery>,
) -> Answer<OrganizationSourcesStats> {
    Ok(Json(services.sources().stats(&actor, query.include_detailed_per_source_metadata).await?))
}
