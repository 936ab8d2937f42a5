//! What a failed turn tells its client, its run and its agent.

use muisti_llm::{LlmError, LlmErrorKind};
use muisti_orm::schema::{ErrorMessage, RunId, StopReason};
use serde_json::Value;

use crate::Error;

/// The failure of a turn in the words of the API.
pub(super) struct Failure {
    pub(super) stop_reason: StopReason,
    pub(super) error: Error,
}

impl Failure {
    pub(super) fn new(error: Error) -> Self {
        let stop_reason = match &error {
            Error::Llm(error) => match error.kind {
                LlmErrorKind::EmptyResponse | LlmErrorKind::InvalidResponse => StopReason::InvalidLlmResponse,
                LlmErrorKind::ContextOverflow => StopReason::Error,
                LlmErrorKind::NoToolCall => StopReason::NoToolCall,
                _ => StopReason::LlmApiError,
            },
            Error::SystemPromptTooLarge { .. } => StopReason::ContextWindowOverflowInSystemPrompt,
            _ => StopReason::Error,
        };
        Self { stop_reason, error }
    }

    /// What a run is said to have failed with whose process has stopped; with `kept` what was sent is in the history.
    pub(super) fn interrupted(run_id: RunId, kept: bool) -> ErrorMessage {
        let detail = if kept {
            "What was sent and what was done is in the history. Send another message to go on."
        } else {
            "Nothing of it was kept. Send the message again."
        };
        ErrorMessage {
            run_id,
            error_type: "server_interrupted".to_owned(),
            message: "The server stopped before this run was finished.".to_owned(),
            detail: Some(detail.to_owned()),
            seq_id: None,
        }
    }

    /// The tool calls that wait for the client, if that is why the turn failed. The run keeps them beside the error.
    pub(super) fn pending(&self) -> Option<(String, Value)> {
        let pending = match &self.error {
            Error::PendingApproval(pending) => Some(pending),
            Error::InvalidApproval { pending, .. } => pending.as_ref(),
            _ => None,
        };
        Some(("pending_approval".to_owned(), serde_json::to_value(pending?).ok()?))
    }

    /// The error frame of a stream, which is also what the run keeps as `metadata.error`.
    pub(super) fn message(&self, run_id: RunId) -> ErrorMessage {
        if let Error::Interrupted { kept } = self.error {
            return Self::interrupted(run_id, kept);
        }
        let (error_type, message) = describe(&self.error);
        let detail = match &self.error {
            // The text of a fault of ours is for the log.
            Error::Internal(_) => message.clone(),
            error => error.to_string(),
        };
        ErrorMessage { run_id, error_type: error_type.to_owned(), message, detail: Some(detail), seq_id: None }
    }
}

/// `error_type` and the sentence for it. Clients match on both.
fn describe(error: &Error) -> (&'static str, String) {
    match error {
        Error::Llm(error) => {
            let (kind, message) = describe_llm(error);
            (kind, message.to_owned())
        }
        Error::Internal(_) => {
            ("internal_error", "An unknown error occurred with the LLM streaming request.".to_owned())
        }
        Error::SystemPromptTooLarge { .. } => ("context_window_overflow_in_system_prompt", error.to_string()),
        // The same request would be refused again.
        Error::ContextWindowExceeded(_) => ("llm_bad_request", error.to_string()),
        error => ("internal_error", error.to_string()),
    }
}

fn describe_llm(error: &LlmError) -> (&'static str, &'static str) {
    match error.kind {
        LlmErrorKind::Timeout => ("llm_timeout", "The LLM request timed out. Please try again."),
        LlmErrorKind::RateLimit => {
            ("llm_rate_limit", "Rate limit exceeded for LLM model provider. Please wait before making another request.")
        }
        LlmErrorKind::Authentication => ("llm_authentication", "Authentication failed with the LLM model provider."),
        LlmErrorKind::EmptyResponse => ("llm_empty_response", "LLM returned an empty response."),
        LlmErrorKind::BadRequest | LlmErrorKind::ContextOverflow => {
            ("llm_bad_request", "The request to the LLM model provider was invalid.")
        }
        LlmErrorKind::InsufficientCredits => {
            ("llm_insufficient_credits", "Insufficient credits for LLM request. Please check your account.")
        }
        LlmErrorKind::PermissionDenied => {
            ("llm_permission_denied", "The LLM model provider does not permit this request.")
        }
        LlmErrorKind::NotFound => ("llm_not_found", "The LLM model provider does not know this model or path."),
        LlmErrorKind::Unprocessable => {
            ("llm_unprocessable_entity", "The LLM model provider cannot process this request.")
        }
        LlmErrorKind::Connection
        | LlmErrorKind::Server
        | LlmErrorKind::Overloaded
        | LlmErrorKind::BrokenStream
        | LlmErrorKind::InvalidResponse
        | LlmErrorKind::NoToolCall
        | LlmErrorKind::Unsupported => ("llm_error", "An error occurred with the LLM request."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_failure_keeps_its_class_and_its_own_words() {
        let error = LlmError::new(LlmErrorKind::RateLimit, "openai", "Slow down, please.");
        let failure = Failure::new(error.into());
        assert_eq!(failure.stop_reason, StopReason::LlmApiError);
        let message = serde_json::to_value(failure.message(RunId::random())).unwrap();
        assert_eq!(message["error_type"], "llm_rate_limit");
        assert!(message["detail"].as_str().unwrap().contains("Slow down, please."));
    }

    #[test]
    fn an_answer_without_the_tool_call_that_it_needed_has_a_reason_of_its_own() {
        let failure = Failure::new(LlmError::new(LlmErrorKind::NoToolCall, "openai", "no call.").into());
        assert_eq!(failure.stop_reason, StopReason::NoToolCall);
        assert_eq!(failure.message(RunId::random()).error_type, "llm_error");
    }

    #[test]
    fn a_system_prompt_that_fills_the_window_has_a_stop_reason_of_its_own() {
        let failure = Failure::new(Error::SystemPromptTooLarge { tokens: 9000, window: 8192 });
        assert_eq!(failure.stop_reason, StopReason::ContextWindowOverflowInSystemPrompt);
        let message = failure.message(RunId::random());
        assert_eq!(message.error_type, "context_window_overflow_in_system_prompt");
        assert!(message.detail.unwrap().contains("The system prompt tokens 9000 exceeds the context window 8192."));
    }

    #[test]
    fn a_request_that_cannot_be_made_to_fit_is_not_to_be_repeated() {
        let failure = Failure::new(Error::ContextWindowExceeded("Shorten the message.".into()));
        assert_eq!(failure.stop_reason, StopReason::Error);
        let message = failure.message(RunId::random());
        assert_eq!(message.error_type, "llm_bad_request");
        assert_eq!(message.message, "CONTEXT_WINDOW_EXCEEDED: Shorten the message.");
    }

    #[test]
    fn a_fault_of_ours_is_not_told_to_the_client() {
        let failure = Failure::new(Error::Internal("secret".into()));
        let message = serde_json::to_string(&failure.message(RunId::random())).unwrap();
        assert!(message.contains("internal_error") && !message.contains("secret"));
    }
}
