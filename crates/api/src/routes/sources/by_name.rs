//! `GET /v1/sources/name/{source_name}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathText, RequestActor},
    managers::{Services, schema::SourceId},
};

/// Find a folder by its name.
#[utoipa::path(
    get, path = "/v1/sources/name/{source_name}", tag = "sources",
    params(("source_name" = String, Path, description = "The whole name.")),
    responses((status = 200, description = "The id of the folder.", body = SourceId))
)]
#[deprecated]
pub(crate) async fn get_source_id_by_name(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathText(name): PathText,
) -> Answer<SourceId> {
    Ok(Json(services.sources().get_by_name(&actor, &name).await?.id))
}
