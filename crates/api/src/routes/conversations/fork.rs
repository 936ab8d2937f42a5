//! `POST /v1/conversations/{conversation_id}/fork`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::DefaultOf;
use crate::{
    error::Answer,
    extract::{PathHistory, Query, RequestActor},
    managers::{
        Services,
        conversation::Fork,
        schema::{Conversation, MessageId},
    },
};

/// What the fork is to be.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ForkQuery {
    /// The last message in context that is shared; without it all of them are.
    message_id: Option<MessageId>,
    /// Whether lists leave the fork out.
    #[param(required = false, default = false)]
    hidden: bool,
}

/// Fork a conversation.
///
/// The new one shares the messages that are in context, and goes its own way from there. It has a system message of its
/// own, which shows the agent's memory as it is now, and copies of the isolated blocks.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/fork", tag = "conversations",
    params(
        ("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`."),
        DefaultOf, ForkQuery,
    ),
    responses((status = 200, description = "The new conversation.", body = Conversation))
)]
pub(crate) async fn fork_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    Query(of): Query<DefaultOf>,
    Query(query): Query<ForkQuery>,
) -> Answer<Conversation> {
    let conversations = services.conversations();
    let history = conversations.history(&actor, name, of.agent()?).await?;
    let how = Fork { until: query.message_id, hidden: query.hidden };
    Ok(Json(conversations.fork(&actor, history, how).await?))
}
