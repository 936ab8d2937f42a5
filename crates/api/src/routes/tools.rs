//! Tools.

pub(crate) mod count;
pub(crate) mod list;
pub(crate) mod retrieve;
