//! `GET /v1/identities/count`

use actix_web::web::{Data, Json};

use crate::{error::Answer, extract::RequestActor, managers::Services};

/// Count identities.
#[utoipa::path(
    get, path = "/v1/identities/count", tag = "identities",
    responses((status = 200, description = "The number of identities.", body = i64))
)]
#[deprecated]
pub(crate) async fn count_identities(RequestActor(actor): RequestActor, services: Data<Services>) -> Answer<i64> {
    Ok(Json(services.identities().count(&actor).await?))
}
