//! The HTTP face of Muisti.
//!
//! A thin layer: a route extracts typed values from the request, calls one method of `managers`, and turns what
//! comes back into JSON or server-sent events. What may not enter here: domain rules and database access.

pub mod app;
pub mod cli;
mod doctor;
mod error;
mod extract;
mod layers;
mod openapi;
mod routes;
mod server;
mod sse;

pub use muisti_managers as managers;
pub use openapi::document;
