//! `GET /v1/sources/count`

use actix_web::web::{Data, Json};

use crate::{error::Answer, extract::RequestActor, managers::Services};

/// Count folders.
#[utoipa::path(
    get, path = "/v1/sources/count", tag = "sources",
    responses((status = 200, description = "The number of folders.", body = i64))
)]
#[deprecated]
pub(crate) async fn count_sources(RequestActor(actor): RequestActor, services: Data<Services>) -> Answer<i64> {
    Ok(Json(services.sources().count(&actor).await?))
}
