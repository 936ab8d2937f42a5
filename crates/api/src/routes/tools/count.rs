//! `GET /v1/tools/count`

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};

use super::list::ToolParameters;
use crate::{
    error::Answer,
    extract::{Query, RequestActor},
    managers::Services,
};

/// Count tools.
///
/// The number of tools that the list with the same conditions has in all.
#[utoipa::path(
    get, path = "/v1/tools/count", tag = "tools", params(ToolParameters),
    responses((status = 200, description = "The number of tools.", body = i64))
)]
pub(crate) async fn count_tools(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(parameters): Query<ToolParameters>,
    request: HttpRequest,
) -> Answer<i64> {
    Ok(Json(services.tools().count(&actor, parameters.query(&request)).await?))
}
