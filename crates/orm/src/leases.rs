//! Leases on message histories: which turn may write to one, across all nodes.
//!
//! A lease is taken for a while and renewed by its node. One that has run out belongs to a node that is gone; the run it
//! was for is carried on or settled before anybody else gets it.

use chrono::NaiveDateTime;
use diesel::{
    dsl::{exists, not},
    prelude::*,
};

use crate::{
    Conn, Result,
    connection::with_backend,
    schema::{AgentId, OrganizationId, RunId, Timestamp},
    tables::{conversations, history_leases as t, runs},
};

/// How many keys one statement names: a statement has a bound for its values.
const KEYS: usize = 1000;

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
///
/// A lease that has run out is free only when nothing is left to be done for its run: a history must not go on over the
/// half of a step.
pub fn acquire(conn: &mut Conn, lease: &Lease<'_>) -> Result<bool> {
    let now = Timestamp::now().naive();
    let unsettled = runs::table.filter(runs::id.eq(t::run_id)).filter(runs::node_id.is_not_null());
    with_backend!(conn, c => {
        let expired = t::table.filter(t::key.eq(lease.key)).filter(t::lease_until.lt(now));
        diesel::delete(expired.filter(not(exists(unsettled)))).execute(c)
    })?;
    insert(conn, lease)
}

/// Takes the lease that the run had on another node, or one that nobody holds. Returns whether it was taken.
pub fn take_over(conn: &mut Conn, lease: &Lease<'_>) -> Result<bool> {
    release(conn, lease.key, lease.run_id)?;
    acquire(conn, lease)
}

fn insert(conn: &mut Conn, lease: &Lease<'_>) -> Result<bool> {
    let values = (
        t::key.eq(lease.key),
        t::run_id.eq(lease.run_id.to_string()),
        t::node_id.eq(lease.node_id),
        t::lease_until.eq(lease.until.naive()),
    );
    let taken =
        with_backend!(conn, c => diesel::insert_into(t::table).values(values).on_conflict_do_nothing().execute(c))?;
    Ok(taken == 1)
}

/// The run that holds the lease, if one does.
pub fn holder(conn: &mut Conn, key: &str) -> Result<Option<RunId>> {
    let run: Option<String> = with_backend!(conn, c => t::table.find(key).select(t::run_id).first(c).optional())?;
    Ok(run.and_then(|run| run.parse().ok()))
}

/// Gives the lease back, if this run holds it. Returns whether it did.
pub fn release(conn: &mut Conn, key: &str, run_id: RunId) -> Result<bool> {
    let held = t::table.filter(t::key.eq(key)).filter(t::run_id.eq(run_id.to_string()));
    let released = with_backend!(conn, c => diesel::delete(held).execute(c))?;
    Ok(released == 1)
}

/// Gives back whatever is held of an agent that is about to be deleted, in all its histories: whoever waits for one of
/// them learns that it is gone.
pub fn release_all_of(conn: &mut Conn, organization: OrganizationId, agent: AgentId) -> Result<()> {
    let mut keys = vec![agent.to_string()];
    let own = conversations::table
        .filter(conversations::agent_id.eq(agent.to_string()))
        .filter(conversations::organization_id.eq(organization.to_string()));
    let of_agent: Vec<String> = with_backend!(conn, c => own.select(conversations::id).load(c))?;
    keys.extend(of_agent);
    for keys in keys.chunks(KEYS) {
        with_backend!(conn, c => diesel::delete(t::table.filter(t::key.eq_any(keys))).execute(c))?;
    }
    Ok(())
}

/// Whether it holds the lease.
pub fn is_held_by(conn: &mut Conn, key: &str, holder: RunId) -> Result<bool> {
    let held = t::table.filter(t::key.eq(key)).filter(t::run_id.eq(holder.to_string()));
    let held = with_backend!(conn, c => diesel::select(exists(held)).get_result(c))?;
    Ok(held)
}

/// Renews the leases that these runs hold on this node.
pub fn renew(conn: &mut Conn, runs: &[String], node: &str, until: NaiveDateTime) -> Result<()> {
    let held = t::table.filter(t::run_id.eq_any(runs)).filter(t::node_id.eq(node));
    with_backend!(conn, c => diesel::update(held).set(t::lease_until.eq(until)).execute(c))?;
    Ok(())
}
