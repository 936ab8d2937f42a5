//! The messages of a group: `/v1/groups/{group_id}/messages`

use actix_web::{
    HttpResponse,
    web::{Data, Json},
};

use crate::{
    error::Answer,
    extract::{Paging, PathId, Query, RequestActor},
    managers::{
        MessageQuery, Services,
        orm::messages::History,
        schema::{GroupId, MessageId, WireMessage},
    },
    routes::agents::messages::{MessageForm, messages_never_change},
};

/// List a group's messages.
///
/// Those of its managing agent that belong to the group; without a managing agent those of all its agents. Within a page
/// the oldest message comes first.
#[utoipa::path(
    get, path = "/v1/groups/{group_id}/messages", tag = "groups",
    params(("group_id" = GroupId, Path, description = "The group."), Paging::<10, true>, MessageForm),
    responses((status = 200, description = "A page of messages.", body = Vec<WireMessage>))
)]
#[deprecated]
pub(crate) async fn list_group_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(group): PathId<GroupId>,
    paging: Paging<10, true>,
    Query(form): Query<MessageForm>,
) -> Answer<Vec<WireMessage>> {
    let query = MessageQuery { page: paging.page, history: History::Any, group_id: None, config: form.config() };
    Ok(Json(services.groups().messages(&actor, group, query).await?))
}

/// Change a message of a group.
///
/// Not possible: messages never change, because conversations share them. Always 405.
#[utoipa::path(
    patch, path = "/v1/groups/{group_id}/messages/{message_id}", tag = "groups",
    params(("group_id" = GroupId, Path, description = "The group."), ("message_id" = MessageId, Path, description = "The message.")),
    responses((status = 405, description = "Messages never change."))
)]
#[deprecated]
pub(crate) async fn modify_group_message() -> HttpResponse {
    messages_never_change()
}

/// Delete all messages of a group.
///
/// They also leave the contexts of its agents.
#[utoipa::path(
    patch, path = "/v1/groups/{group_id}/reset-messages", tag = "groups",
    params(("group_id" = GroupId, Path, description = "The group.")),
    responses((status = 200, description = "The messages are gone. The body is null."))
)]
#[deprecated]
pub(crate) async fn reset_group_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(group): PathId<GroupId>,
) -> Answer<()> {
    Ok(Json(services.groups().reset_messages(&actor, group).await?))
}
