//! Failures before an answer begins, in a form that clients of OpenAI read too.

use actix_web::{HttpResponse, ResponseError, body::MessageBody};
use serde_json::{Map, Value, json};

use crate::error::ApiError;

/// The answer to a request that failed: as on any other route, with an `error` beside it.
pub(super) fn respond(error: &ApiError) -> HttpResponse {
    let (head, body) = error.error_response().into_parts();
    let bytes = body.try_into_bytes().unwrap_or_default();
    let mut members: Map<String, Value> = serde_json::from_slice(&bytes).unwrap_or_default();
    let status = head.status();
    let ours = members.remove("error").unwrap_or_default();
    let kind = if status.is_client_error() { "invalid_request_error" } else { "server_error" };
    let said = ours.get("message").or_else(|| members.get("detail")?.get("message")).or_else(|| members.get("detail"));
    let message = match said {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => error.to_string(),
    };
    let code = ours.get("type").or_else(|| members.get("detail")?.get("code")).cloned();
    let mut shown = json!({ "message": message, "type": kind, "param": null, "code": code });
    if let (Some(shown), Some(detail)) = (shown.as_object_mut(), ours.get("detail")) {
        shown.insert("detail".to_owned(), detail.clone());
    }
    members.insert("error".to_owned(), shown);
    head.set_body(serde_json::to_vec(&members).unwrap_or_default()).map_into_boxed_body()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managers::{
        Error,
        llm::{LlmError, LlmErrorKind},
    };

    fn answer(error: Error) -> (u16, Value) {
        let response = respond(&error.into());
        let status = response.status().as_u16();
        let Ok(body) = response.into_body().try_into_bytes() else { panic!("a body in one piece") };
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[test]
    fn a_refusal_is_told_in_both_forms() {
        let (status, body) = answer(Error::NotFound("No such agent.".to_owned()));
        assert_eq!((status, &body["detail"]), (404, &json!("No such agent.")));
        assert_eq!(body["error"]["message"], "No such agent.");
        assert_eq!((&body["error"]["type"], &body["error"]["code"]), (&json!("invalid_request_error"), &Value::Null));
    }

    #[test]
    fn a_failing_model_keeps_its_class_as_the_code() {
        let (status, body) = answer(Error::Llm(LlmError::new(LlmErrorKind::Connection, "lab", "No.")));
        assert_eq!((status, &body["error"]["code"]), (500, &json!("llm_error")));
        assert_eq!(body["error"]["type"], "server_error");
        assert!(body["error"]["detail"].as_str().unwrap().contains("No."));
    }
}
