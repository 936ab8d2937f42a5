//! `POST /v1/conversations/{conversation_id}/compact`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{OptionalJsonBody, PathHistory, RequestActor},
    managers::{
        Services,
        schema::{CompactionResponse, ConversationCompactionRequest},
    },
};

/// Compact a conversation.
///
/// A summary takes the place of the older messages in the context. They stay stored, and lists and searches still show
/// them. Other histories of the agent are left as they are.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/compact", tag = "conversations",
    request_body = Option<ConversationCompactionRequest>,
    params(
        ("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`."),
    ),
    responses(
        (status = 200, description = "The summary, and how many messages are in context.", body = CompactionResponse),
        (status = 400, description = "There would be as many messages as before."),
        (status = 404, description = "There is no such conversation or agent."),
        (status = 409, description = "A turn works on the conversation."),
    )
)]
pub(crate) async fn compact_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    OptionalJsonBody(body): OptionalJsonBody<ConversationCompactionRequest>,
) -> Answer<CompactionResponse> {
    let body = body.unwrap_or_default();
    let history = services.conversations().history(&actor, name, body.agent_id).await?;
    Ok(Json(services.agent_loop().compact(&actor, history, body.compaction_settings).await?))
}
