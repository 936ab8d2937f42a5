//! What a client is told when a model provider fails.

use actix_web::http::StatusCode;
use serde_json::{Value, json};

use crate::managers::llm::{LlmError, LlmErrorKind};

/// The HTTP status for an error of this class.
pub(super) fn status(error: &LlmError) -> StatusCode {
    match error.kind {
        LlmErrorKind::BadRequest
        | LlmErrorKind::ContextOverflow
        | LlmErrorKind::InvalidResponse
        | LlmErrorKind::Unsupported => StatusCode::BAD_REQUEST,
        LlmErrorKind::Authentication => StatusCode::UNAUTHORIZED,
        LlmErrorKind::InsufficientCredits => StatusCode::PAYMENT_REQUIRED,
        LlmErrorKind::RateLimit => StatusCode::TOO_MANY_REQUESTS,
        LlmErrorKind::Timeout => StatusCode::GATEWAY_TIMEOUT,
        LlmErrorKind::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The body for an error of this class.
pub(super) fn envelope(error: &LlmError) -> Value {
    if error.is_context_overflow() {
        return json!({ "detail": format!("CONTEXT_WINDOW_EXCEEDED: {error}") });
    }
    // Nobody has failed in a way that has a name of its own: what came is not an answer.
    if error.kind == LlmErrorKind::InvalidResponse {
        return json!({ "detail": error.to_string() });
    }
    let (kind, message) = match error.kind {
        LlmErrorKind::BadRequest | LlmErrorKind::Unsupported => {
            ("llm_bad_request", "The request to the LLM model provider was invalid.")
        }
        LlmErrorKind::Authentication => ("llm_authentication", "Authentication failed with the LLM model provider."),
        LlmErrorKind::InsufficientCredits => {
            ("llm_insufficient_credits", "Insufficient credits for LLM request. Please check your account.")
        }
        LlmErrorKind::RateLimit => {
            ("llm_rate_limit", "Rate limit exceeded for LLM model provider. Please wait before making another request.")
        }
        LlmErrorKind::Timeout => ("llm_timeout", "The LLM request timed out. Please try again."),
        LlmErrorKind::Overloaded => {
            ("llm_overloaded", "The model provider is at its capacity. Please try again later.")
        }
        LlmErrorKind::EmptyResponse => ("llm_empty_response", "LLM returned an empty response."),
        _ => ("llm_error", "An error occurred with the LLM request."),
    };
    json!({ "error": { "type": kind, "message": message, "detail": error.to_string() } })
}
