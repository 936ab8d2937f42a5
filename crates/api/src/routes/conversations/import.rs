//! `POST /v1/conversations/{conversation_id}/messages/import`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathHistory, RequestActor},
    managers::{
        Services,
        schema::{ImportMessages, WireMessage},
    },
};

/// Import past messages.
///
/// Messages of a conversation that took place elsewhere are put behind those that are there, with their times, and
/// nothing is run. All are listed and searched; the model sees the newest of them, as many as its window has room for. A
/// message whose `otid` the history has already is left out, so that a request can be repeated.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/messages/import", tag = "conversations",
    request_body = ImportMessages,
    params(("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`.")),
    responses((status = 200, description = "The messages that were taken in.", body = Vec<WireMessage>))
)]
pub(crate) async fn import_conversation_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    JsonBody(body): JsonBody<ImportMessages>,
) -> Answer<Vec<WireMessage>> {
    let conversations = services.conversations();
    let history = conversations.history(&actor, name, body.agent_id).await?;
    Ok(Json(conversations.import(&actor, history, body).await?))
}
