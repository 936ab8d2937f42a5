//! Groups: agents that work together.

pub(crate) mod blocks;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod messages;
pub(crate) mod retrieve;
pub(crate) mod update;
