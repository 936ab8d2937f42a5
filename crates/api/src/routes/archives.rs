//! Archives, and the passages in them.

pub(crate) mod agents;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod passages;
pub(crate) mod retrieve;
pub(crate) mod update;
