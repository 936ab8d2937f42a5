//! `GET /v1/conversations/{conversation_id}/messages`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use super::DefaultOf;
use crate::{
    error::Answer,
    extract::{Known, Paging, PathHistory, Query, RequestActor},
    managers::{
        MessageQuery, Services,
        orm::messages::History,
        schema::{MessageType, RunRequestConfig, WireMessage},
    },
};

/// Which messages to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ConversationMessageQuery {
    /// Messages of this group.
    group_id: Option<String>,
    /// Without effect; kept for clients that send it.
    include_err: Option<bool>,
    /// The kinds of messages to return; none: all.
    #[param(value_type = Vec<MessageType>, required = false)]
    include_return_message_types: Vec<Known<MessageType>>,
}

/// List a conversation's messages.
///
/// All of them, also those that the model no longer sees, in the order in which they came: the newest first, unless
/// `order` says otherwise. `before` and `after` mean earlier and later, whatever the order. A default history is listed
/// as the agent's messages are, from old to new within a page.
#[utoipa::path(
    get, path = "/v1/conversations/{conversation_id}/messages", tag = "conversations",
    params(
        ("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`."),
        DefaultOf, Paging::<100, true>, ConversationMessageQuery,
    ),
    responses((status = 200, description = "A page of messages.", body = Vec<WireMessage>))
)]
pub(crate) async fn list_conversation_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    Query(of): Query<DefaultOf>,
    paging: Paging<100, true>,
    Query(query): Query<ConversationMessageQuery>,
) -> Answer<Vec<WireMessage>> {
    let types = query.include_return_message_types.into_iter().map(|known| known.0);
    let config = RunRequestConfig::of_types(types.collect());
    let conversations = services.conversations();
    let history = conversations.history(&actor, name, of.agent()?).await?;
    let query = MessageQuery { page: paging.page, history: History::Any, group_id: query.group_id, config };
    Ok(Json(conversations.messages(&actor, history, query).await?))
}
