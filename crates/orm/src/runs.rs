//! Runs: all that one request makes an agent do, and what is needed to settle one whose process is gone.

mod list;
mod row;

use std::collections::HashSet;

use chrono::NaiveDateTime;
use diesel::{dsl::sql, expression::SqlLiteral, prelude::*, sql_types::Bool};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::{
    Actor, Conn, Result,
    connection::{Backend, lock_row, with_backend},
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
/// Whether a run is going, in the words of the indexes that hold these runs alone: they would not serve a condition
/// with parameters.
const GOING: &str = "runs.status IN ('created', 'running')";

fn is_going() -> SqlLiteral<Bool> {
    sql(GOING)
}

/// Whether a run in this state is going.
fn goes_on(status: &str) -> bool {
    status.parse().is_ok_and(RunStatus::is_going)
}

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
    /// Where to post the result.
    pub callback_url: Option<&'a str>,
}

/// What a finished step of a run leaves behind.
#[derive(Debug)]
pub struct StepDone<'a, P> {
    /// Whether a model was called: a step of its own, and not the end of an earlier one.
    pub counts: bool,
    /// The ids of the tools that were called.
    pub tools: &'a [String],
    /// How far the run has come.
    pub progress: &'a P,
    /// Input that is still to go into the history.
    pub pending_input: &'a [StoredMessage],
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

/// Stores a run that begins, with what another process would need of its request.
pub fn insert<R: Serialize>(conn: &mut Conn, actor: &Actor, run: &NewRun<'_>, request: &R) -> Result<()> {
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
        t::callback_url.eq(run.callback_url),
        t::request.eq(RawJson::of(request)?),
        t::created_at.eq(now.naive()),
        t::updated_at.eq(now.naive()),
        t::created_by_id.eq(actor.user_id.to_string()),
    );
    with_backend!(conn, c => diesel::insert_into(t::table).values(values).execute(c))?;
    Ok(())
}

/// How things stand with a run, for the process that carries it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It goes on.
    Going,
    /// It was cancelled, and is to be wound up.
    Cancelled,
    /// It is no longer this node's: another one has taken it up, or it was settled.
    Lost,
    /// There is no such run any more.
    Gone,
}

/// How things stand with a run, which stays so until the transaction ends. What a turn stores begins with this: a node
/// that was out of reach for longer than a lease must not write into what another one carries on.
pub fn standing(conn: &mut Conn, id: RunId, node: &str) -> Result<Standing> {
    lock_row!(conn, t, id);
    let query = t::table.find(id.to_string()).select((t::status, t::node_id));
    let row: Option<(String, Option<String>)> = with_backend!(conn, c => query.first(c).optional())?;
    Ok(match row {
        None => Standing::Gone,
        Some((_, holder)) if holder.as_deref() != Some(node) => Standing::Lost,
        Some((status, _)) if goes_on(&status) => Standing::Going,
        Some(_) => Standing::Cancelled,
    })
}

/// Notes that a run has got its history.
pub fn set_running(conn: &mut Conn, id: RunId) -> Result<()> {
    let run = t::table.find(id.to_string()).filter(t::status.eq(RunStatus::Created.as_str()));
    let change = (t::status.eq(RunStatus::Running.as_str()), t::updated_at.eq(Timestamp::now().naive()));
    with_backend!(conn, c => diesel::update(run).set(change).execute(c))?;
    Ok(())
}

