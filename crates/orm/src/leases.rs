//! Leases on message histories: which turn may write to one, across all nodes.
//!
//! A lease is taken for a while and renewed by its node. One that has run out belongs to a node that is gone; whoever
//! takes it over settles the run it was for first.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Conn, Result,
    connection::with_backend,
    schema::{RunId, Timestamp},
    tables::history_leases as t,
};

/// A lease as it is taken.
#[derive(Debug, Clone)]
pub struct Lease<'a> {
    /// The id of the agent (for its default history) or of the conversation.
    pub key: &'a str,
    /// The run that works on the history.
    pub run_id: RunId,
    /// The node that the run lives on.
    pub node_id: &'a str,
    /// When it runs out unless it is renewed.
    pub until: Timestamp,
}

/// Takes the lease, unless another run holds it. Returns whether it was taken.
pub fn acquire(conn: &mut Conn, lease: &Lease<'_>) -> Result<bool> {
    let (now, run) = (Timestamp::now().naive(), lease.run_id.to_string());
    let values = (
        t::key.eq(lease.key),
        t::run_id.eq(&run),
        t::node_id.eq(lease.node_id),
        t::token.eq(&run),
        t::lease_until.eq(lease.until.naive()),
    );
    with_backend!(conn, c => {
        diesel::delete(t::table.filter(t::key.eq(lease.key)).filter(t::lease_until.lt(now))).execute(c)?;
        Ok(diesel::insert_into(t::table).values(values).on_conflict_do_nothing().execute(c)? == 1)
    })
}

/// The run that holds the lease, if one does.
pub fn holder(conn: &mut Conn, key: &str) -> Result<Option<RunId>> {
    let run: Option<String> = with_backend!(conn, c => t::table.find(key).select(t::run_id).first(c).optional())?;
    Ok(run.and_then(|run| run.parse().ok()))
}

/// Gives the lease back, if this run holds it.
pub fn release(conn: &mut Conn, key: &str, run_id: RunId) -> Result<()> {
    let held = t::table.filter(t::key.eq(key)).filter(t::run_id.eq(run_id.to_string()));
    with_backend!(conn, c => diesel::delete(held).execute(c))?;
    Ok(())
}

/// Renews the leases that these runs hold.
pub fn renew(conn: &mut Conn, runs: &[String], until: NaiveDateTime) -> Result<()> {
    with_backend!(conn, c => {
        diesel::update(t::table.filter(t::run_id.eq_any(runs))).set(t::lease_until.eq(until)).execute(c)
    })?;
    Ok(())
}
