//! From stored columns to the types of the API: what rows of all kinds have in common.

use serde::de::DeserializeOwned;

use crate::{
    Error, Result,
    json::RawJson,
    schema::{Id, UserId},
};

/// Reads the columns of one row. Errors name the row and the column.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    pub(crate) model: &'static str,
    pub(crate) id: &'a str,
}

impl Reader<'_> {
    fn corrupt(self, column: &str, reason: impl std::fmt::Display) -> Error {
        Error::Corrupt { model: self.model, id: self.id.to_owned(), reason: format!("{column}: {reason}") }
    }

    /// An id.
    pub(crate) fn id<T: Id>(self, column: &str, text: &str) -> Result<T> {
        text.parse().map_err(|e| self.corrupt(column, e))
    }

    /// A JSON column.
    pub(crate) fn json<T: DeserializeOwned>(self, column: &str, json: &RawJson) -> Result<T> {
        json.parse().map_err(|e| self.corrupt(column, e))
    }

    /// A JSON column that may be null; JSON null counts as null.
    pub(crate) fn json_opt<T: DeserializeOwned>(self, column: &str, json: Option<&RawJson>) -> Result<Option<T>> {
        json.map_or(Ok(None), |json| self.json(column, json))
    }
}

/// The user in a column; null also for one that is no id, as other programs may have written.
pub(crate) fn user(text: Option<String>) -> Option<UserId> {
    text?.parse().ok()
}

/// The rows of a list that can be read. One that cannot is left out, with a line in the log: it must not take the
/// others with it.
pub(crate) fn readable<R, T>(records: Vec<R>, read: impl Fn(R) -> Result<T>) -> Vec<T> {
    let read = |record| read(record).inspect_err(|error| tracing::error!(%error, "left a row out of a list")).ok();
    records.into_iter().filter_map(read).collect()
}

/// Whether a statement changed the one row it was meant for.
pub(crate) const fn changed(rows: usize) -> bool {
    rows > 0
}
