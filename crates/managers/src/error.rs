//! What can go wrong, as callers can act on it.

use muisti_llm::LlmError;
use muisti_orm::schema::{ErrorMessage, InvalidId, MessageId, RunId};
use serde::Serialize;

/// One thing wrong with one part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// The kind of fault in the API's words: `missing`, `value_error`, `string_too_long`, …
    pub kind: &'static str,
    /// Where it is: `body`, `name`, … outermost first.
    pub location: Vec<String>,
    /// What is wrong and what would be right.
    pub message: String,
}

impl FieldError {
    /// A rule about the request as a whole that it breaks.
    pub fn request(message: impl Into<String>) -> Self {
        Self { kind: "value_error", location: Vec::new(), message: message.into() }
    }

    /// A field of the body whose value breaks a rule.
    pub fn body(field: &str, message: impl Into<String>) -> Self {
        Self { kind: "value_error", location: vec!["body".to_owned(), field.to_owned()], message: message.into() }
    }
}

/// Tool calls that wait for an answer of the client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingCalls {
    /// The message that asks for it.
    #[serde(rename = "pending_request_id")]
    pub request_id: MessageId,
    /// The calls that the client has not decided on.
    #[serde(rename = "pending_tool_call_ids")]
    pub tool_call_ids: Vec<String>,
    /// The run that asked.
    pub run_id: Option<RunId>,
}

/// The result of a manager method.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of the domain. The API turns each variant into one status and body.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An argument that no caller could use. 400, the text behind `INVALID_ARGUMENT: `.
    #[error("INVALID_ARGUMENT: {0}")]
    InvalidArgument(String),
    /// A request that cannot be carried out as it stands. 400, the bare text.
    #[error("{0}")]
    BadRequest(String),
    /// The conversation does not fit into the model's window. 400.
    #[error("CONTEXT_WINDOW_EXCEEDED: {0}")]
    ContextWindowExceeded(String),
    /// The system message alone fills the model's window. 400.
    #[error(
        "CONTEXT_WINDOW_EXCEEDED: The system prompt tokens {tokens} exceeds the context window {window}. Shorten the \
         agent's instructions or its memory blocks, or give it a model with a larger context."
    )]
    SystemPromptTooLarge {
        /// The tokens of the system message.
        tokens: i64,
        /// The tokens that fit.
        window: i64,
    },
    /// A row that does not exist for this organization. 404, the bare text.
    #[error("{0}")]
    NotFound(String),
    /// A model handle that no provider has. 404.
    #[error("NOT_FOUND: {0}")]
    HandleNotFound(String),
    /// What there was is no longer kept. 410.
    #[error("EXPIRED: {0}")]
    Expired(String),
    /// The state of things forbids it, until the caller changes that state. 409, not to be repeated as it is.
    #[error("CONFLICT: {0}")]
    Conflict(String),
    /// Two rows would share what must be unique. 409.
    #[error("A unique constraint was violated for {0}. Check your input for duplicates.")]
    Unique(&'static str),
    /// Another request works on the same history. 409, may be repeated later.
    #[error("{}", busy_text(.0.as_ref()))]
    Busy(Option<RunId>),
    /// The agent waits for an approval. 409 with what is pending.
    #[error(
        "CONFLICT: Cannot send a new message: The agent is waiting for approval on a tool call. \
         Please approve or deny the pending request before continuing."
    )]
    PendingApproval(Box<PendingCalls>),
    /// An answer to an approval request that does not fit what is pending, if anything is. 400 with what is pending.
    #[error("{message}")]
    InvalidApproval {
        /// What is wrong with it.
        message: String,
        /// What waits for an answer.
        pending: Option<Box<PendingCalls>>,
    },
    /// Fields that break the rules of their schema. 422.
    #[error("{}", .0.first().map_or("The request is not valid.", |e| e.message.as_str()))]
    Unprocessable(Vec<FieldError>),
    /// The model provider refused, failed or could not be reached.
    #[error(transparent)]
    Llm(#[from] LlmError),
    /// The server cannot serve this now: shutting down, or the database is out of reach. 503.
    #[error("{0}")]
    Unavailable(String),
    /// The server stops before the request is finished. 503.
    #[error(
        "The server stopped before this request was finished. {}",
        if *.kept { "What was sent is in the history: send another message to go on." } else { "Send it again in a moment." }
    )]
    Interrupted {
        /// Whether the input is in the history, so that it must not be sent again.
        kept: bool,
    },
    /// The request came before, and its run failed when something of it was in the history already. 503, not to be
    /// repeated.
    #[error(
        "This request came before, and its run {} failed: {} What was sent is in the history: send another message to \
         go on.",
        .0.run_id, .0.message
    )]
    EndedBefore(Box<ErrorMessage>),
    /// A fault of ours. 500; the text is for the log only.
    #[error("{0}")]
    Internal(String),
}

impl Error {
    /// The sentence for a row of this kind that does not exist.
    pub fn missing(kind: &str, id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("{kind} with ID {id} not found"))
    }
}

fn busy_text(run: Option<&RunId>) -> String {
    match run {
        Some(run) => format!(
            "CONFLICT: Cannot send a new message: Another request (run_id={run}) is currently being processed for \
             this conversation. Please wait for it to complete."
        ),
        None => "CONFLICT: Cannot send a new message: Another request is currently being processed for this \
                 conversation. Please wait for the current request to complete."
            .to_owned(),
    }
}

impl From<InvalidId> for Error {
    fn from(error: InvalidId) -> Self {
        Self::InvalidArgument(error.to_string())
    }
}

impl From<muisti_orm::Error> for Error {
    fn from(error: muisti_orm::Error) -> Self {
        use muisti_orm::Error as Orm;
        match error {
            Orm::CursorNotFound { model, id } => Self::NotFound(format!("No {model} found with id {id}")),
            Orm::Unique { model } => Self::Unique(model),
            Orm::ForeignKey { model } => Self::Conflict(format!(
                "A foreign key constraint was violated for {model}. Check your input for missing or invalid references."
            )),
            Orm::Stale { model, id } => Self::Conflict(format!(
                "{model} with id '{id}' was updated by another transaction. Please retry your request."
            )),
            Orm::TooLong => Self::BadRequest(
                "A text by which the database finds something, such as an id or a name, is too long. Shorten it to \
                 2,000 characters."
                    .to_owned(),
            ),
            Orm::Nul => Self::BadRequest("Text must not hold NUL characters (\\u0000). Remove them.".to_owned()),
            Orm::Busy(_) | Orm::Unavailable(_) => {
                tracing::warn!(%error, "the database cannot serve a request");
                Self::Unavailable("The database is temporarily unavailable. Please try again later.".to_owned())
            }
            Orm::Database(source) => Self::Internal(format!("the database could not carry out an operation: {source}")),
            error => Self::Internal(error.to_string()),
        }
    }
}
