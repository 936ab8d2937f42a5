//! `GET /v1/folders/count`

use actix_web::web::{Data, Json};

use crate::{error::Answer, extract::RequestActor, managers::Services};

/// Count folders.
#[utoipa::path(
    get, path = "/v1/folders/count", tag = "folders",
    responses((status = 200, description = "The number of folders.", body = i64))
)]
pub(crate) async fn count_folders(RequestActor(actor): RequestActor, services: Data<Services>) -> Answer<i64> {
    Ok(Json(services.sources().count(&actor).await?))
}
