//! Runs: all that one request makes an agent do, and what is needed to settle one whose process is gone.

mod list;
mod row;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use serde_json::{Map, Value};

use crate::{
    Actor, Conn, Result,
    connection::with_backend,
    json::RawJson,
    row::{changed, readable},
    schema::{
        AgentId, ConversationId, OrganizationId, Run, RunId, RunMetrics, RunRequestConfig, RunStatus, StopReason,
        StoredMessage, Timestamp,
    },
    tables::runs as t,
};
pub use list::{Compare, RunFilter, RunSort, list_by};
pub use row::Orphan;
use row::{MetricsRow, OrphanRow, RunRow};

const MODEL: &str = "Run";

/// A run as it begins.
#[derive(Debug, Clone)]
pub struct NewRun<'a> {
    /// Its id.
    pub id: RunId,
    /// The agent that it makes do something.
    pub agent_id: AgentId,
    /// The conversation; none for the default history.
    pub conversation_id: Option<ConversationId>,
    /// The agent's project.
    pub project_id: Option<String>,
    /// The agent's template.
    pub base_template_id: Option<String>,
    /// `created` while it waits for the history, else `running`.
    pub status: RunStatus,
    /// Whether it goes on without its client.
    pub background: bool,
    /// What kind of request it was, and what clients may read of it.
    pub metadata: Map<String, Value>,
    /// How its messages are to be shown.
    pub request_config: &'a RunRequestConfig,
    /// The history that it works on: the id of the agent or of the conversation.
    pub history_key: &'a str,
    /// The input, until the first step puts it into the history.
    pub pending_input: &'a [StoredMessage],
    /// Whether the client is told that the input is taken before the run ends.
    pub accepted: bool,
    /// The node that it lives on.
    pub node_id: &'a str,
    /// Until when that node has promised to be alive.
    pub lease_until: Timestamp,
}

/// The end of a run.
#[derive(Debug, Clone)]
pub struct RunEnd {
    /// How it ended.
    pub status: RunStatus,
    /// Why.
    pub stop_reason: StopReason,
    /// Members to add to the metadata, `error` for example.
    pub metadata: Map<String, Value>,
    /// From the request to the first sign of an answer, in nanoseconds.
    pub ttft_ns: Option<i64>,
    /// From the request to the end, in nanoseconds.
    pub total_duration_ns: Option<i64>,
}

/// Stores a run that begins.
pub fn insert(conn: &mut Conn, actor: &Actor, run: &NewRun<'_>) -> Result<()> {
    let now = Timestamp::now();
    let values = (
        (
            t::id.eq(run.id.to_string()),
            t::organization_id.eq(actor.organization_id.to_string()),
            t::agent_id.eq(run.agent_id.to_string()),
            t::conversation_id.eq(run.conversation_id.map(|id| id.to_string())),
            t::project_id.eq(&run.project_id),
            t::base_template_id.eq(&run.base_template_id),
            t::status.eq(run.status.as_str()),
            t::background.eq(run.background),
            t::metadata.eq(RawJson::of(&run.metadata)?),
            t::request_config.eq(RawJson::of(run.request_config)?),
        ),
        t::run_start_ns.eq(now.utc().timestamp_nanos_opt()),
        t::history_key.eq(run.history_key),
        t::pending_input.eq(RawJson::of(run.pending_input)?),
        t::accepted.eq(run.accepted),
        t::node_id.eq(run.node_id),
        t::lease_until.eq(run.lease_until.naive()),
        t::created_at.eq(now.naive()),
        t::updated_at.eq(now.naive()),
        t::created_by_id.eq(actor.user_id.to_string()),
    );
    with_backend!(conn, c => diesel::insert_into(t::table).values(values).execute(c))?;
    Ok(())
}

/// Notes that a run has got its history.
pub fn set_running(conn: &mut Conn, id: RunId) -> Result<()> {
    let run = t::table.find(id.to_string()).filter(t::status.eq(RunStatus::Created.as_str()));
    let change = (t::status.eq(RunStatus::Running.as_str()), t::updated_at.eq(Timestamp::now().naive()));
    with_backend!(conn, c => diesel::update(run).set(change).execute(c))?;
    Ok(())
}

/// Notes that a step has ended: the input is in the history now, and these tools were called.
pub fn step_done(conn: &mut Conn, id: RunId, tools: &[String]) -> Result<()> {
    let run = || t::table.find(id.to_string());
    let mut used: Vec<String> = Vec::new();
    if !tools.is_empty() {
        let stored: Option<Option<RawJson>> =
            with_backend!(conn, c => run().select(t::tools_used).first(c).optional())?;
        used = stored.flatten().and_then(|stored| stored.parse().ok()).unwrap_or_default();
        let new: Vec<String> = tools.iter().filter(|tool| !used.contains(tool)).cloned().collect();
        used.extend(new);
    }
    let used = (!used.is_empty()).then(|| RawJson::of(&used)).transpose()?;
    let change = (
        t::pending_input.eq(None::<RawJson>),
        t::num_steps.eq(t::num_steps + 1),
        t::updated_at.eq(Timestamp::now().naive()),
    );
    with_backend!(conn, c => {
        diesel::update(run()).set(change).execute(c)?;
        match used {
            Some(used) => diesel::update(run()).set(t::tools_used.eq(used)).execute(c),
            None => Ok(0),
        }
    })?;
    Ok(())
}

