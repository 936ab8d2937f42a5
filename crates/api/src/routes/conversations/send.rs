//! `POST /v1/conversations/{conversation_id}/messages`

use actix_web::HttpResponse;

use crate::{
    error::ApiError,
    extract::{JsonBody, PathHistory, Sender},
    managers::{
        Recipient,
        schema::{ConversationSendRequest, SendResponse, StreamingSendRequest},
    },
};

/// Send messages to a conversation.
///
/// As sending messages to an agent, in this conversation's history, and answered with a stream unless `streaming` is
/// false. While another request works on the conversation the answer is 409.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/messages", tag = "conversations",
    request_body = ConversationSendRequest,
    params(("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`.")),
    responses((status = 200, description = "What the agent does.", content(
        (SendResponse = "application/json"),
        (String = "text/event-stream"),
    )))
)]
pub(crate) async fn send_conversation_message(
    sender: Sender,
    PathHistory(name): PathHistory,
    JsonBody(body): JsonBody<ConversationSendRequest>,
) -> Result<HttpResponse, ApiError> {
    let history = sender.services().conversations().history(sender.actor(), name, body.agent_id).await?;
    let body = StreamingSendRequest { request: body.request, stream: body.stream };
    sender.send(Recipient::conversation(history), body, None).await
}
