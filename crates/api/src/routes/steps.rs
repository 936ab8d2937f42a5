//! Steps: one model call each, and the tools that it called.

pub(crate) mod feedback;
pub(crate) mod list;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod retrieve;
pub(crate) mod trace;
