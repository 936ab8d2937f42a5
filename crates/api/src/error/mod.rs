//! From errors to answers: one status and one body for each.

mod llm;

use actix_web::{
    HttpResponse, HttpResponseBuilder, ResponseError,
    http::{StatusCode, header},
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::managers::{Error, FieldError};

/// Everything that a handler or an extractor can fail with.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// An error of the domain.
    Manager(Error),
    /// A request that does not fit its schema. 422.
    Invalid(Validation),
    /// A body over the limit, in bytes. 413.
    TooLarge { limit: usize },
    /// The model provider failed, and there was nothing else to do. 502, not to be repeated.
    BadGateway(String),
    /// Any other answer that is only a status and a sentence.
    Detail(StatusCode, String),
}

/// The answer of a handler.
pub(crate) type Answer<T> = Result<actix_web::web::Json<T>, ApiError>;

impl ApiError {
    /// A request that makes no sense, with the reason.
    pub(crate) fn bad_request(text: impl Into<String>) -> Self {
        Self::Detail(StatusCode::BAD_REQUEST, text.into())
    }

    /// A request that does not fit its schema as a whole, as a plain sentence.
    pub(crate) fn unprocessable(text: impl Into<String>) -> Self {
        Self::Detail(StatusCode::UNPROCESSABLE_ENTITY, text.into())
    }

    /// A path that is no route, or leads to nothing.
    pub(crate) fn not_found() -> Self {
        Self::Detail(StatusCode::NOT_FOUND, "Not Found".to_owned())
    }

    /// A fault of ours; what happened is in the log only.
    pub(crate) fn unknown() -> Self {
        Self::Detail(StatusCode::INTERNAL_SERVER_ERROR, "An unknown error occurred".to_owned())
    }
}

/// One or more faults of a request, and examples of the ids it should have carried.
#[derive(Debug)]
pub(crate) struct Validation {
    pub(crate) errors: Vec<Record>,
    pub(crate) examples: Vec<String>,
}

/// One fault of a request.
#[derive(Debug, Serialize)]
pub(crate) struct Record {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    /// `path`, `query`, `header` or `body`, then the names and indexes that lead to the value.
    pub(crate) loc: Vec<Value>,
    pub(crate) msg: String,
    pub(crate) input: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ctx: Option<Value>,
}

impl Record {
    pub(crate) fn new<'a>(kind: &'static str, loc: impl IntoIterator<Item = &'a str>) -> Self {
        let loc = loc.into_iter().map(Value::from).collect();
        Self { kind, loc, msg: String::new(), input: Value::Null, ctx: None }
    }

    /// A value that has the right type and breaks a rule.
    pub(crate) fn value<'a>(loc: impl IntoIterator<Item = &'a str>, message: &str) -> Self {
        Self { msg: format!("Value error, {message}"), ..Self::new("value_error", loc) }
    }

    /// Shows the value that was wrong, when it is short: a body may be long, and may hold secrets.
    pub(crate) fn set_input(&mut self, input: Value) {
        self.input = match input {
            Value::String(text) if text.chars().count() > 80 => {
                format!("{}…", text.chars().take(80).collect::<String>()).into()
            }
            Value::Array(_) => "a list".into(),
            Value::Object(_) => "an object".into(),
            short => short,
        };
    }
}

impl From<Record> for ApiError {
    fn from(record: Record) -> Self {
        Self::Invalid(Validation { errors: vec![record], examples: Vec::new() })
    }
}

impl From<Validation> for ApiError {
    fn from(validation: Validation) -> Self {
        Self::Invalid(validation)
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self::Manager(error)
    }
}

/// `Input should be 'a', 'b' or 'c'`.
pub(crate) fn one_of(values: &[&str]) -> String {
    let quoted: Vec<String> = values.iter().map(|value| format!("'{value}'")).collect();
    match quoted.split_last() {
        Some((last, [])) => format!("Input should be {last}"),
        Some((last, rest)) => format!("Input should be {} or {last}", rest.join(", ")),
        None => "Input should be absent".to_owned(),
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Manager(error) => error.fmt(f),
            Self::Invalid(_) => f.write_str("The request is not valid."),
            Self::TooLarge { limit } => write!(
                f,
                "The request body is larger than the limit of {limit} bytes. Send less, or raise the limit with \
                 --body-limit (MUISTI_BODY_LIMIT)."
            ),
            Self::BadGateway(text) | Self::Detail(_, text) => f.write_str(text),
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Manager(error) => manager_status(error),
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BadGateway(_) => StatusCode::BAD_GATEWAY,
            Self::Detail(status, _) => *status,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        match self {
            Self::Manager(error) => manager_response(error, response),
            Self::Invalid(validation) => invalid(&validation.errors, &validation.examples, response),
            Self::BadGateway(text) => {
                do_not_retry(&mut response);
                response.json(json!({ "detail": text }))
            }
            Self::TooLarge { .. } | Self::Detail(..) => response.json(json!({ "detail": self.to_string() })),
        }
    }
}

