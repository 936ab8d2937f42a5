//! `DELETE /v1/conversations/{conversation_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{Services, schema::ConversationId},
};

/// Delete a conversation.
///
/// Its isolated blocks go with it, and its messages, but for those that a fork shows. While a run works on it that is a
/// 409.
#[utoipa::path(
    delete, path = "/v1/conversations/{conversation_id}", tag = "conversations",
    params(("conversation_id" = ConversationId, Path, description = "The conversation.")),
    responses((status = 200, description = "The conversation is gone. The body is null."))
)]
pub(crate) async fn delete_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(conversation): PathId<ConversationId>,
) -> Answer<()> {
    Ok(Json(services.conversations().delete(&actor, conversation).await?))
}
