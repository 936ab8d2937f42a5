//! Storage of Muisti: tables, rows, queries, pools and migrations, for SQLite and PostgreSQL.
//!
//! Diesel is seen here and nowhere above. Queries are free functions, one module a noun, that take a [`Conn`] inside
//! [`Db::read`] or [`Db::write`] and return the types of [`schema`] or rows made for the managers.

pub mod agents;
pub mod archives;
mod attached;
pub mod blocks;
pub mod callbacks;
mod connection;
pub mod conversations;
mod db;
pub mod deployments;
mod error;
pub mod file_agents;
pub mod files;
pub mod frames;
pub mod groups;
pub mod histories;
mod id_links;
pub mod identities;
pub mod jobs;
pub mod json;
mod json_list;
pub mod leases;
pub mod messages;
mod migrations;
pub mod organizations;
pub mod page;
pub mod passages;
mod row;
pub mod runs;
pub mod secrets;
pub mod sources;
mod statement;
pub mod steps;
pub mod tables;
pub mod tags;
mod text;
pub mod tools;
pub mod traces;
pub mod users;

pub use connection::Conn;
pub use db::{DatabaseUrl, Db, DbConfig};
pub use error::{Error, Result};
pub use histories::HistoryId;
pub use muisti_schema as schema;
pub use page::{Order, Page};

// Nothing here names them, but their build scripts bring the bundled C libraries.
use libsqlite3_sys as _;
use pq_sys as _;

use schema::{OrganizationId, UserId};

/// On whose behalf something is done: every query is limited to the organization, every write notes the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Actor {
    /// The tenant.
    pub organization_id: OrganizationId,
    /// The user within it.
    pub user_id: UserId,
}
