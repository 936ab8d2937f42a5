//! `POST /v1/conversations/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{OptionalJsonBody, Query, RequestActor},
    managers::{
        Error, Services,
        schema::{Conversation, CreateConversation},
    },
};

/// Whose conversation it is.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct OfAgent {
    /// The id of the agent.
    agent_id: String,
}

/// Create a conversation.
///
/// It begins with a system message that shows the agent's memory as it is now, and goes on with `messages`, what was
/// said before elsewhere, if there are any. The agent's memory blocks are shared with its other histories, except those
/// named in `isolated_block_labels`: of these the conversation gets copies.
#[utoipa::path(
    post, path = "/v1/conversations/", tag = "conversations", params(OfAgent),
    request_body = Option<CreateConversation>,
    responses((status = 200, description = "The new conversation.", body = Conversation))
)]
pub(crate) async fn create_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(of): Query<OfAgent>,
    OptionalJsonBody(request): OptionalJsonBody<CreateConversation>,
) -> Answer<Conversation> {
    let agent = of.agent_id.parse().map_err(Error::from)?;
    Ok(Json(services.conversations().create(&actor, agent, request.unwrap_or_default()).await?))
}
