//! `PATCH /v1/conversations/{conversation_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{Conversation, ConversationId, UpdateConversation},
    },
};

/// Update a conversation.
///
/// Fields that are absent or null stay as they are.
#[utoipa::path(
    patch, path = "/v1/conversations/{conversation_id}", tag = "conversations", request_body = UpdateConversation,
    params(("conversation_id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "The conversation after the change.", body = Conversation))
)]
pub(crate) async fn update_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(conversation): PathId<ConversationId>,
    JsonBody(change): JsonBody<UpdateConversation>,
) -> Answer<Conversation> {
    Ok(Json(services.conversations().update(&actor, conversation, change).await?))
}
