//! `POST /v1/agents/{agent_id}/summarize`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{OptionalJsonBody, PathId, RequestActor},
    managers::{
        Services,
        orm::HistoryId,
        schema::{AgentId, CompactionRequest, CompactionResponse},
    },
};

/// Compact an agent's default history.
///
/// A summary takes the place of the older messages in the context. They stay stored, and lists and searches still show
/// them. Conversations of the agent are left as they are. The server does this by itself when a context is nearly full.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/summarize", tag = "agents", request_body = Option<CompactionRequest>,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses(
        (status = 200, description = "The summary, and how many messages are in context.", body = CompactionResponse),
        (status = 400, description = "There would be as many messages as before."),
        (status = 404, description = "There is no such agent."),
        (status = 409, description = "A turn works on the history."),
    )
)]
pub(crate) async fn summarize_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    OptionalJsonBody(body): OptionalJsonBody<CompactionRequest>,
) -> Answer<CompactionResponse> {
    let overrides = body.and_then(|body| body.compaction_settings);
    Ok(Json(services.agent_loop().compact(&actor, HistoryId::default_of(agent), overrides).await?))
}
