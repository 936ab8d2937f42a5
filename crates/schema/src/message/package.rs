//! Tool results as the model reads them, and the text form of values.

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

/// A tool result on its way to the model.
#[derive(Serialize)]
struct Packaged<'a> {
    status: &'a str,
    message: &'a Value,
    time: &'a str,
}

/// A tool result read back.
#[derive(Debug, Clone, PartialEq)]
pub struct PackagedResult {
    /// Whether the tool succeeded.
    pub ok: bool,
    /// What it returned: text, or an object.
    pub message: Value,
}

impl PackagedResult {
    /// What the tool returned as text; an object as JSON.
    #[must_use]
    pub fn into_text(self) -> String {
        match self.message {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }
}

/// Wraps a tool's result for the model: JSON, indented by two spaces, with `status` (`OK` or `Failed`), `message` and
/// `time`. Text and objects stay what they are, other values become their [`python_text`].
#[must_use]
pub fn package_tool_result(ok: bool, value: &Value, time: &str) -> String {
    let status = if ok { "OK" } else { "Failed" };
    let text;
    let message = match value {
        Value::String(_) | Value::Object(_) => value,
        other => {
            text = Value::String(python_text(other));
            &text
        }
    };
    // Strings and JSON values cannot fail to serialise.
    serde_json::to_string_pretty(&Packaged { status, message, time }).unwrap_or_default()
}

/// Reads back what [`package_tool_result`] wrote; none if it is something else.
#[must_use]
pub fn unpack_tool_result(text: &str) -> Option<PackagedResult> {
    #[derive(Deserialize)]
    struct Stored {
        status: String,
        message: Value,
    }
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let Stored { status, message } = serde_json::from_str(text).ok()?;
    match status.as_str() {
        "OK" => Some(PackagedResult { ok: true, message }),
        "Failed" => Some(PackagedResult { ok: false, message }),
        _ => None,
    }
}

/// A value as Python's `str` shows it, which is what models and clients expect of tool results: text as it is, `None`,
/// `True`, `1.0`, `['a', 1, None]`, `{'a': 1}`.
#[must_use]
pub fn python_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => {
            let mut out = String::new();
            write_repr(other, &mut out);
            out
        }
    }
}

fn write_repr(value: &Value, out: &mut String) {
    match value {
        Value::Null => out.push_str("None"),
        Value::Bool(true) => out.push_str("True"),
        Value::Bool(false) => out.push_str("False"),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(text) => write_quoted(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_repr(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                write_quoted(key, out);
                out.push_str(": ");
                write_repr(member, out);
            }
            out.push('}');
        }
    }
}

/// Whole numbers as they are; others with a fraction, and with an exponent outside of 1e-4 to 1e16.
fn number_text(number: &Number) -> String {
    let float = match number.as_f64() {
        Some(float) if number.is_f64() => float,
        _ => return number.to_string(),
    };
    let scientific = format!("{float:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..16).contains(&exponent) => {
            format!("{mantissa}e{}{:02}", if exponent < 0 { '-' } else { '+' }, exponent.unsigned_abs())
        }
        _ => format!("{float:?}"),
    }
}

/// In single quotes, or in double ones if that saves escaping.
fn write_quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for char in text.chars() {
        match char {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if char == quote => out.extend(['\\', char]),
            _ if char.is_control() => out.push_str(&format!("\\x{:02x}", u32::from(char))),
            _ => out.push(char),
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_read_like_python() {
        for (value, text) in [
            (json!("it's"), "it's"),
            (json!(null), "None"),
            (json!(true), "True"),
            (json!(42), "42"),
            (json!(-7), "-7"),
            (json!(1.0), "1.0"),
            (json!(0.1), "0.1"),
            (json!(1e20), "1e+20"),
            (json!(1e16), "1e+16"),
            (json!(123456789012345.0), "123456789012345.0"),
            (json!(1.5e-7), "1.5e-07"),
            (json!(0.0001), "0.0001"),
            (json!(0.00001), "1e-05"),
            (json!(["a", 1, null]), "['a', 1, None]"),
            (json!(["it's", "\"", "'\"", "a\nb\\", "ä", "\u{1}"]), r#"["it's", '"', '\'"', 'a\nb\\', 'ä', '\x01']"#),
            (json!({"a": {"b": []}, "c": false}), "{'a': {'b': []}, 'c': False}"),
        ] {
            assert_eq!(python_text(&value), text);
        }
    }

    #[test]
    fn a_packaged_result_is_indented_json_and_comes_back() {
        let time = "2026-01-05 10:00:00 AM UTC+0000";
        let text = package_tool_result(true, &json!("größer"), time);
        assert_eq!(
            text,
            "{\n  \"status\": \"OK\",\n  \"message\": \"größer\",\n  \"time\": \"2026-01-05 10:00:00 AM UTC+0000\"\n}"
        );
        assert_eq!(unpack_tool_result(&text), Some(PackagedResult { ok: true, message: json!("größer") }));
        let object = package_tool_result(false, &json!({"a": 1}), time);
        let result = unpack_tool_result(&object).unwrap();
        assert!(!result.ok);
        assert_eq!(result.into_text(), r#"{"a":1}"#);
        let list = unpack_tool_result(&package_tool_result(true, &json!([1, 2]), time)).unwrap();
        assert_eq!(list.into_text(), "[1, 2]");
        for other in ["", "42", "{", "{}", r#"{"status":"fine","message":"x"}"#] {
            assert_eq!(unpack_tool_result(other), None);
        }
    }
}
