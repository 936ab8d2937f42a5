//! Pages of lists: the one keyset pagination that every list uses.
//!
//! Rows are sorted by a value and, where it ties, by id, both in the direction of the listing; rows without a value
//! come last in either direction. A cursor is the id of a row; the page has the rows next to it, without it.

mod sql;

use chrono::NaiveDateTime;

use crate::{Error, Result};

/// The direction of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Order {
    /// Oldest, smallest first.
    Asc,
    /// Newest, largest first.
    Desc,
}

impl Order {
    pub(crate) const fn reversed(self) -> Self {
        match self {
            Self::Asc => Self::Desc,
            Self::Desc => Self::Asc,
        }
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Only rows that the listing shows ahead of this one. Without `after`, those directly ahead of it.
    pub before: Option<String>,
    /// Only rows that the listing shows after this one.
    pub after: Option<String>,
    /// Most rows; what is below zero counts as zero.
    pub limit: i64,
    /// The direction of the listing.
    pub order: Order,
}

impl Page {
    /// The first `limit` rows.
    #[must_use]
    pub const fn first(limit: i64, order: Order) -> Self {
        Self { before: None, after: None, limit, order }
    }

    /// Finds the keys of the cursors. `find` looks one up, within what the actor may see.
    pub(crate) fn window(
        &self,
        model: &'static str,
        mut find: impl FnMut(&str) -> Result<Option<Key>>,
    ) -> Result<Window> {
        let mut key = |cursor: &Option<String>| match cursor.as_deref() {
            // An empty parameter counts as absent.
            None | Some("") => Ok(None),
            Some(id) => match find(id)? {
                Some(key) => Ok(Some(key)),
                None => Err(Error::CursorNotFound { model, id: id.to_owned() }),
            },
        };
        Ok(Window { after: key(&self.after)?, before: key(&self.before)?, limit: self.limit.max(0), order: self.order })
    }
}

/// The value that a list is sorted by, in one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Time(NaiveDateTime),
    Number(i64),
}

impl From<NaiveDateTime> for Value {
    fn from(time: NaiveDateTime) -> Self {
        Self::Time(time)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The place of a row in a list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Key {
    value: Value,
    id: String,
}

impl<V: Into<Value>> From<(V, String)> for Key {
    fn from((value, id): (V, String)) -> Self {
        Self { value: value.into(), id }
    }
}

/// A page whose cursors were found. Use it with [`load_page!`].
#[derive(Debug, Clone)]
pub(crate) struct Window {
    after: Option<Key>,
    before: Option<Key>,
    limit: i64,
    order: Order,
}

impl Window {
    /// Whether the rows are read from the end of the page to its start: those next to `before` are wanted.
    const fn backward(&self) -> bool {
        self.before.is_some() && self.after.is_none()
    }

    /// The condition that a row lies in the page's range, for a list sorted by `value`.
    pub(crate) fn filter<V, I>(&self, value: V, id: I) -> sql::InRange<V, I> {
        sql::InRange { value, id, after: self.after.clone(), before: self.before.clone(), order: self.order }
    }

    /// The order in which the rows must be read.
    pub(crate) fn order<V, I>(&self, value: V, id: I) -> sql::Sorted<V, I> {
        let order = if self.backward() { self.order.reversed() } else { self.order };
        sql::Sorted { value, id, order, nulls_first: self.backward() }
    }

    /// How many rows to read.
    pub(crate) const fn limit(&self) -> i64 {
        self.limit
    }

    /// Brings rows that were read backward into the order of the listing.
    pub(crate) fn restore<T>(&self, rows: &mut [T]) {
        if self.backward() {
            rows.reverse();
        }
    }
}

/// Loads one page of a boxed query: `load_page!(c, query, window, t::created_at, t::id => Row)`.
macro_rules! load_page {
    ($c:expr, $query:expr, $window:expr, $value:expr, $id:expr => $row:ty) => {{
        let window: &$crate::page::Window = $window;
        let query = $query.filter(window.filter($value, $id)).order(window.order($value, $id)).limit(window.limit());
        query.load::<$row>($c).map(|mut rows| {
            window.restore(&mut rows);
            rows
        })
    }};
}
pub(crate) use load_page;

#[cfg(test)]
mod tests;
