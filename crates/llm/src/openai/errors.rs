//! Reads error answers of OpenAI's wire and its many dialects.

use reqwest::header::HeaderMap;
use serde_json::Value;

use crate::error::{LlmError, LlmErrorKind};
use crate::http::retry_after;

/// Reads an answer whose status says that it is an error.
pub(super) fn from_status(provider: &str, status: u16, headers: &HeaderMap, body: &[u8]) -> LlmError {
    let text = String::from_utf8_lossy(body);
    let said = Said::read(&text);
    let kind = classify(Some(status), &said);
    let message = match (&said.message, said.is_html) {
        (_, true) => format!(
            "answered {status} with a web page instead of JSON; the base URL is probably wrong, or something stands \
             in between."
        ),
        (Some(message), false) => format!("answered {status}: {message}"),
        (None, false) => format!("answered {status} without saying why."),
    };
    LlmError {
        status: Some(status),
        code: said.code,
        retry_after: retry_after(headers),
        ..LlmError::new(kind, provider, message)
    }
}

/// Reads an error that came where a piece of an answer should have been.
pub(super) fn from_answer(provider: &str, error: &Value) -> LlmError {
    let said = Said::of(error);
    // Gateways hand on the status of whoever is behind them, as the code.
    let status = said.code.as_deref().and_then(|code| code.parse::<u16>().ok()).filter(|s| (400..600).contains(s));
    let kind = classify(status, &said);
    let message = match &said.message {
        Some(message) => format!("broke off the answer: {message}"),
        None => "broke off the answer without saying why.".to_owned(),
    };
    LlmError { status, code: said.code, ..LlmError::new(kind, provider, message) }
}

/// What an error body says, whatever its dialect.
#[derive(Default)]
struct Said {
    message: Option<String>,
    code: Option<String>,
    /// The error's type, a second place for what others call code.
    word: Option<String>,
    is_html: bool,
}

impl Said {
    fn read(text: &str) -> Self {
        let text = text.trim();
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            return Self::of(value.get("error").filter(|error| !error.is_null()).unwrap_or(&value));
        }
        let start: String = text.chars().take(15).collect::<String>().to_ascii_lowercase();
        if start.starts_with("<!doctype") || start.starts_with("<html") {
            return Self { is_html: true, ..Self::default() };
        }
        Self { message: Some(shorten(text)).filter(|text| !text.is_empty()), ..Self::default() }
    }

    fn of(error: &Value) -> Self {
        let text = |key: &str| match error.get(key) {
            Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
            Some(Value::Number(number)) => Some(number.to_string()),
            _ => None,
        };
        let message = match error {
            Value::String(message) => Some(message.clone()),
            Value::Object(_) => ["message", "detail", "error", "msg"].into_iter().find_map(text).or_else(|| {
                // FastAPI servers put a list here.
                error.get("detail").filter(|detail| !detail.is_null()).map(Value::to_string)
            }),
            Value::Null => None,
            other => Some(other.to_string()),
        };
        // OpenRouter keeps what the provider behind it said in the metadata.
        let raw = error.pointer("/metadata/raw").and_then(Value::as_str);
        let message = match (message, raw) {
            (Some(message), Some(raw)) if !message.contains(raw) => Some(format!("{message} ({raw})")),
            (message, raw) => message.or_else(|| raw.map(str::to_owned)),
        };
        Self { message: message.map(|text| shorten(&text)), code: text("code"), word: text("type"), is_html: false }
    }
}

