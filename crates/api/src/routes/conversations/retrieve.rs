//! `GET /v1/conversations/{conversation_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Conversation, ConversationId},
    },
};

/// Retrieve a conversation.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation_id}", tag = "conversations",
    params(("conversation_id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "The conversation, with the messages in its context.", body = Conversation))
)]
pub(crate) async fn retrieve_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(conversation): PathId<ConversationId>,
) -> Answer<Conversation> {
    Ok(Json(services.conversations().get(&actor, conversation).await?))
}
