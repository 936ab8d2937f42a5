//! `PUT /v1/tools/`

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

/// Create a tool, or update the one of the same name.
///
/// A tool that exists keeps its id, and what the request does not say; its name, its schema and, if none is given, its
/// description follow the source.
#[utoipa::path(
    put, path = "/v1/tools/", tag = "tools", request_body = ToolCreate,
    responses((status = 200, description = "The tool.", body = Tool))
)]
pub(crate) async fn upsert_tool(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    request: HttpRequest,
    JsonBody(tool): JsonBody<ToolCreate>,
) -> Answer<Tool> {
    Ok(Json(services.tools().upsert(&actor, tool, origin(&request)).await?))
}