/// Notes that a step has ended, unless the run was cancelled meanwhile.
pub fn step_done<P: Serialize>(conn: &mut Conn, id: RunId, done: &StepDone<'_, P>) -> Result<()> {
    let run = || t::table.find(id.to_string());
    let mut used: Vec<String> = Vec::new();
    if !done.tools.is_empty() {
        let stored: Option<Option<RawJson>> =
            with_backend!(conn, c => run().select(t::tools_used).first(c).optional())?;
        used = stored.flatten().and_then(|stored| stored.parse().ok()).unwrap_or_default();
        let new: Vec<String> = done.tools.iter().filter(|tool| !used.contains(tool)).cloned().collect();
        used.extend(new);
    }
    let used = (!used.is_empty()).then(|| RawJson::of(&used)).transpose()?;
    let input = (!done.pending_input.is_empty()).then(|| RawJson::of(done.pending_input)).transpose()?;
    let change = (
        t::pending_input.eq(input),
        t::progress.eq(RawJson::of(done.progress)?),
        t::draft.eq(None::<RawJson>),
        t::num_steps.eq(t::num_steps + i32::from(done.counts)),
        t::updated_at.eq(Timestamp::now().naive()),
    );
    let going = run().filter(is_going());
    with_backend!(conn, c => {
        diesel::update(going).set(change).execute(c)?;
        if let Some(used) = used {
            diesel::update(run()).set(t::tools_used.eq(used)).execute(c)?;
        }
        QueryResult::Ok(())
    })?;
    Ok(())
}

/// Stores the state of the tool calls under way, for whoever must carry on after a crash.
pub fn set_draft<D: Serialize>(conn: &mut Conn, id: RunId, draft: &D) -> Result<()> {
    let run = t::table.find(id.to_string()).filter(is_going());
    let change = (t::draft.eq(RawJson::of(draft)?), t::updated_at.eq(Timestamp::now().naive()));
    with_backend!(conn, c => diesel::update(run).set(change).execute(c))?;
    Ok(())
}

/// Ends a run. One that is going gets this end, and true is returned. An end is final: one that was cancelled
/// meanwhile stays cancelled, and is only noted as wound up.
pub fn finish(conn: &mut Conn, id: RunId, end: &RunEnd) -> Result<bool> {
    let run = || t::table.find(id.to_string());
    let stored: Option<(String, Option<RawJson>)> =
        with_backend!(conn, c => run().select((t::status, t::metadata)).first(c).optional())?;
    let Some((status, metadata)) = stored else { return Ok(false) };
    let now = Timestamp::now().naive();
    let wound_up = (
        t::ttft_ns.eq(end.ttft_ns),
        t::total_duration_ns.eq(end.total_duration_ns),
        t::pending_input.eq(None::<RawJson>),
        t::request.eq(None::<RawJson>),
        t::progress.eq(None::<RawJson>),
        t::draft.eq(None::<RawJson>),
        t::node_id.eq(None::<String>),
        t::lease_until.eq(None::<NaiveDateTime>),
        t::updated_at.eq(now),
    );
    if !goes_on(&status) {
        let unsettled = run().filter(t::node_id.is_not_null());
        with_backend!(conn, c => diesel::update(unsettled).set(wound_up).execute(c))?;
        return Ok(false);
    }
    let mut metadata: Map<String, Value> = metadata.and_then(|stored| stored.parse().ok()).unwrap_or_default();
    metadata.extend(end.metadata.clone());
    let change = (
        wound_up,
        t::status.eq(end.status.as_str()),
        t::stop_reason.eq(end.stop_reason.as_str()),
        t::metadata.eq(RawJson::of(&metadata)?),
        t::completed_at.eq(now),
    );
    let going = run().filter(is_going());
    let changed = with_backend!(conn, c => diesel::update(going).set(change).execute(c))?;
    Ok(changed == 1)
}

/// What cancelling a run has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It was going. Whoever carries it on will notice, and wind it up.
    Going,
    /// It had stopped to wait for the client.
    Waiting,
    /// It was cancelled before.
    Before,
    /// It had ended in another way, and stays as it is.
    Ended,
}

