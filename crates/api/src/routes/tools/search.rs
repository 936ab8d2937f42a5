//! `POST /v1/tools/search`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{ToolSearchRequest, ToolSearchResult},
    },
};

/// Search tools.
///
/// Words are looked for in names, descriptions, arguments and tags, in every mode; `vector_rank` is null, because
/// meanings are not compared. Without a query the newest tools come first.
#[utoipa::path(
    post, path = "/v1/tools/search", tag = "tools", request_body = ToolSearchRequest,
    responses((status = 200, description = "The tools that were found, best first.", body = Vec<ToolSearchResult>))
)]
pub(crate) async fn search_tools(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(query): JsonBody<ToolSearchRequest>,
) -> Answer<Vec<ToolSearchResult>> {
    Ok(Json(services.tools().search(&actor, query).await?))
}
