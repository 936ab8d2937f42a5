//! The stored streams of background runs, and which run a request has made.
//!
//! A frame is kept as it is sent: whoever reads it forwards its bytes. Queries here take the id of a run that the
//! caller has looked up for its organization.

use std::collections::{BTreeSet, HashSet};

use bytes::Bytes;
use diesel::prelude::*;

use crate::{
    Conn, Result,
    connection::with_backend,
    runs,
    schema::{OrganizationId, RunId, Timestamp},
    tables::{run_frames as t, run_otids as otids, runs as r},
};

/// How many rows one statement writes: SQLite counts the values of a statement, and has a bound for them.
const ROWS: usize = 1000;
/// The longest client's own id that is noted, in bytes. A longer one would not fit into an index.
const OTID_BYTES: usize = 512;

/// One frame of a run's stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Its place, from 1.
    pub seq: i64,
    /// What is sent: a record of an event stream, with the empty line that ends it.
    pub record: Bytes,
    /// Whether it is the last one.
    pub terminal: bool,
}

/// A frame as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFrame {
    /// The run.
    pub run_id: RunId,
    /// The frame.
    pub frame: Frame,
}

#[derive(Insertable)]
#[diesel(table_name = t, treat_none_as_default_value = false)]
struct NewRow<'a> {
    run_id: String,
    seq: i64,
    record: &'a str,
    terminal: bool,
    created_at: chrono::NaiveDateTime,
}

#[derive(Insertable)]
#[diesel(table_name = otids, treat_none_as_default_value = false)]
struct OtidRow<'a> {
    organization_id: String,
    history_key: &'a str,
    token: String,
    run_id: String,
    created_at: chrono::NaiveDateTime,
}

/// Stores frames. One whose place is taken is left out: it has been stored before.
pub fn append(conn: &mut Conn, frames: &[NewFrame]) -> Result<()> {
    let created_at = Timestamp::now().naive();
    for frames in frames.chunks(ROWS) {
        let rows: Vec<NewRow<'_>> = frames
            .iter()
            .map(|NewFrame { run_id, frame }| NewRow {
                run_id: run_id.to_string(),
                seq: frame.seq,
                // Records are JSON between ASCII.
                record: str::from_utf8(&frame.record).unwrap_or_default(),
                terminal: frame.terminal,
                created_at,
            })
            .collect();
        with_backend!(conn, c => {
            diesel::insert_into(t::table).values(&rows).on_conflict((t::run_id, t::seq)).do_nothing().execute(c)
        })?;
    }
    Ok(())
}

/// Stores frames beside the transactions of the turns that they come from. Those of runs that do not live on this node
/// are left out: another one writes their streams now, or nobody. Returns these runs.
pub fn append_own(conn: &mut Conn, node: &str, frames: Vec<NewFrame>) -> Result<HashSet<RunId>> {
    let runs: HashSet<RunId> = frames.iter().map(|frame| frame.run_id).collect();
    let own = runs::living_on(conn, node, &runs.iter().copied().collect::<Vec<_>>())?;
    let frames: Vec<NewFrame> = frames.into_iter().filter(|frame| own.contains(&frame.run_id)).collect();
    append(conn, &frames)?;
    Ok(runs.difference(&own).copied().collect())
}

/// The frames that come after this place, in order, at most `limit`.
pub fn after(conn: &mut Conn, run: RunId, after: i64, limit: i64) -> Result<Vec<Frame>> {
    let rows: Vec<(i64, String, bool)> = with_backend!(conn, c => {
        t::table
            .filter(t::run_id.eq(run.to_string()))
            .filter(t::seq.gt(after))
            .order(t::seq)
            .limit(limit)
            .select((t::seq, t::record, t::terminal))
            .load(c)
    })?;
    Ok(rows.into_iter().map(|(seq, record, terminal)| Frame { seq, record: record.into(), terminal }).collect())
}

/// How far the stream of a background run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The place of the last frame; 0 when there is none.
    pub last: i64,
    /// Whether that frame is the end of the stream.
    pub terminal: bool,
    /// Whether somebody is still at work on the run, if only to wind it up after it was cancelled.
    pub going: bool,
}

/// How far the stream of a run has come; none when there is no such run, or it is not a background run.
pub fn progress(conn: &mut Conn, run: RunId) -> Result<Option<Progress>> {
    let id = run.to_string();
    let run: Option<(Option<String>, Option<bool>)> =
        with_backend!(conn, c => r::table.find(&id).select((r::node_id, r::background)).first(c).optional())?;
    let Some((node, Some(true))) = run else { return Ok(None) };
    let last: Option<(i64, bool)> = with_backend!(conn, c => {
        let frames = t::table.filter(t::run_id.eq(&id));
        frames.order(t::seq.desc()).select((t::seq, t::terminal)).first(c).optional()
    })?;
    let (last, terminal) = last.unwrap_or((0, false));
    Ok(Some(Progress { last, terminal, going: node.is_some() }))
}

/// Deletes the streams that ended before this time, of at most `limit` runs, and forgets as many requests of before it.
/// Returns how many streams and requests it was; fewer than `limit` of both means that none are left.
pub fn sweep(conn: &mut Conn, before: Timestamp, limit: i64) -> Result<(usize, usize)> {
    let before = before.naive();
    let ended: Vec<String> = with_backend!(conn, c => {
        // The index holds the last frames alone.
        t::table.filter(t::terminal).filter(t::created_at.lt(before)).select(t::run_id).limit(limit).load(c)
    })?;
    if !ended.is_empty() {
        with_backend!(conn, c => diesel::delete(t::table.filter(t::run_id.eq_any(&ended))).execute(c))?;
    }
    let old: Vec<String> = with_backend!(conn, c => {
        let old = otids::table.filter(otids::created_at.lt(before)).order(otids::created_at);
        old.select(otids::run_id).limit(limit).load(c)
    })?;
    if !old.is_empty() {
        with_backend!(conn, c => {
            let old = otids::table.filter(otids::run_id.eq_any(&old)).filter(otids::created_at.lt(before));
            diesel::delete(old).execute(c)
        })?;
    }
    Ok((ended.len(), old.len()))
}

