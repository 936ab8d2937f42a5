//! Callbacks: ends of runs that are still to be posted to who asked for it, and how posting went.
//!
//! The row of the run is the queue. Whoever posts claims the row first, by moving its time on; a claim that is not
//! settled in that time counts as lost, and the row is due again. Before a run is wound up nothing of it is due: its last
//! messages may be missing.

use std::time::Duration;

use chrono::NaiveDateTime;
use diesel::{dsl::min, prelude::*};

use crate::{
    Conn, Result,
    connection::with_backend,
    row::{Reader, changed, readable},
    schema::{OrganizationId, RunId, Timestamp},
    tables::runs as t,
};

const MODEL: &str = "Run";

/// An end of a run that the claimer is to post.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Callback {
    /// The run.
    pub run_id: RunId,
    /// Whose it is.
    pub organization_id: OrganizationId,
    /// Where to post.
    pub url: String,
    /// How often it has been claimed, this time included.
    pub attempt: i32,
}

/// How an attempt went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The status of the answer, or why there was none.
    pub answer: std::result::Result<i32, String>,
    /// When to try again; none when this was the last attempt.
    pub again_at: Option<Timestamp>,
}

/// When the next callback is due; in the past when one waits.
pub fn next_due(conn: &mut Conn) -> Result<Option<Timestamp>> {
    let pending = t::table
        .filter(t::callback_url.is_not_null())
        .filter(t::callback_due_at.is_not_null())
        .filter(t::node_id.is_null())
        .select(min(t::callback_due_at));
    let due: Option<NaiveDateTime> = with_backend!(conn, c => pending.first(c))?;
    Ok(due.map(Into::into))
}

/// Claims callbacks that are due, at most `limit`, those first that have waited longest. Nobody else gets them before
/// `lease` is over.
pub fn claim(conn: &mut Conn, lease: Duration, limit: i64) -> Result<Vec<Callback>> {
    let now = Timestamp::now();
    let lost_at: Timestamp = (now.utc() + lease).into();
    let due = t::table
        .filter(t::callback_url.is_not_null())
        .filter(t::callback_due_at.le(now.naive()))
        .filter(t::node_id.is_null())
        .order(t::callback_due_at)
        .limit(limit)
        .select((t::id, t::organization_id, t::callback_url.assume_not_null(), t::callback_attempts));
    let rows: Vec<(String, String, String, i32)> = with_backend!(conn, c => due.load(c))?;
    let mut claimed = Vec::with_capacity(rows.len());
    for (id, organization, url, attempts) in rows {
        // Of two nodes that read the row, one still finds it as it was.
        let unclaimed =
            t::table.find(&id).filter(t::callback_attempts.eq(attempts)).filter(t::callback_due_at.le(now.naive()));
        let claim = (t::callback_attempts.eq(attempts + 1), t::callback_due_at.eq(lost_at.naive()));
        if changed(with_backend!(conn, c => diesel::update(unclaimed).set(claim).execute(c))?) {
            claimed.push((id, organization, url, attempts + 1));
        }
    }
    Ok(readable(claimed, |(id, organization, url, attempt)| {
        let reader = Reader { model: MODEL, id: &id };
        let organization_id = reader.id("organization_id", &organization)?;
        Ok(Callback { run_id: reader.id("id", &id)?, organization_id, url, attempt })
    }))
}

/// Notes how an attempt went. Returns false, and changes nothing, when the claim was lost to another.
pub fn record(conn: &mut Conn, callback: &Callback, outcome: &Outcome) -> Result<bool> {
    let now = Timestamp::now().naive();
    let (sent_at, status, error) = match &outcome.answer {
        Ok(status) => (Some(now), Some(*status), None),
        Err(error) => (None, None, Some(crate::text::clean(error.clone()))),
    };
    let claimed = t::table.find(callback.run_id.to_string()).filter(t::callback_attempts.eq(callback.attempt));
    let change = (
        t::callback_sent_at.eq(sent_at),
        t::callback_status_code.eq(status),
        t::callback_error.eq(error),
        t::callback_due_at.eq(outcome.again_at.map(Timestamp::naive)),
    );
    Ok(changed(with_backend!(conn, c => diesel::update(claimed).set(change).execute(c))?))
}
