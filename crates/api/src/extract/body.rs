//! JSON bodies, read up to the size limit, with errors that name the field.

use std::borrow::Cow;

use actix_web::{
    FromRequest, HttpRequest, dev,
    http::header,
    web::{Bytes, BytesMut},
};
use futures::{StreamExt, future::LocalBoxFuture};
use muisti_managers::orm::json::{NUL, clean_json};
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use crate::{
    app::settings,
    error::{ApiError, Record},
};

/// The body of a request as a JSON object.
#[derive(Debug, Clone)]
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for JsonBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let limit = settings(request).body_limit;
        let is_json = has_json_type(request);
        let payload = payload.take();
        Box::pin(async move {
            let bytes = read(payload, limit).await?;
            if !is_json {
                return Err(not_an_object(String::from_utf8_lossy(&bytes).into_owned().into()));
            }
            parse(&bytes).map(Self)
        })
    }
}

/// The body of a request as a JSON array.
#[derive(Debug, Clone)]
pub(crate) struct JsonList<T>(pub(crate) Vec<T>);

impl<T: DeserializeOwned + 'static> FromRequest for JsonList<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let limit = settings(request).body_limit;
        let payload = payload.take();
        Box::pin(async move { parse_as(&read(payload, limit).await?, b'[', not_a_list).map(Self) })
    }
}

/// A body that may be left out.
#[derive(Debug, Clone)]
pub(crate) struct OptionalJsonBody<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned + 'static> FromRequest for OptionalJsonBody<T> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let limit = settings(request).body_limit;
        let payload = payload.take();
        Box::pin(async move {
            let bytes = read(payload, limit).await?;
            let bytes = bytes.trim_ascii();
            if bytes.is_empty() || bytes == b"null" {
                Ok(Self(None))
            } else {
                parse(bytes).map(|body| Self(Some(body)))
            }
        })
    }
}

/// `application/json`, any `+json` type, or no type at all.
fn has_json_type(request: &HttpRequest) -> bool {
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else { return true };
    let essence = value.to_str().unwrap_or("?").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence.is_empty()
        || essence == "application/json"
        || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads the whole body. One that is too large is read a little further and thrown away, so that a client which
/// looks for the answer only after sending finds one instead of a broken connection.
pub(super) async fn read(mut payload: dev::Payload, limit: usize) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    let mut size = 0_usize;
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::bad_request(format!("The body could not be read: {error}.")))?;
        size = size.saturating_add(chunk.len());
        if size <= limit {
            bytes.extend_from_slice(&chunk);
        } else {
            bytes = BytesMut::new();
            if size > limit.saturating_mul(2) {
                break;
            }
        }
    }
    if size > limit { Err(ApiError::TooLarge { limit }) } else { Ok(bytes.freeze()) }
}

/// Reads a JSON object into `T`.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    parse_as(bytes, b'{', not_an_object)
}

/// Reads JSON that begins with this byte into `T`; what begins otherwise is answered with `other`.
fn parse_as<T: DeserializeOwned>(
    bytes: &[u8],
    opening: u8,
    other: fn(serde_json::Value) -> ApiError,
) -> Result<T, ApiError> {
    // What is not looked at would not be checked either.
    let text =
        std::str::from_utf8(bytes).map_err(|error| decode_error(error.valid_up_to(), "the text is not valid UTF-8"))?;
    // No NUL is stored, so that none may be in what is done with a request before it is stored.
    let text = if text.contains(NUL) { Cow::Owned(clean_json(text.to_owned())) } else { Cow::Borrowed(text) };
    let bytes = text.as_bytes();
    let start = bytes.iter().position(|byte| !byte.is_ascii_whitespace());
    let Some(first) = start.and_then(|start| bytes.get(start)) else {
        let mut record = Record::new("missing", ["body"]);
        record.msg = "Field required".to_owned();
        return Err(record.into());
    };
    if *first != opening {
        // A struct could also be read from an array, which nobody means.
        let value: serde_json::Value = serde_json::from_slice(bytes).map_err(|error| invalid_json(bytes, &error))?;
        return Err(other(value));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().clone();
        let error = error.into_inner();
        if error.is_data() { invalid_field(&path, &error, bytes) } else { invalid_json(bytes, &error) }
    })?;
    deserializer.end().map_err(|error| invalid_json(bytes, &error))?;
    Ok(value)
}

