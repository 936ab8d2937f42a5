//! `POST /v1/tools/`

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};

use super::origin;
use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{Tool, ToolCreate},
    },
};

/// Create a tool.
///
/// The name, the description and the arguments come from the source, which is parsed and not run: from the signature
/// and the docstring of the last function, or from `args_json_schema`, or all from `json_schema`. A tool of the same
/// name is updated, as with PUT.
#[utoipa::path(
    post, path = "/v1/tools/", tag = "tools", request_body = ToolCreate,
    responses((status = 200, description = "The tool.", body = Tool))
)]
pub(crate) async fn create_tool(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    request: HttpRequest,
    JsonBody(tool): JsonBody<ToolCreate>,
) -> Answer<Tool> {
    Ok(Json(services.tools().upsert(&actor, tool, origin(&request)).await?))
}
