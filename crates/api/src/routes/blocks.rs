//! Memory blocks.

pub(crate) mod agents;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod identities;
pub(crate) mod list;
pub(crate) mod retrieve;
pub(crate) mod update;