/// The status of an error of the domain.
fn manager_status(error: &Error) -> StatusCode {
    match error {
        Error::InvalidArgument(_)
        | Error::BadRequest(_)
        | Error::ContextWindowExceeded(_)
        | Error::InvalidApproval { .. }
        | Error::SystemPromptTooLarge { .. } => StatusCode::BAD_REQUEST,
        Error::NotFound(_) | Error::HandleNotFound(_) => StatusCode::NOT_FOUND,
        Error::Expired(_) => StatusCode::GONE,
        Error::Conflict(_) | Error::Unique(_) | Error::Busy(_) | Error::PendingApproval(_) => StatusCode::CONFLICT,
        Error::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Error::Llm(error) => llm::status(error),
        Error::Unavailable(_) | Error::Interrupted { .. } | Error::EndedBefore(_) => StatusCode::SERVICE_UNAVAILABLE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The answer for an error of the domain.
///
/// Official clients repeat 408, 409, 429 and 5xx by themselves, so an answer says when that would be in vain or do
/// harm, and how long to wait when it would help.
fn manager_response(error: &Error, mut response: HttpResponseBuilder) -> HttpResponse {
    match error {
        Error::Busy(run) => {
            response.insert_header((header::RETRY_AFTER, "1"));
            let detail = error.to_string();
            match run {
                Some(run) => response.json(json!({ "detail": detail, "run_id": run.to_string() })),
                None => response.json(json!({ "detail": detail })),
            }
        }
        Error::PendingApproval(pending) => {
            do_not_retry(&mut response);
            response.json(json!({ "detail": {
                "code": "PENDING_APPROVAL",
                "message": error.to_string(),
                "pending_request_id": pending.request_id,
                "pending_tool_call_ids": pending.tool_call_ids,
                "run_id": pending.run_id,
            } }))
        }
        // Clients match on the sentence; what waits comes as data beside it.
        Error::InvalidApproval { message, pending } => response.json(json!({
            "detail": message,
            "pending_request_id": pending.as_ref().map(|pending| pending.request_id),
            "pending_tool_call_ids": pending.as_ref().map_or(&[][..], |pending| &pending.tool_call_ids),
            "run_id": pending.as_ref().and_then(|pending| pending.run_id),
        })),
        Error::Conflict(_) | Error::Unique(_) => {
            do_not_retry(&mut response);
            response.json(json!({ "detail": error.to_string() }))
        }
        Error::Unprocessable(errors) => match errors.as_slice() {
            // A rule about the request as a whole is a plain sentence.
            [FieldError { location, message, .. }] if location.is_empty() => {
                response.json(json!({ "detail": message }))
            }
            errors => invalid(&errors.iter().map(Record::from).collect::<Vec<_>>(), &[], response),
        },
        Error::Llm(error) => {
            // The model was asked, and asked again where that helps, before this error came here.
            do_not_retry(&mut response);
            response.json(llm::envelope(error))
        }
        Error::Interrupted { kept: true } => {
            do_not_retry(&mut response);
            response.json(json!({ "detail": error.to_string() }))
        }
        Error::EndedBefore(ended) => {
            do_not_retry(&mut response);
            response.json(json!({ "detail": error.to_string(), "run_id": ended.run_id }))
        }
        Error::Unavailable(_) | Error::Interrupted { kept: false } => {
            response.insert_header((header::RETRY_AFTER, "1"));
            response.json(json!({ "detail": error.to_string() }))
        }
        Error::Internal(text) => {
            tracing::error!(error = %text, "internal error");
            do_not_retry(&mut response);
            response.json(json!({ "detail": "An unknown error occurred" }))
        }
        _ => response.json(json!({ "detail": error.to_string() })),
    }
}

fn do_not_retry(response: &mut HttpResponseBuilder) {
    response.insert_header(("x-should-retry", "false"));
}

impl From<&FieldError> for Record {
    fn from(error: &FieldError) -> Self {
        let mut record = Self::new(error.kind, error.location.iter().map(String::as_str));
        record.msg = match error.kind {
            "value_error" => format!("Value error, {}", error.message),
            _ => error.message.clone(),
        };
        record
    }
}

/// The 422 body: `detail` is a string for the clients that show it, `errors` the same as data.
fn invalid(errors: &[Record], examples: &[String], mut response: HttpResponseBuilder) -> HttpResponse {
    #[derive(Serialize)]
    struct Body<'a> {
        trace_id: &'a str,
        detail: String,
        errors: &'a [Record],
        #[serde(skip_serializing_if = "<[String]>::is_empty")]
        examples: &'a [String],
    }
    let detail = serde_json::to_string(errors).unwrap_or_default();
    response.json(Body { trace_id: "", detail, errors, examples })
}

#[cfg(test)]
mod tests {
    use actix_web::body::MessageBody;

    use super::*;
    use crate::managers::{
        PendingCalls,
        llm::{LlmError, LlmErrorKind},
        schema::{MessageId, RunId},
    };

    fn answer(error: Error) -> (u16, Option<String>, Option<String>, Value) {
        let response = ApiError::from(error).error_response();
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (status, retry, after) = (response.status().as_u16(), header("x-should-retry"), header("retry-after"));
        let Ok(body) = response.into_body().try_into_bytes() else { panic!("a body in one piece") };
        (status, retry, after, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn a_busy_conversation_names_the_run_and_may_be_tried_again() {
        let run = RunId::random();
        let (status, retry, after, body) = answer(Error::Busy(Some(run)));
        assert_eq!((status, retry, after), (409, None, Some("1".to_owned())));
        assert_eq!(body["run_id"], run.to_string());
        let detail = body["detail"].as_str().unwrap();
        assert!(
            detail.contains(&format!("run_id={run}")) && detail.contains("is currently being processed"),
            "{detail}"
        );
    }

    #[test]
    fn a_pending_approval_is_an_object_and_not_to_be_repeated() {
        let calls = PendingCalls {
            request_id: MessageId::random(),
            tool_call_ids: vec!["call_1".to_owned()],
            run_id: Some(RunId::random()),
        };
        let (status, retry, _, body) = answer(Error::PendingApproval(Box::new(calls.clone())));
        assert_eq!((status, retry), (409, Some("false".to_owned())));
        assert_eq!(body["detail"]["code"], "PENDING_APPROVAL");
        let message = body["detail"]["message"].as_str().unwrap();
        assert!(message.contains("Please approve or deny the pending request before continuing"), "{message}");
        assert_eq!(body["detail"]["pending_request_id"], calls.request_id.to_string());
        assert_eq!(body["detail"]["pending_tool_call_ids"], json!(["call_1"]));
        assert_eq!(body["detail"]["run_id"], calls.run_id.unwrap().to_string());
    }

    #[test]
    fn a_failing_model_is_told_by_class() {
        for (kind, status, name) in [
            (LlmErrorKind::RateLimit, 429, "llm_rate_limit"),
            (LlmErrorKind::Timeout, 504, "llm_timeout"),
            (LlmErrorKind::Overloaded, 503, "llm_overloaded"),
            (LlmErrorKind::Connection, 500, "llm_error"),
        ] {
            let (given, retry, _, body) = answer(Error::Llm(LlmError::new(kind, "lab", "No.")));
            assert_eq!((given, retry), (status, Some("false".to_owned())));
            assert_eq!(body["error"]["type"], name);
        }
        let (status, _, _, body) =
            answer(Error::Llm(LlmError::new(LlmErrorKind::InvalidResponse, "lab", "Gibberish.")));
        assert_eq!((status, body), (400, json!({ "detail": "Model provider 'lab': Gibberish." })));
    }

    #[test]
    fn a_fault_of_ours_stays_in_the_log() {
        let (status, _, _, body) = answer(Error::Internal("SELECT secret FROM …".to_owned()));
        assert_eq!((status, body), (500, json!({ "detail": "An unknown error occurred" })));
    }
}