/// Claims the token of a request for a run, unless an earlier one has it that was claimed after `since`: then it is
/// that run which the request has made. The token may be claimed before the run itself is stored, within the same
/// transaction.
pub fn claim_token(
    conn: &mut Conn,
    organization: OrganizationId,
    history_key: &str,
    token: &str,
    run: RunId,
    since: Timestamp,
) -> Result<Option<RunId>> {
    let token = Known::Request(token).key();
    let mine = otids::table
        .filter(otids::organization_id.eq(organization.to_string()))
        .filter(otids::history_key.eq(history_key))
        .filter(otids::token.eq(&token));
    let row = OtidRow {
        organization_id: organization.to_string(),
        history_key,
        token: token.clone(),
        run_id: run.to_string(),
        created_at: Timestamp::now().naive(),
    };
    let holder: Option<String> = with_backend!(conn, c => {
        diesel::delete(mine.clone().filter(otids::created_at.lt(since.naive()))).execute(c)?;
        if diesel::insert_into(otids::table).values(&row).on_conflict_do_nothing().execute(c)? == 1 {
            return Ok(None);
        }
        mine.select(otids::run_id).first(c).optional()
    })?;
    Ok(holder.and_then(|holder| holder.parse().ok()).filter(|holder| *holder != run))
}

/// Makes a token that is claimed already that of this run.
pub fn pass_token(
    conn: &mut Conn,
    organization: OrganizationId,
    history_key: &str,
    token: &str,
    run: RunId,
) -> Result<()> {
    let held = otids::table
        .filter(otids::organization_id.eq(organization.to_string()))
        .filter(otids::history_key.eq(history_key))
        .filter(otids::token.eq(Known::Request(token).key()));
    let change = (otids::run_id.eq(run.to_string()), otids::created_at.eq(Timestamp::now().naive()));
    with_backend!(conn, c => diesel::update(held).set(change).execute(c))?;
    Ok(())
}

/// Makes the request that has made this run one that has not come yet. By the ids of its messages the run is still
/// found.
pub fn free_token(conn: &mut Conn, run: RunId) -> Result<()> {
    let held = otids::table.filter(otids::run_id.eq(run.to_string()));
    let requests = held.filter(otids::token.like(format!("{}%", Known::Request("").key())));
    with_backend!(conn, c => diesel::delete(requests).execute(c))?;
    Ok(())
}

/// The run that a request with this token has made after `since`.
pub fn by_token(
    conn: &mut Conn,
    organization: OrganizationId,
    history_key: &str,
    token: &str,
    since: Timestamp,
) -> Result<Option<RunId>> {
    known(conn, organization, history_key, &Known::Request(token), since)
}

/// Notes which run the messages with these ids of the client have made. The newest run of an id is the one.
pub fn note_otids(
    conn: &mut Conn,
    organization: OrganizationId,
    history_key: &str,
    ids: &[&str],
    run: RunId,
) -> Result<()> {
    let created_at = Timestamp::now().naive();
    let row = |otid: &&str| OtidRow {
        organization_id: organization.to_string(),
        history_key,
        token: Known::Message(otid).key(),
        run_id: run.to_string(),
        created_at,
    };
    // PostgreSQL changes no row twice with one statement.
    let distinct: BTreeSet<&str> = ids.iter().copied().filter(|otid| otid.len() <= OTID_BYTES).collect();
    let rows: Vec<OtidRow<'_>> = distinct.iter().map(row).collect();
    for rows in rows.chunks(ROWS) {
        let newer = (otids::run_id.eq(run.to_string()), otids::created_at.eq(created_at));
        with_backend!(conn, c => {
            diesel::insert_into(otids::table)
                .values(rows)
                .on_conflict((otids::organization_id, otids::history_key, otids::token))
                .do_update()
                .set(newer)
                .execute(c)
        })?;
    }
    Ok(())
}

/// The run that a message with this id of the client has made after `since`.
pub fn by_otid(
    conn: &mut Conn,
    organization: OrganizationId,
    history_key: &str,
    otid: &str,
    since: Timestamp,
) -> Result<Option<RunId>> {
    known(conn, organization, history_key, &Known::Message(otid), since)
}

fn known(
    conn: &mut Conn,
    organization: OrganizationId,
    history_key: &str,
    by: &Known<'_>,
    since: Timestamp,
) -> Result<Option<RunId>> {
    let run: Option<String> = with_backend!(conn, c => {
        otids::table
            .filter(otids::organization_id.eq(organization.to_string()))
            .filter(otids::history_key.eq(history_key))
            .filter(otids::token.eq(by.key()))
            .filter(otids::created_at.ge(since.naive()))
            .select(otids::run_id)
            .first(c)
            .optional()
    })?;
    Ok(run.and_then(|run| run.parse().ok()))
}

/// By what a request is known.
enum Known<'a> {
    /// All its messages.
    Request(&'a str),
    /// One of its messages.
    Message(&'a str),
}

impl Known<'_> {
    fn key(&self) -> String {
        match self {
            Self::Request(token) => format!("request:{token}"),
            Self::Message(otid) => format!("message:{otid}"),
        }
    }
}
