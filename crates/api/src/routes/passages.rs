//! Passages of all archives.

pub(crate) mod search;