/// Cancels a run, unless it has ended. None when there is no such run.
pub fn cancel(conn: &mut Conn, organization: OrganizationId, id: RunId) -> Result<Option<Cancelled>> {
    // What it is about to become it has become by then.
    lock_row!(conn, t, id);
    let run = || t::table.find(id.to_string()).filter(t::organization_id.eq(organization.to_string()));
    let state: Option<(String, Option<String>)> =
        with_backend!(conn, c => run().select((t::status, t::stop_reason)).first(c).optional())?;
    let Some((status, stop_reason)) = state else { return Ok(None) };
    let waiting = stop_reason.as_deref() == Some(StopReason::RequiresApproval.as_str());
    let outcome = match status.as_str() {
        status if goes_on(status) => Cancelled::Going,
        status if status == RunStatus::Cancelled.as_str() => return Ok(Some(Cancelled::Before)),
        _ if waiting => Cancelled::Waiting,
        _ => return Ok(Some(Cancelled::Ended)),
    };
    let now = Timestamp::now().naive();
    let change = (
        t::status.eq(RunStatus::Cancelled.as_str()),
        t::stop_reason.eq(StopReason::Cancelled.as_str()),
        t::updated_at.eq(now),
    );
    with_backend!(conn, c => {
        diesel::update(run()).set(change).execute(c)?;
        diesel::update(run().filter(t::completed_at.is_null())).set(t::completed_at.eq(now)).execute(c)
    })?;
    Ok(Some(outcome))
}

