//! `GET /v1/sources/`

use actix_web::web::{Data, Json};

use super::FIRST_50;
use crate::{
    error::Answer,
    extract::RequestActor,
    managers::{Services, schema::Source},
};

/// List the 50 oldest folders.
#[utoipa::path(
    get, path = "/v1/sources/", tag = "sources",
    responses((status = 200, description = "The folders.", body = Vec<Source>))
)]
#[deprecated]
pub(crate) async fn list_sources(RequestActor(actor): RequestActor, services: Data<Services>) -> Answer<Vec<Source>> {
    Ok(Json(services.sources().list(&actor, None, FIRST_50).await?))
}