fn shorten(text: &str) -> String {
    const LONGEST: usize = 2_000;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn classify(status: Option<u16>, said: &Said) -> LlmErrorKind {
    let words = [&said.message, &said.code, &said.word].into_iter().flatten().map(String::as_str);
    let text = words.collect::<Vec<_>>().join("\n").to_ascii_lowercase();
    if matches!(status, None | Some(400 | 413 | 422 | 500)) && is_overflow(&text) {
        return LlmErrorKind::ContextOverflow;
    }
    // A request that is more than a whole minute's allowance is refused however long one waits.
    if matches!(status, None | Some(413 | 429)) && is_more_than_allowed_at_once(&text) {
        return LlmErrorKind::ContextOverflow;
    }
    // With 429 others say the same of a limit for a minute.
    let quota = [&said.code, &said.word].into_iter().flatten().any(|word| word == "insufficient_quota");
    if status == Some(402) || quota || (status != Some(429) && is_out_of_credits(&text)) {
        return LlmErrorKind::InsufficientCredits;
    }
    match status {
        Some(401) => LlmErrorKind::Authentication,
        Some(403) => LlmErrorKind::PermissionDenied,
        Some(404) => LlmErrorKind::NotFound,
        Some(408) => LlmErrorKind::Timeout,
        Some(413) => LlmErrorKind::ContextOverflow,
        Some(422) => LlmErrorKind::Unprocessable,
        Some(429) => LlmErrorKind::RateLimit,
        Some(504) => LlmErrorKind::Timeout,
        Some(529) => LlmErrorKind::Overloaded,
        Some(503) if text.contains("overloaded") || text.contains("capacity") => LlmErrorKind::Overloaded,
        Some(500..) => LlmErrorKind::Server,
        Some(_) => LlmErrorKind::BadRequest,
        None if text.contains("rate_limit") => LlmErrorKind::RateLimit,
        None if text.contains("overloaded") => LlmErrorKind::Overloaded,
        None if text.contains("server_error") => LlmErrorKind::Server,
        None => LlmErrorKind::BadRequest,
    }
}

/// Lower case in, the ways in which servers say that a prompt is too long.
fn is_overflow(text: &str) -> bool {
    const SAYINGS: &[&str] = &[
        // OpenAI and those who copy its words.
        "exceeds the context window",
        "maximum context length",
        "context_length_exceeded",
        "input tokens exceed the configured limit",
        "exceeds the maximum allowed input length",
        "maximum prompt length",
        // llama.cpp
        "exceeds the available context size",
        "exceed_context_size_error",
        // LM Studio
        "context the overflows",
        "context length of only",
        "reached context length",
        // SGLang, vLLM, Ollama, Together
        "longer than the model's context length",
        "longer than the maximum model length",
        "input length exceeds",
        "exceeds the context length",
        "exceeds maximum context",
        "`max_new_tokens` must be <=",
        "exceeded max context length",
        // TabbyAPI, ExLlama
        "greater than max_seq_len",
        // Anthropic, and Bedrock before all kinds of models
        "prompt is too long",
        "exceed context limit",
        "input is too long",
        // Google
        "exceeds the maximum number of tokens",
        // Moonshot
        "exceeded model token limit",
        // DashScope
        "range of input length should be",
        // MiniMax
        "context window exceeds limit",
        // Zhipu
        "prompt exceeds max length",
        // Cloudflare
        "exceeded this model context window limit",
    ];
    // Cohere. Where there are too many in a time, waiting helps.
    let in_a_time =
        || ["wait", "rate limit", "rate_limit", "per minute", "per day"].iter().any(|word| text.contains(word));
    SAYINGS.iter().any(|saying| text.contains(saying)) || (text.contains("too many tokens") && !in_a_time())
}

/// Lower case in, the ways in which servers say that a request is larger than what they take in a minute.
fn is_more_than_allowed_at_once(text: &str) -> bool {
    text.contains("request too large")
        && (text.contains("must be reduced") || text.contains("reduce your message size"))
}

fn is_out_of_credits(text: &str) -> bool {
    const SAYINGS: &[&str] = &[
        "insufficient credits",
        "requires more credits",
        "add more credits",
        "exceeded your current quota",
        "you've exceeded your budget",
        "can only afford",
        "insufficient balance",
    ];
    SAYINGS.iter().any(|saying| text.contains(saying)) || (text.contains("billing") && text.contains("hard limit"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use LlmErrorKind::*;
    use serde_json::json;
    use std::time::Duration;

    fn read(status: u16, body: &str) -> LlmError {
        from_status("lab", status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn statuses_and_texts_give_the_class() {
        for (status, body, kind) in [
            (400, r#"{"error": {"message": "Invalid 'tools'", "code": null}}"#, BadRequest),
            (400, r#"{"error": {"message": "too long", "code": "context_length_exceeded"}}"#, ContextOverflow),
            (400, r#"{"error": {"message": "This model's maximum context length is 8192 tokens."}}"#, ContextOverflow),
            (
                400,
                r#"{"error": {"code": 400, "message": "the request exceeds the available context size. try increasing", "type": "exceed_context_size_error"}}"#,
                ContextOverflow,
            ),
            (413, "", ContextOverflow),
            (401, r#"{"error": {"message": "Incorrect API key provided"}}"#, Authentication),
            (402, r#"{"error": {"message": "pay"}}"#, InsufficientCredits),
            (403, r#"{"detail": "no"}"#, PermissionDenied),
            (404, r#"{"error": "model 'x' not found"}"#, NotFound),
            (418, "", BadRequest),
            (422, r#"{"detail": [{"loc": ["body"], "msg": "bad"}]}"#, Unprocessable),
            (
                429,
                r#"{"error": {"message": "You exceeded your current quota", "code": "insufficient_quota"}}"#,
                InsufficientCredits,
            ),
            (429, r#"{"error": {"message": "You exceeded your current quota", "code": 429}}"#, RateLimit),
            (400, r#"{"error": {"message": "This request requires more credits"}}"#, InsufficientCredits),
            (500, "oops", Server),
            (503, r#"{"error": {"message": "The model is overloaded"}}"#, Overloaded),
            (503, "", Server),
            (504, "", Timeout),
            (529, "", Overloaded),
        ] {
            assert_eq!(read(status, body).kind, kind, "{status} {body}");
        }
    }

    #[test]
    fn every_server_has_its_own_words_for_a_prompt_that_is_too_long() {
        for saying in [
            "prompt is too long: 200251 tokens > 200000 maximum",
            "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
            "The input token count (9000) exceeds the maximum number of tokens allowed (8192).",
            "Input is too long for requested model.",
            "Invalid request: Your request exceeded model token limit: 8192",
            "Prompt length 9000 is greater than max_seq_len 8192",
            "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 8192]",
            "prompt too long; exceeded max context length by 12 tokens",
            "invalid params, context window exceeds limit",
            "Prompt exceeds max length",
            "too many tokens: total number of tokens in the prompt cannot exceed 4081",
            "The estimated number of input and maximum output tokens (9000) exceeded this model context window limit (7968).",
        ] {
            let body = json!({"error": {"message": saying, "type": "invalid_request_error"}});
            assert_eq!(read(400, &body.to_string()).kind, ContextOverflow, "{saying}");
            assert_eq!(from_answer("lab", &json!(saying)).kind, ContextOverflow, "{saying}");
        }
        for (status, saying) in [
            (400, "Too many tokens per minute."),
            (400, "The tool's schema is too long."),
            (429, "Too many tokens, please wait before trying again."),
        ] {
            assert_ne!(read(status, &json!({"message": saying}).to_string()).kind, ContextOverflow, "{saying}");
        }
    }

    #[test]
    fn more_than_a_minutes_allowance_is_too_much_however_long_one_waits() {
        let too_large = "Request too large for gpt-4o in organization org-x on tokens per min (TPM): Limit 8000, \
                         Requested 9000. The input or output tokens must be reduced in order to run successfully.";
        let used_up = "Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 8000, Used \
                       7000, Requested 2000. Please try again in 7s.";
        for (saying, kind) in [(too_large, ContextOverflow), (used_up, RateLimit)] {
            let body = json!({"error": {"message": saying, "type": "tokens", "code": "rate_limit_exceeded"}});
            assert_eq!(read(429, &body.to_string()).kind, kind, "{saying}");
        }
    }

    #[test]
    fn the_providers_own_words_are_handed_on() {
        let text = read(404, r#"{"error": {"message": "The model `x` does not exist", "code": "model_not_found"}}"#);
        assert_eq!(text.to_string(), "Model provider 'lab': answered 404: The model `x` does not exist");
        assert_eq!(text.code.as_deref(), Some("model_not_found"));
        assert!(read(502, "<html><body>Bad Gateway").to_string().contains("a web page instead of JSON"));
        assert!(read(422, r#"{"detail": [{"msg": "bad field"}]}"#).to_string().contains("bad field"));
        let routed =
            r#"{"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": "no tools"}}}"#;
        assert!(read(400, routed).to_string().ends_with("Provider returned error (no tools)"));
        assert!(read(500, &"x".repeat(10_000)).to_string().len() < 3_000);
    }

    #[test]
    fn an_error_inside_an_answer_is_classed_by_what_it_says() {
        for (error, kind) in [
            (json!({"message": "maximum context length is 10"}), ContextOverflow),
            (json!({"message": "Insufficient credits"}), InsufficientCredits),
            (json!({"message": "slow down", "code": 429}), RateLimit),
            (json!({"message": "upstream", "code": 502}), Server),
            (json!({"message": "x", "type": "server_error"}), Server),
            (json!("what"), BadRequest),
        ] {
            assert_eq!(from_answer("lab", &error).kind, kind, "{error}");
        }
    }

    #[test]
    fn the_wait_is_read_in_both_spellings() {
        let wait = |name: &'static str, value: &'static str| {
            let headers = HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]);
            from_status("lab", 429, &headers, b"").retry_after
        };
        assert_eq!(wait("retry-after", "2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("retry-after-ms", "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("retry-after", "-5"), None);
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT"), None);
    }
}