/// Ends a run that is going. Returns false, and changes nothing, when it has ended already: an end is final.
pub fn finish(conn: &mut Conn, id: RunId, end: &RunEnd) -> Result<bool> {
    let going = [RunStatus::Created.as_str(), RunStatus::Running.as_str()];
    let run = || t::table.find(id.to_string()).filter(t::status.eq_any(going));
    let stored: Option<Option<RawJson>> = with_backend!(conn, c => run().select(t::metadata).first(c).optional())?;
    let Some(stored) = stored else { return Ok(false) };
    let mut metadata: Map<String, Value> = stored.and_then(|stored| stored.parse().ok()).unwrap_or_default();
    metadata.extend(end.metadata.clone());
    let now = Timestamp::now().naive();
    let change = (
        t::status.eq(end.status.as_str()),
        t::stop_reason.eq(end.stop_reason.as_str()),
        t::metadata.eq(RawJson::of(&metadata)?),
        t::ttft_ns.eq(end.ttft_ns),
        t::total_duration_ns.eq(end.total_duration_ns),
        t::pending_input.eq(None::<RawJson>),
        t::node_id.eq(None::<String>),
        t::lease_until.eq(None::<NaiveDateTime>),
        t::completed_at.eq(now),
        t::updated_at.eq(now),
    );
    let changed = with_backend!(conn, c => diesel::update(run()).set(change).execute(c))?;
    Ok(changed == 1)
}

/// Renews the promise that these runs are alive.
pub fn renew(conn: &mut Conn, runs: &[String], until: NaiveDateTime) -> Result<()> {
    let going = [RunStatus::Created.as_str(), RunStatus::Running.as_str()];
    let runs = t::table.filter(t::id.eq_any(runs)).filter(t::status.eq_any(going));
    with_backend!(conn, c => diesel::update(runs).set(t::lease_until.eq(until)).execute(c))?;
    Ok(())
}

/// Which of the runs that are going are looked at, for whether somebody carries them on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Going {
    /// All of them.
    All,
    /// Those whose node has not kept its promise to be alive.
    Expired,
    /// Those, and all of this node.
    ExpiredOr(String),
}

/// Runs that are going, the oldest first.
pub fn going(conn: &mut Conn, which: &Going, limit: i64) -> Result<Vec<Orphan>> {
    let going = [RunStatus::Created.as_str(), RunStatus::Running.as_str()];
    let now = Timestamp::now().naive();
    let rows: Vec<OrphanRow> = with_backend!(conn, c => {
        let mut query = t::table.filter(t::status.eq_any(going)).into_boxed();
        let expired = t::lease_until.is_null().or(t::lease_until.lt(now));
        match which {
            Going::All => {}
            Going::Expired => query = query.filter(expired),
            Going::ExpiredOr(node) => query = query.filter(expired.or(t::node_id.eq(node))),
        }
        query.order((t::created_at, t::id)).limit(limit).select(OrphanRow::as_select()).load(c)
    })?;
    Ok(readable(rows, OrphanRow::into_orphan))
}

/// One run.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: RunId) -> Result<Option<Run>> {
    let query = t::table.find(id.to_string()).filter(t::organization_id.eq(organization.to_string()));
    let row: Option<RunRow> = with_backend!(conn, c => query.select(RunRow::as_select()).first(c).optional())?;
    row.map(RunRow::into_run).transpose()
}

/// How long a run took, and what it used.
pub fn metrics(conn: &mut Conn, organization: OrganizationId, id: RunId) -> Result<Option<RunMetrics>> {
    let query = t::table.find(id.to_string()).filter(t::organization_id.eq(organization.to_string()));
    let row: Option<MetricsRow> = with_backend!(conn, c => query.select(MetricsRow::as_select()).first(c).optional())?;
    row.map(MetricsRow::into_metrics).transpose()
}

/// Deletes a run that has ended. Its messages and steps stay, as those of no run. Returns false when there is no such
/// run, or it is still going.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: RunId) -> Result<bool> {
    let going = [RunStatus::Created.as_str(), RunStatus::Running.as_str()];
    let run = t::table
        .find(id.to_string())
        .filter(t::organization_id.eq(organization.to_string()))
        .filter(t::status.ne_all(going));
    Ok(changed(with_backend!(conn, c => diesel::delete(run).execute(c))?))
}
