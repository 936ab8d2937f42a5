//! `GET /v1/groups/count`

use actix_web::web::{Data, Json};

use crate::{error::Answer, extract::RequestActor, managers::Services};

/// Count groups.
///
/// Hidden ones are counted too.
#[utoipa::path(
    get, path = "/v1/groups/count", tag = "groups",
    responses((status = 200, description = "The number of groups.", body = i64))
)]
#[deprecated]
pub(crate) async fn count_groups(RequestActor(actor): RequestActor, services: Data<Services>) -> Answer<i64> {
    Ok(Json(services.groups().count(&actor).await?))
}
