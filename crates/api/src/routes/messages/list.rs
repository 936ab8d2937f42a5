//! `GET /v1/messages/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Known, Paging, Query, RequestActor},
    managers::{
        Error, MessageQuery, Services,
        orm::messages::History,
        schema::{MessageType, RunRequestConfig, WireMessage},
    },
};

/// Which messages to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct MessageParameters {
    /// Messages of this conversation; `default` for those of none. Without it those of all.
    conversation_id: Option<String>,
    /// The kinds of messages to return; none: all.
    #[param(value_type = Vec<MessageType>, required = false)]
    include_return_message_types: Vec<Known<MessageType>>,
}

/// List the messages of all agents.
///
/// Within a page the oldest message comes first. `before` and `after` mean stored earlier and later.
#[utoipa::path(
    get, path = "/v1/messages/", tag = "messages",
    params(Paging::<100, true>, MessageParameters),
    responses((status = 200, description = "A page of messages.", body = Vec<WireMessage>))
)]
pub(crate) async fn list_all_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<100, true>,
    Query(query): Query<MessageParameters>,
) -> Answer<Vec<WireMessage>> {
    let types = query.include_return_message_types.into_iter().map(|known| known.0);
    let config = RunRequestConfig::of_types(types.collect());
    let history = query.conversation_id.as_deref().map_or(Ok(History::Any), str::parse).map_err(Error::from)?;
    let query = MessageQuery { page: paging.page, history, group_id: None, config };
    Ok(Json(services.messages().list(&actor, query).await?))
}
