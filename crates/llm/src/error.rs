//! What can go wrong between this process and a model, in classes that callers act on.

use std::fmt;
use std::time::Duration;

/// What a caller can do about an [`LlmError`]; the classes of the reference plus the ones it lumps together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LlmErrorKind {
    /// The provider could not be reached, or hung up before it answered.
    Connection,
    /// The provider was silent for too long.
    Timeout,
    /// Too many requests, or a quota used up (429).
    RateLimit,
    /// The provider refuses the request as it is (400 and most of 4xx).
    BadRequest,
    /// The prompt is longer than the model's context. Compaction helps; a repeat does not.
    ContextOverflow,
    /// The account has no money left (402).
    InsufficientCredits,
    /// The key is missing or wrong (401).
    Authentication,
    /// The key is right and may not do this (403).
    PermissionDenied,
    /// No such model or path (404).
    NotFound,
    /// The provider understood the request and cannot process it (422).
    Unprocessable,
    /// The provider failed (5xx).
    Server,
    /// The provider is at its capacity (503 and 529 that say so).
    Overloaded,
    /// The answer had neither text nor a tool call.
    EmptyResponse,
    /// The answer had no tool call, where there had to be one.
    NoToolCall,
    /// The answer broke off before its end. What came before it is not complete.
    BrokenStream,
    /// The answer is not what this wire speaks, which mostly means a wrong base URL.
    InvalidResponse,
    /// The provider does not offer this, for example embeddings.
    Unsupported,
}

impl LlmErrorKind {
    /// A stable word for logs, metrics and traces.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::RateLimit => "rate_limit",
            Self::BadRequest => "bad_request",
            Self::ContextOverflow => "context_overflow",
            Self::InsufficientCredits => "insufficient_credits",
            Self::Authentication => "authentication",
            Self::PermissionDenied => "permission_denied",
            Self::NotFound => "not_found",
            Self::Unprocessable => "unprocessable",
            Self::Server => "server",
            Self::Overloaded => "overloaded",
            Self::EmptyResponse => "empty_response",
            Self::NoToolCall => "no_tool_call",
            Self::BrokenStream => "broken_stream",
            Self::InvalidResponse => "invalid_response",
            Self::Unsupported => "unsupported",
        }
    }
}

/// A failed call of a model. `Display` names the provider and carries the provider's own words.
///
/// The sentences of this crate itself keep clear of words that clients take for a reason to repeat a turn (`server
/// error`, `overloaded` and the like); the provider's own words are handed on as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LlmError {
    /// What a caller can do about it.
    pub kind: LlmErrorKind,
    /// The provider's name, for example `openai`.
    pub provider: String,
    /// One sentence, with the provider's own message where there is one.
    pub message: String,
    /// The HTTP status, when one came.
    pub status: Option<u16>,
    /// The provider's machine-readable code, when one came.
    pub code: Option<String>,
    /// How long the provider asks to wait.
    pub retry_after: Option<Duration>,
}

impl LlmError {
    /// An error without an HTTP answer.
    pub fn new(kind: LlmErrorKind, provider: impl Into<String>, message: impl Into<String>) -> Self {
        Self { kind, provider: provider.into(), message: message.into(), status: None, code: None, retry_after: None }
    }

    /// Whether the same request may succeed a little later. This crate has already repeated what could be repeated
    /// before the first byte of an answer; this is for what callers decide above that.
    pub fn is_transient(&self) -> bool {
        matches!(
            self.kind,
            LlmErrorKind::Connection
                | LlmErrorKind::Timeout
                | LlmErrorKind::RateLimit
                | LlmErrorKind::Server
                | LlmErrorKind::Overloaded
                | LlmErrorKind::EmptyResponse
                | LlmErrorKind::BrokenStream
        )
    }

    /// Whether the prompt was too long for the model.
    pub fn is_context_overflow(&self) -> bool {
        self.kind == LlmErrorKind::ContextOverflow
    }

    /// Whether the provider says that it does not take images, or not these: the same request without them may succeed.
    pub fn refuses_images(&self) -> bool {
        /// What images, and the ability to read them, are called.
        const NAMES: &[&str] = &["image", "vision", "multimodal", "multi-modal", "mmproj"];
        /// How servers say no.
        const SAYINGS: &[&str] = &[
            "not support",
            "unsupported",
            "only support",
            "support image",
            "not a multimodal",
            "not a multi-modal",
            "not enabled",
            "not loaded",
            "invalid",
            "not valid",
            "valid image",
            "cannot identify",
            "failed to",
            "could not",
            "unable to",
            "missing data required for",
            "unknown variant",
            "at most",
            "too many",
            "too large",
            "exceed",
        ];
        let refused = matches!(
            self.kind,
            LlmErrorKind::BadRequest | LlmErrorKind::Unprocessable | LlmErrorKind::NotFound | LlmErrorKind::Server
        );
        let says = |sayings: &[&str], text: &str| sayings.iter().any(|saying| text.contains(saying));
        refused && {
            let text = self.message.to_ascii_lowercase();
            says(NAMES, &text) && says(SAYINGS, &text)
        }
    }
}

impl fmt::Display for LlmError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Model provider '{}': {}", self.provider, self.message)
    }
}

impl std::error::Error for LlmError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_of_images_are_known_by_their_words() {
        let error = |kind, message: &str| LlmError::new(kind, "lab", message);
        for message in [
            "answered 500: image input is not supported - hint: if this is unexpected, you may need to provide the mmproj",
            "answered 400: You uploaded an unsupported image. Please make sure your image is valid.",
            "answered 400: Invalid content type. image_url is only supported by certain models.",
            "answered 400: qwen is not a multimodal model",
            "answered 400: At most 0 image(s) may be provided in one prompt.",
            "answered 404: No endpoints found that support image input",
            "answered 400: Failed to deserialize: unknown variant `image_url`, expected `text`",
            "answered 400: Vision add-on is not loaded, but images were provided for processing",
            "answered 500: this model is missing data required for image input",
        ] {
            assert!(error(LlmErrorKind::BadRequest, message).refuses_images(), "{message}");
            assert!(error(LlmErrorKind::Server, message).refuses_images(), "{message}");
            assert!(!error(LlmErrorKind::RateLimit, message).refuses_images(), "{message}");
        }
        for message in ["answered 400: Invalid 'tools'", "answered 500: oops", "answered 404: no such model"] {
            assert!(!error(LlmErrorKind::BadRequest, message).refuses_images(), "{message}");
        }
    }
}
