//! What all providers need of HTTP: base URLs, clients, one repeat policy, and bounded reading.

mod base_url;
mod built;
mod client;
mod retry;

pub use base_url::BaseUrl;
pub(crate) use base_url::without_password;
pub use built::{Built, cause};
pub(crate) use client::{Client, LARGEST_BODY};
pub(crate) use retry::retry_after;
