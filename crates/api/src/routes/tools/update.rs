//! `PATCH /v1/tools/{tool_id}`

use actix_web::{
    HttpRequest,
    web::{Data, Json},
};

use super::origin;
use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{Tool, ToolId, ToolUpdate},
    },
};

/// Update a tool.
///
/// Fields that are absent or null stay as they are; an empty list clears one. The name in a new `json_schema` is the
/// tool's new name. New source without a schema gives the tool a new schema, if the old one was derived from the old
/// source.
#[utoipa::path(
    patch, path = "/v1/tools/{tool_id}", tag = "tools", request_body = ToolUpdate,
    params(("tool_id" = ToolId, Path, description = "The tool.")),
    responses((status = 200, description = "The tool after the change.", body = Tool))
)]
pub(crate) async fn modify_tool(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(tool): PathId<ToolId>,
    request: HttpRequest,
    JsonBody(change): JsonBody<ToolUpdate>,
) -> Answer<Tool> {
    Ok(Json(services.tools().update(&actor, tool, change, origin(&request).on_modal).await?))
}
