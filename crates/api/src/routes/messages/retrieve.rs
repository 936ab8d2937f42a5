//! `GET /v1/messages/{message_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{MessageId, WireMessage},
    },
};

/// Retrieve a message.
///
/// One stored message can be several of these: reasoning, then a text or a tool call, all with the same id.
#[utoipa::path(
    get, path = "/v1/messages/{message_id}", tag = "messages",
    params(("message_id" = MessageId, Path, description = "The message.")),
    responses((status = 200, description = "What the stored message consists of.", body = Vec<WireMessage>))
)]
pub(crate) async fn retrieve_message(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(message): PathId<MessageId>,
) -> Answer<Vec<WireMessage>> {
    Ok(Json(services.messages().get(&actor, message).await?))
}
