//! `POST /v1/conversations/{conversation_id}/stream`

use actix_web::{HttpRequest, HttpResponse, web::Data};

use crate::{
    app,
    error::ApiError,
    extract::{OptionalJsonBody, PathHistory, RequestActor},
    managers::{
        Services,
        schema::{RetrieveStreamRequest, StreamEvent},
    },
    sse,
};

/// Read the stream of a background run of a conversation.
///
/// Of the run that the body names by `run_id` or by the `otid` of one of its messages, or else of the newest one that
/// has not ended: from behind the event with the `seq_id` of `starting_after` to its end. The body may be left out.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/stream", tag = "conversations",
    request_body = Option<RetrieveStreamRequest>,
    params((
        "conversation_id" = String, Path,
        description = "The conversation; an agent's id, or `default` with `agent_id` in the body, for an agent's default history.",
    )),
    responses((status = 200, description = "The events of the run.", content(
        (StreamEvent = "text/event-stream"),
    )))
)]
pub(crate) async fn retrieve_conversation_stream(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(history): PathHistory,
    OptionalJsonBody(body): OptionalJsonBody<RetrieveStreamRequest>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let body = body.unwrap_or_default();
    let stream = services.streams().of_history(&actor, history, &body).await?;
    Ok(sse::respond(stream, body.include_pings.unwrap_or(true), app::settings(&request).keepalive))
}
