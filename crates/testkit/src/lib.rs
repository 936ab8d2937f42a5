//! What the tests stand on: a scripted model server, a receiver of callbacks, throw-away databases, the built server as a process, a small HTTP client.
//!
//! Nothing here is shipped, so a failed expectation panics: that is how a test fails. No other crate of the workspace
//! may be used from here, because all of them use this one in their tests.
//!
//! ```
//! use muisti_testkit::{Answer, ScriptedModel};
//! use serde_json::json;
//!
//! let model = ScriptedModel::start();
//! model.push(Answer::tool_call("memory_insert", json!({"label": "human", "new_str": "Likes green."})));
//! model.push(Answer::text("Noted."));
//! // … point the code under test at `model.base_url()`, let it talk, then look at what it sent:
//! assert!(model.requests().is_empty());
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::print_stdout)]

mod builders;
mod client;
mod database;
mod http;
mod listener;
mod model;
mod port;
mod postgres;
mod receiver;
mod server;

pub use builders::{agent_json, user_message};
pub use client::{Client, Response, SseEvent, SseStream};
pub use database::{Backend, TestDatabase};
pub use model::{Answer, CallId, Ending, ModelBuilder, Rule, Script, ScriptedCall, ScriptedModel, SeenRequest};
pub use port::Port;
pub use postgres::{Postgres, PostgresDatabase};
pub use receiver::{Receiver, Reply};
pub use server::{Server, ServerBuilder};
