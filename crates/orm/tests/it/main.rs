//! The queries on real databases: every test runs on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod agents;
mod archives;
mod blocks;
mod callbacks;
mod conversations;
mod db;
mod files;
mod jobs;
mod otids;
mod pager;
mod plans;
mod steps;
mod support;
mod tags;
mod tools;
mod traces;
