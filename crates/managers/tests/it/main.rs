//! The managers on real databases, SQLite and PostgreSQL, with a scripted model server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod agents;
mod archives;
mod blocks;
mod conversations;
mod files;
mod helpers;
mod images;
mod memory;
mod statements;
mod support;
mod three_states;
mod tools;
