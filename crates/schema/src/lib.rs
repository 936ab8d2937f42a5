//! The wire types of Muisti, a server for stateful agents.
//!
//! Everything that goes over the network is a type of this crate: agents and what they are made of, messages,
//! runs, requests and errors. There is no I/O here, so another Rust service can use it alone.

#![deny(missing_docs)]

#[macro_use]
mod macros;

mod content;
mod de;
mod enums;
mod ids;
mod patch;
mod tagged;
mod time;

pub use content::*;
pub use enums::*;
pub use ids::*;
pub use patch::Patch;
pub use time::{MessageDate, Timestamp};
