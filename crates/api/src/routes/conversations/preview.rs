//! `POST /v1/conversations/{conversation_id}/messages/preview-raw-payload`

use actix_web::web::{Data, Json};
use serde_json::Value;

use crate::{
    error::Answer,
    extract::{JsonBody, PathHistory, RequestActor},
    managers::{
        Services,
        schema::{ConversationSendRequest, StreamingSendRequest},
    },
};

/// Preview what the model would be asked in a conversation.
///
/// The body that the model provider would be sent for these messages, in the form that it takes. Nothing is asked and
/// nothing stored.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/messages/preview-raw-payload", tag = "conversations",
    request_body = ConversationSendRequest,
    params(
        ("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`."),
    ),
    responses((status = 200, description = "The body of the request.", body = Object))
)]
pub(crate) async fn preview_conversation_model_request(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    JsonBody(request): JsonBody<ConversationSendRequest>,
) -> Answer<Value> {
    let ConversationSendRequest { agent_id, request, stream } = request;
    let history = services.conversations().history(&actor, name, agent_id).await?;
    let request = StreamingSendRequest { request, stream };
    Ok(Json(services.agent_loop().preview(&actor, history, &request).await?))
}
