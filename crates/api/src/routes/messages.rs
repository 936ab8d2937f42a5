//! The messages of all agents.

pub(crate) mod list;
pub(crate) mod retrieve;
pub(crate) mod search;
