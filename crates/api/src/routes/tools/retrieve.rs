//! `GET /v1/tools/{tool_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Tool, ToolId},
    },
};

/// Retrieve a tool.
#[utoipa::path(
    get, path = "/v1/tools/{tool_id}", tag = "tools",
    params(("tool_id" = ToolId, Path, description = "The tool.")),
    responses((status = 200, description = "The tool.", body = Tool))
)]
pub(crate) async fn retrieve_tool(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(tool): PathId<ToolId>,
) -> Answer<Tool> {
    Ok(Json(services.tools().get(&actor, tool).await?))
}
