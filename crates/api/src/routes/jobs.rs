//! Jobs: work in the background that is not a run.

pub(crate) mod active;
pub(crate) mod cancel;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod retrieve;
