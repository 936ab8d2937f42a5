//! The older spelling of folders: the same rows, by the same managers.

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

use crate::managers::orm::page::{Order, Page};

/// What lists without parameters show.
const FIRST_50: Page = Page::first(50, Order::Asc);