/// The conversations of an agent in which a run has stopped to wait for the client. It may have had its answer since.
pub fn conversations_that_paused(
    conn: &mut Conn,
    organization: OrganizationId,
    agent: AgentId,
) -> Result<Vec<ConversationId>> {
    let paused = t::table
        .filter(t::organization_id.eq(organization.to_string()))
        .filter(t::agent_id.eq(agent.to_string()))
        .filter(t::stop_reason.eq(StopReason::RequiresApproval.as_str()))
        .select(t::conversation_id.assume_not_null())
        .filter(t::conversation_id.is_not_null())
        .distinct();
    let ids: Vec<String> = with_backend!(conn, c => paused.load(c))?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// The newest run of a history that is going.
pub fn newest_going(conn: &mut Conn, organization: OrganizationId, history_key: &str) -> Result<Option<RunId>> {
    let run: Option<String> = with_backend!(conn, c => {
        t::table
            .filter(t::history_key.eq(history_key))
            .filter(t::organization_id.eq(organization.to_string()))
            .filter(is_going())
            .order((t::created_at.desc(), t::id.desc()))
            .select(t::id)
            .first(c)
            .optional()
    })?;
    Ok(run.and_then(|run| run.parse().ok()))
}

/// Which of these runs live on this node. They stay there until the transaction ends.
pub(crate) fn living_on(conn: &mut Conn, node: &str, runs: &[RunId]) -> Result<HashSet<RunId>> {
    let ids: Vec<String> = runs.iter().map(ToString::to_string).collect();
    let query = t::table.filter(t::id.eq_any(ids)).filter(t::node_id.eq(node)).order(t::id).select(t::id);
    let living: Vec<String> = match conn.backend() {
        Backend::Sqlite(c) => query.load(c)?,
        Backend::Postgres(c) => query.for_share().load(c)?,
    };
    Ok(living.iter().filter_map(|id| id.parse().ok()).collect())
}

/// Which of these runs are cancelled.
pub fn cancelled_among(conn: &mut Conn, runs: &[RunId]) -> Result<Vec<RunId>> {
    let ids: Vec<String> = runs.iter().map(ToString::to_string).collect();
    let query = t::table.filter(t::id.eq_any(ids)).filter(t::status.eq(RunStatus::Cancelled.as_str())).select(t::id);
    let ids: Vec<String> = with_backend!(conn, c => query.load(c))?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// The runs of an agent or a history that are going, the newest first.
pub fn to_cancel(conn: &mut Conn, organization: OrganizationId, of: &CancelOf) -> Result<Vec<RunId>> {
    let ids: Vec<String> = with_backend!(conn, c => {
        let mut query = t::table
            .filter(t::organization_id.eq(organization.to_string()))
            .filter(is_going())
            .into_boxed();
        query = match of {
            CancelOf::Agent(agent) => query.filter(t::agent_id.eq(agent.to_string())),
            CancelOf::History(key) => query.filter(t::history_key.eq(key)),
        };
        query.order((t::created_at.desc(), t::id.desc())).select(t::id).load(c)
    })?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// Whose runs are to be cancelled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CancelOf {
    /// Those of an agent, in all its histories.
    Agent(AgentId),
    /// Those of one history.
    History(String),
}

/// Makes a run of a node that is gone one of this node. Returns whether it was still as it was found: nobody else has
/// taken it up, not even a new process of the same node, and it has not ended.
pub fn take_over(conn: &mut Conn, orphan: &Orphan, node: &str, until: Timestamp) -> Result<bool> {
    let run = t::table
        .find(orphan.id.to_string())
        .filter(is_going())
        .filter(t::node_id.eq(orphan.node_id.clone().unwrap_or_default()))
        .filter(t::resumes.eq(orphan.resumes));
    let change = (
        t::node_id.eq(node),
        t::lease_until.eq(until.naive()),
        t::resumes.eq(t::resumes + 1),
        t::updated_at.eq(Timestamp::now().naive()),
    );
    let changed = with_backend!(conn, c => diesel::update(run).set(change).execute(c))?;
    Ok(changed == 1)
}

/// Renews the promise of a node that these runs are alive, as far as they are still its own.
pub fn renew(conn: &mut Conn, runs: &[String], node: &str, until: NaiveDateTime) -> Result<()> {
    let runs = t::table.filter(t::id.eq_any(runs)).filter(t::node_id.eq(node));
    with_backend!(conn, c => diesel::update(runs).set(t::lease_until.eq(until)).execute(c))?;
    Ok(())
}

/// Takes the promise back that this run is alive, so that another node takes it up at once.
pub fn let_go(conn: &mut Conn, id: RunId, node: &str) -> Result<()> {
    let run = t::table.find(id.to_string()).filter(t::node_id.eq(node));
    let long_ago = chrono::DateTime::UNIX_EPOCH.naive_utc();
    with_backend!(conn, c => diesel::update(run).set(t::lease_until.eq(long_ago)).execute(c))?;
    Ok(())
}

/// Which of the runs that are not wound up are looked at, for whether somebody carries them on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsettled {
    /// All of them.
    All,
    /// Those whose node has not kept its promise to be alive.
    Expired,
    /// Those, and all of this node.
    ExpiredOr(String),
}

/// Runs that are not wound up, the oldest first.
pub fn unsettled(conn: &mut Conn, which: &Unsettled, limit: i64) -> Result<Vec<Orphan>> {
    let now = Timestamp::now().naive();
    let rows: Vec<OrphanRow> = with_backend!(conn, c => {
        let mut query = t::table.filter(t::node_id.is_not_null()).into_boxed();
        match which {
            Unsettled::All => {}
            Unsettled::Expired => query = query.filter(t::lease_until.lt(now)),
            Unsettled::ExpiredOr(node) => query = query.filter(t::lease_until.lt(now).or(t::node_id.eq(node))),
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

/// Deletes a run that is wound up. Its messages and steps stay, as those of no run. Returns false when there is no such
/// run, or somebody is still at work on it.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: RunId) -> Result<bool> {
    let run = t::table
        .find(id.to_string())
        .filter(t::organization_id.eq(organization.to_string()))
        .filter(t::node_id.is_null());
    Ok(changed(with_backend!(conn, c => diesel::delete(run).execute(c))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_indexes_and_the_api_mean_the_same_runs() {
        assert_eq!(GOING, format!("runs.status IN ('{}')", RunStatus::GOING.map(RunStatus::as_str).join("', '")));
    }
}
