//! Storage of Muisti: tables, rows, queries, pools and migrations, for SQLite and PostgreSQL.
//!
//! Diesel is seen here and nowhere above. Queries are free functions, one module a noun, that take a [`Conn`] inside
//! [`Db::read`] or [`Db::write`] and return the types of [`schema`] or rows made for the managers.

pub mod tables;

pub use muisti_schema as schema;