fn not_an_object(input: serde_json::Value) -> ApiError {
    let mut record = Record::new("model_attributes_type", ["body"]);
    record.msg = "Input should be a valid dictionary or object to extract fields from. Send a JSON object with \
                  content-type application/json."
        .to_owned();
    record.set_input(input);
    record.into()
}

fn not_a_list(input: serde_json::Value) -> ApiError {
    let mut record = Record::new("list_type", ["body"]);
    record.msg = "Input should be a valid list. Send a JSON array.".to_owned();
    record.set_input(input);
    record.into()
}

fn invalid_json(bytes: &[u8], error: &serde_json::Error) -> ApiError {
    let before: usize =
        bytes.split_inclusive(|byte| *byte == b'\n').take(error.line().saturating_sub(1)).map(<[u8]>::len).sum();
    decode_error(before.saturating_add(error.column()), &error.to_string())
}

fn decode_error(offset: usize, reason: &str) -> ApiError {
    let mut record = Record::new("json_invalid", ["body"]);
    record.loc.push(offset.into());
    record.msg = format!("JSON decode error: {reason}");
    record.ctx = Some(serde_json::json!({ "error": reason }));
    record.into()
}

fn invalid_field(path: &serde_path_to_error::Path, error: &serde_json::Error, bytes: &[u8]) -> ApiError {
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let (kind, field, message) = classify(text);
    let mut record = Record::new(kind, ["body"]);
    record.msg = message;
    let mut input = serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
    for segment in path {
        match segment {
            Segment::Seq { index } => {
                record.loc.push((*index).into());
                input = input.get_mut(*index).map(serde_json::Value::take).unwrap_or_default();
            }
            Segment::Map { key } => {
                record.loc.push(key.as_str().into());
                input = input.get_mut(key).map(serde_json::Value::take).unwrap_or_default();
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    match (kind, field) {
        ("missing", Some(field)) => record.loc.push(field.into()),
        // The path already ends in the unknown field.
        _ => record.set_input(input),
    }
    record.into()
}

/// The kind of fault, the field that the text names, and a message, from the words of a deserializer.
fn classify(text: &str) -> (&'static str, Option<&str>, String) {
    let quoted = || text.split('`').nth(1);
    if text.starts_with("missing field") {
        return ("missing", quoted(), "Field required".to_owned());
    }
    if text.starts_with("unknown field") {
        return ("extra_forbidden", quoted(), "Extra inputs are not permitted".to_owned());
    }
    if text.starts_with("unknown variant") {
        let expected: Vec<&str> = text.split('`').skip(3).step_by(2).collect();
        return ("enum", None, crate::error::one_of(&expected));
    }
    if text.starts_with("Invalid ") && text.contains(". Must be one of: ") {
        return ("enum", None, text.to_owned());
    }
    if text.starts_with("Invalid ") && text.contains(" ID format: ") {
        return ("string_pattern_mismatch", None, text.to_owned());
    }
    if let Some((_, expected)) = text.split_once("invalid type: ").and_then(|(_, rest)| rest.rsplit_once("expected ")) {
        return match expected {
            "a string" | "a borrowed string" | "str" => {
                ("string_type", None, "Input should be a valid string".to_owned())
            }
            "a boolean" => ("bool_type", None, "Input should be a valid boolean".to_owned()),
            "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" => {
                ("int_type", None, "Input should be a valid integer".to_owned())
            }
            "f32" | "f64" => ("float_type", None, "Input should be a valid number".to_owned()),
            "a sequence" => ("list_type", None, "Input should be a valid list".to_owned()),
            "a map" => ("dict_type", None, "Input should be a valid dictionary".to_owned()),
            expected if expected.starts_with("struct ") || expected.starts_with("internally tagged") => (
                "model_attributes_type",
                None,
                "Input should be a valid dictionary or object to extract fields from".to_owned(),
            ),
            expected => ("value_error", None, format!("Input should be {expected}")),
        };
    }
    ("value_error", None, format!("Value error, {text}"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Role {
        User,
        System,
    }

    #[derive(Debug, Deserialize)]
    struct Message {
        #[allow(dead_code)]
        role: Role,
        #[allow(dead_code)]
        content: String,
    }

    #[derive(Debug, Deserialize)]
    struct Body {
        #[allow(dead_code)]
        messages: Vec<Message>,
        #[serde(default)]
        #[allow(dead_code)]
        max_steps: Option<i64>,
        #[serde(default)]
        #[allow(dead_code)]
        stream: bool,
    }

    fn errors(body: &str) -> String {
        let ApiError::Invalid(invalid) = parse::<Body>(body.as_bytes()).unwrap_err() else { panic!("{body}") };
        let record = &invalid.errors[0];
        format!("{} {} {}: {}", record.kind, serde_json::json!(record.loc), record.input, record.msg)
    }

    #[test]
    fn each_fault_is_named_with_its_place() {
        let bodies = [
            "",
            "[]",
            "\"text\"",
            "{\"messages\": [}",
            "{\"messages\": []} {}",
            "{}",
            r#"{"messages": 5}"#,
            r#"{"messages": [{"role": "king", "content": "x"}]}"#,
            r#"{"messages": [{"role": "user", "content": "x"}, {"role": "user", "content": 7}]}"#,
            r#"{"messages": [{"role": "user"}]}"#,
            r#"{"messages": [], "max_steps": "many"}"#,
            r#"{"messages": [], "stream": "sometimes"}"#,
            "{\"messages\": [{\"role\": \"user\", \"content\": \"\\ud800\"}]}",
        ];
        insta::assert_snapshot!(bodies.map(errors).join("\n"), @r#"
        missing ["body"] null: Field required
        model_attributes_type ["body"] "a list": Input should be a valid dictionary or object to extract fields from. Send a JSON object with content-type application/json.
        model_attributes_type ["body"] "text": Input should be a valid dictionary or object to extract fields from. Send a JSON object with content-type application/json.
        json_invalid ["body",15] null: JSON decode error: expected value at line 1 column 15
        json_invalid ["body",18] null: JSON decode error: trailing characters at line 1 column 18
        missing ["body","messages"] null: Field required
        list_type ["body","messages"] 5: Input should be a valid list
        enum ["body","messages",0,"role"] "king": Input should be 'user' or 'system'
        string_type ["body","messages",1,"content"] 7: Input should be a valid string
        missing ["body","messages",0,"content"] null: Field required
        int_type ["body","max_steps"] "many": Input should be a valid integer
        bool_type ["body","stream"] "sometimes": Input should be a valid boolean
        json_invalid ["body",50] null: JSON decode error: unexpected end of hex escape at line 1 column 50
        "#);
    }

    #[test]
    fn nul_characters_are_taken_out() {
        let body: Body = parse(br#"{"messages": [{"role": "user", "content": "a\u0000b \\u0000"}]}"#).unwrap();
        assert_eq!(body.messages[0].content, r"ab \u0000");
    }

    #[test]
    fn invalid_utf_8_is_invalid_json() {
        let ApiError::Invalid(invalid) = parse::<Body>(b"{\"messages\": [], \"x\": \"\xff\"}").unwrap_err() else {
            panic!()
        };
        assert_eq!(invalid.errors[0].kind, "json_invalid");
    }

    #[test]
    fn a_deeply_nested_body_is_refused_and_does_not_overflow_the_stack() {
        let body = format!("{{\"x\": {}", "[".repeat(100_000));
        assert!(parse::<Body>(body.as_bytes()).is_err());
    }
}
