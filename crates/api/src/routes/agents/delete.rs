//! `DELETE /v1/agents/{agent_id}`

use actix_web::web::{Data, Json};
use serde_json::{Value, json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{Services, schema::AgentId},
};

/// Delete an agent.
///
/// Its messages, runs, conversations and secrets go with it, and so does the companion that tends its memory. Blocks,
/// tools, archives and folders stay. An agent that manages a group of others cannot be deleted before the group.
#[utoipa::path(
    delete, path = "/v1/agents/{agent_id}", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The agent is gone.", body = Object))
)]
pub(crate) async fn delete_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
) -> Answer<Value> {
    services.agents().delete(&actor, agent).await?;
    Ok(Json(json!({ "message": format!("Agent id={agent} successfully deleted") })))
}
