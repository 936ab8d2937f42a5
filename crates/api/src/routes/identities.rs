//! Identities: whom agents work for.

pub(crate) mod agents;
pub(crate) mod blocks;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod list;
pub(crate) mod properties;
pub(crate) mod retrieve;
pub(crate) mod update;
pub(crate) mod upsert;
