//! `DELETE /v1/tools/{tool_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{Services, schema::ToolId},
};

/// Delete a tool.
///
/// It is detached from every agent that has it; the agents' rules for it stay. A built-in tool comes back with the next
/// list of all tools.
#[utoipa::path(
    delete, path = "/v1/tools/{tool_id}", tag = "tools",
    params(("tool_id" = ToolId, Path, description = "The tool.")),
    responses((status = 200, description = "The tool is gone. The body is null."))
)]
pub(crate) async fn delete_tool(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(tool): PathId<ToolId>,
) -> Answer<()> {
    Ok(Json(services.tools().delete(&actor, tool).await?))
}
