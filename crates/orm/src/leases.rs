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
    runs::CancelOf,
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
    /// The run that works on the history; of a holder that is none, an id that no run has.
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
    // One that is given back between two looks is free: nobody could be named who holds it.
    Ok(insert(conn, lease)? || (!is_taken(conn, lease.key)? && insert(conn, lease)?))
}

fn is_taken(conn: &mut Conn, key: &str) -> Result<bool> {
    let taken = with_backend!(conn, c => diesel::select(exists(t::table.find(key))).get_result(c))?;
    Ok(taken)
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

/// The run that holds the lease, if one does. What else may hold it has no name.
pub fn holder(conn: &mut Conn, key: &str) -> Result<Option<RunId>> {
    let named = t::table.inner_join(runs::table.on(runs::id.eq(t::run_id))).filter(t::key.eq(key));
    let run: Option<String> = with_backend!(conn, c => named.select(t::run_id).first(c).optional())?;
    Ok(run.and_then(|run| run.parse().ok()))
}

/// Whether it holds the lease.
pub fn is_held_by(conn: &mut Conn, key: &str, holder: RunId) -> Result<bool> {
    let held = t::table.filter(t::key.eq(key)).filter(t::run_id.eq(holder.to_string()));
    let held = with_backend!(conn, c => diesel::select(exists(held)).get_result(c))?;
    Ok(held)
}

/// A lease that no run holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unnamed {
    /// The history.
    pub key: String,
    /// What the holder goes by.
    pub holder: RunId,
    /// The node that it lives on.
    pub node_id: String,
}

/// The leases of these histories that no run holds.
pub fn unnamed_of(conn: &mut Conn, of: &CancelOf) -> Result<Vec<Unnamed>> {
    let named = runs::table.filter(runs::id.eq(t::run_id));
    let unnamed = t::table.select((t::key, t::run_id, t::node_id)).filter(not(exists(named)));
    let rows: Vec<(String, String, String)> = match of {
        CancelOf::History(key) => with_backend!(conn, c => unnamed.filter(t::key.eq(key)).load(c))?,
        CancelOf::Agent(agent) => {
            let agent = agent.to_string();
            let own = conversations::table.filter(conversations::agent_id.eq(agent.clone())).select(conversations::id);
            with_backend!(conn, c => unnamed.filter(t::key.eq(agent).or(t::key.eq_any(own))).load(c))?
        }
    };
    let read =
        |(key, holder, node_id): (String, String, String)| Some(Unnamed { key, holder: holder.parse().ok()?, node_id });
    Ok(rows.into_iter().filter_map(read).collect())
}

/// Gives back the leases that no run holds and that were taken by a process that is gone: all, or those of this node.
pub fn release_unnamed(conn: &mut Conn, node: Option<&str>) -> Result<()> {
    let named = runs::table.filter(runs::id.eq(t::run_id));
    let unnamed: Vec<(String, String)> =
        with_backend!(conn, c => t::table.filter(not(exists(named))).select((t::key, t::node_id)).load(c))?;
    let gone = unnamed.into_iter().filter(|(_, holder)| node.is_none_or(|node| node == holder));
    let keys: Vec<String> = gone.map(|(key, _)| key).collect();
    for keys in keys.chunks(KEYS) {
        with_backend!(conn, c => diesel::delete(t::table.filter(t::key.eq_any(keys))).execute(c))?;
    }
    Ok(())
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

/// Renews the leases that these runs hold on this node.
pub fn renew(conn: &mut Conn, runs: &[String], node: &str, until: NaiveDateTime) -> Result<()> {
    let held = t::table.filter(t::run_id.eq_any(runs)).filter(t::node_id.eq(node));
    with_backend!(conn, c => diesel::update(held).set(t::lease_until.eq(until)).execute(c))?;
    Ok(())
}
