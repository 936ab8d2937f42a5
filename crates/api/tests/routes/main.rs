//! The routes, asked over HTTP: the built server on SQLite and on PostgreSQL, with a scripted model behind it.
//!
//! One module for a resource, one file for a verb, as in `src/routes`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod harness;

mod conventions;
mod health;
mod turns;
