//! What a tool call yields, and how it reads.

use std::borrow::Cow;

use serde_json::Value;

use crate::schema::python_text;

/// The outcome of one tool call.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolOutcome {
    /// Whether the tool did what it was asked.
    pub ok: bool,
    /// What the agent is told: the return value, or the text of the error.
    pub value: Value,
    /// What the tool printed.
    pub stdout: Vec<String>,
    /// What the tool printed as errors; for a failed built-in tool, the failure in the form of a traceback's
    /// last line.
    pub stderr: Vec<String>,
}

/// How many characters of a failure `stderr` shows.
const LONGEST_FAILURE: usize = 1000;

impl ToolOutcome {
    /// The tool did it, and returns this.
    #[must_use]
    pub const fn success(value: Value) -> Self {
        Self { ok: true, value, stdout: Vec::new(), stderr: Vec::new() }
    }

    /// The tool did not do it. `kind` is the error's name as Python programmers know it, which is what clients
    /// of the run endpoint look for.
    #[must_use]
    pub fn failure(tool: &str, kind: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let stderr = format!("Error executing function {tool}: {kind}: {message}");
        let stderr = stderr.chars().take(LONGEST_FAILURE).collect();
        Self { ok: false, value: Value::String(message), stdout: Vec::new(), stderr: vec![stderr] }
    }

    /// The tool was not run, for a reason that is no error of its own.
    #[must_use]
    pub fn refused(reason: impl Into<String>) -> Self {
        Self { ok: false, value: Value::String(reason.into()), stdout: Vec::new(), stderr: Vec::new() }
    }

    /// The outcome with a value of at most `limit` characters of text, and a note behind it where it was cut.
    /// A search result loses whole entries from its end instead.
    #[must_use]
    pub fn truncated(mut self, limit: usize) -> Self {
        if let Some(results) = self.value.get("results").and_then(Value::as_array).map(Vec::len) {
            for kept in (1..=results).rev() {
                if chars(&self.value) <= limit {
                    return self;
                }
                keep_results(&mut self.value, kept.saturating_sub(1));
            }
        }
        let length = chars(&self.value);
        if length > limit {
            let text: String = text(&self.value).chars().take(limit).collect();
            let note =
                format!("function output was truncated since it exceeded the character limit ({length} > {limit})");
            self.value = Value::String(format!("{text}... [NOTE: {note}]"));
        }
        self
    }
}

fn chars(value: &Value) -> usize {
    text(value).chars().count()
}

fn keep_results(value: &mut Value, kept: usize) {
    if let Some(results) = value.get_mut("results").and_then(Value::as_array_mut) {
        results.truncate(kept);
    }
    if let Some(message) = value.get_mut("message") {
        *message = Value::String(format!("Showing {kept} results (more were left out, because they are too long):"));
    }
}

/// The value as the agent reads it: text as it is, objects as JSON, all else as Python writes it.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::String(text) => Cow::Borrowed(text),
        Value::Object(_) => Cow::Owned(value.to_string()),
        other => Cow::Owned(python_text(other)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_long_return_is_cut_by_characters_with_both_lengths_in_the_note() {
        let long = ToolOutcome::success(json!("ä".repeat(12))).truncated(10);
        let note = "... [NOTE: function output was truncated since it exceeded the character limit (12 > 10)]";
        assert_eq!(long.value, json!("ä".repeat(10) + note));
        let list = ToolOutcome::success(json!([1, null])).truncated(5).value;
        assert!(list.as_str().unwrap().starts_with("[1, N... [NOTE: "), "{list}");
        for value in [json!("ä".repeat(10)), json!({"ä": 1}), json!(null), json!([1, 2])] {
            let short = ToolOutcome::success(value);
            assert_eq!(short.clone().truncated(10), short);
        }
    }

    #[test]
    fn a_search_result_loses_whole_entries() {
        let value =
            json!({"message": "Showing 3 results:", "results": ["a".repeat(50), "b".repeat(50), "c".repeat(50)]});
        let cut = ToolOutcome::success(value).truncated(160).value;
        assert_eq!(cut["results"].as_array().unwrap().len(), 1);
        assert!(cut["message"].as_str().unwrap().starts_with("Showing 1 results"));
    }

    #[test]
    fn a_failure_is_the_bare_text_and_a_line_that_names_the_tool() {
        let failure = ToolOutcome::failure("f", "ValueError", "x".repeat(2000));
        assert!(!failure.ok);
        assert_eq!(failure.value.as_str().unwrap().len(), 2000);
        let line = failure.stderr.first().unwrap();
        assert!(line.starts_with("Error executing function f: ValueError: x") && line.len() == 1000);
    }
}
