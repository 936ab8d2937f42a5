//! Runs: what one request made an agent do.

pub(crate) mod active;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod retrieve;
pub(crate) mod steps;
pub(crate) mod stream;
pub(crate) mod trace;
pub(crate) mod usage;
