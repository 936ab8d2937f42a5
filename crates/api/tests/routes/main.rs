//! The routes, asked over HTTP: the built server on SQLite and on PostgreSQL, with a scripted model behind it.
//!
//! One module for a resource, as in `src/routes`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod harness;

mod admin;
mod agent_files;
mod agents;
mod approvals;
mod archives;
mod blocks;
mod bounds;
mod callbacks;
mod chat;
mod compaction;
mod context;
mod conventions;
mod conversations;
mod everything;
mod folders;
mod groups;
mod health;
mod identities;
mod images;
mod jobs;
mod message_search;
mod messages;
mod models;
mod overview;
mod preview;
mod runs;
mod sources;
mod stored_streams;
mod tags;
mod templates;
mod tools;
mod traces;
mod turns;
