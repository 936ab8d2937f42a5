//! Folders of files.

pub(crate) mod agents;
pub(crate) mod by_name;
pub(crate) mod count;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod files;
pub(crate) mod list;
pub(crate) mod metadata;
pub(crate) mod retrieve;
pub(crate) mod update;
