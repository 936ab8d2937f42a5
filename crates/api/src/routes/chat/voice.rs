//! `POST /v1/voice-beta/{agent_id}/chat/completions`

use actix_web::{HttpResponse, http::StatusCode};
use serde_json::json;

/// Chat with a voice agent.
///
/// Not possible any more: `POST /v1/chat/completions` serves all agents. Always 410.
#[utoipa::path(
    post, path = "/v1/voice-beta/{agent_id}/chat/completions", tag = "voice",
    params(("agent_id" = String, Path, description = "The agent.")),
    request_body = Object,
    responses(
        (status = 200, description = "Never.", content((Object = "application/json"), (String = "text/event-stream"))),
        (status = 410, description = "Always."),
    )
)]
#[deprecated]
pub(crate) async fn create_voice_chat_completions() -> HttpResponse {
    let detail = "The /voice-beta endpoint has been deprecated and is no longer available.";
    HttpResponse::build(StatusCode::GONE).json(json!({ "detail": detail }))
}
