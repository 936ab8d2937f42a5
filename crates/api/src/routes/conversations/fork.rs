//! `POST /v1/conversations/{conversation_id}/fork`

use actix_web::web::{Data, Json};

use super::DefaultOf;
use crate::{
    error::Answer,
    extract::{PathHistory, Query, RequestActor},
    managers::{Services, schema::Conversation},
};

/// Fork a conversation.
///
/// The new one shares the messages that are in context, and goes its own way from there. It has a system message of its
/// own, which shows the agent's memory as it is now, and copies of the isolated blocks.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/fork", tag = "conversations",
    params(
        ("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`."),
        DefaultOf,
    ),
    responses((status = 200, description = "The new conversation.", body = Conversation))
)]
pub(crate) async fn fork_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    Query(of): Query<DefaultOf>,
) -> Answer<Conversation> {
    let conversations = services.conversations();
    let history = conversations.history(&actor, name, of.agent()?).await?;
    Ok(Json(conversations.fork(&actor, history).await?))
}
