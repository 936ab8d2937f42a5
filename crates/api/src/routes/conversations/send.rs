//! `POST /v1/conversations/{conversation_id}/messages`

use actix_web::{HttpRequest, HttpResponse, web::Data};

use crate::{
    app::Workers,
    error::ApiError,
    extract::{JsonBody, OnPending, PathHistory, RequestActor},
    managers::{
        Recipient, Services,
        schema::{ConversationSendRequest, SendResponse, StreamingSendRequest},
    },
    routes::agents::messages::send,
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
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    workers: Data<Workers>,
    PathHistory(name): PathHistory,
    OnPending(when_pending): OnPending,
    JsonBody(body): JsonBody<ConversationSendRequest>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let history = services.conversations().history(&actor, name, body.agent_id).await?;
    let recipient = Recipient { when_pending, ..Recipient::conversation(history) };
    let body = StreamingSendRequest { request: body.request, stream: body.stream };
    send(&request, &workers, &services, actor, recipient, body, None).await
}
