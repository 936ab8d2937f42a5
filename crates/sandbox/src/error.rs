//! Why no schema could be had from a source.

use std::fmt;

/// Why no schema could be had: what is wrong, where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct SchemaError {
    /// What is wrong, without a full stop.
    problem: String,
    /// Where, counted from 1.
    line: Option<usize>,
    /// What would be right, as whole sentences; may be empty.
    advice: String,
}

impl SchemaError {
    pub(crate) fn new(problem: impl Into<String>, line: Option<usize>, advice: impl Into<String>) -> Self {
        Self { problem: problem.into(), line, advice: advice.into() }
    }

    /// The line of the source that it is about, counted from 1, if it is about one.
    #[must_use]
    pub const fn line(&self) -> Option<usize> {
        self.line
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)?;
        if let Some(line) = self.line {
            write!(f, " (line {line})")?;
        }
        f.write_str(".")?;
        if self.advice.is_empty() { Ok(()) } else { write!(f, " {}", self.advice) }
    }
}
