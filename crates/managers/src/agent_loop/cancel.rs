//! Stopping runs, and giving up what waits for the client.

use muisti_orm::{
    Conn, agents, histories,
    histories::HistoryId,
    leases, messages,
    runs::{self, CancelOf, Cancelled},
    schema::{AgentId, MessageId, Run, RunId, StopReason},
};

use super::{AgentLoop, pending::Pending};
use crate::{Actor, Error, PendingCalls, Result};

/// How many messages at the end of a context are looked at for what is pending: a request, and its answers in part.
const TAIL: usize = 64;
/// Why calls are denied whose run is cancelled. Clients look for it.
const CANCELLED: &str = "The user cancelled the request, so the tool call was denied.";
/// Why calls are denied that somebody has given up.
const RESET: &str = "What was pending was reset, so the tool call was denied.";

/// What became of a run that was to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is cancelled.
    Cancelled,
    /// There is no such run of the agent, or it had ended in another way.
    Failed,
}

impl AgentLoop {
    /// Cancels runs of an agent: those that are named, or else all that are going in any of its histories, and the one
    /// that waits for the client in the default history. A run that is named and cannot be cancelled is reported, not
    /// an error.
    ///
    /// # Errors
    /// 404 for an unknown agent; 409 when none are named and none are going.
    pub async fn cancel(
        &self,
        actor: &Actor,
        agent: AgentId,
        named: Option<Vec<RunId>>,
    ) -> Result<Vec<(RunId, CancelOutcome)>> {
        let owner = *actor;
        let runs = match named.filter(|named| !named.is_empty()) {
            Some(named) => named,
            None => {
                let history = HistoryId::default_of(agent);
                let find = move |conn: &mut Conn| to_cancel(conn, &owner, history, CancelOf::Agent(agent));
                let found = self.services.db().read(find).await?;
                if found.is_empty() {
                    return Err(Error::Conflict(format!("No active runs to cancel for agent {agent}")));
                }
                found
            }
        };
        self.cancel_all(actor, agent, runs).await
    }

    /// Cancels the runs of one history that are going, and the one that waits for the client.
    ///
    /// # Errors
    /// 404 for an unknown history; 409 when there are none.
    pub async fn cancel_history(&self, actor: &Actor, history: HistoryId) -> Result<Vec<(RunId, CancelOutcome)>> {
        let owner = *actor;
        let find = move |conn: &mut Conn| to_cancel(conn, &owner, history, CancelOf::History(history.key()));
        let found = self.services.db().read(find).await?;
        if found.is_empty() {
            let of = match history.conversation_id {
                Some(conversation) => format!("conversation {conversation}"),
                None => "conversation default".to_owned(),
            };
            return Err(Error::Conflict(format!("No active runs to cancel for {of}")));
        }
        self.cancel_all(actor, history.agent_id, found).await
    }

    async fn cancel_all(&self, actor: &Actor, agent: AgentId, runs: Vec<RunId>) -> Result<Vec<(RunId, CancelOutcome)>> {
        let mut outcomes = Vec::with_capacity(runs.len());
        for run in runs {
            outcomes.push((run, self.cancel_one(actor, agent, run).await?));
        }
        Ok(outcomes)
    }

    async fn cancel_one(&self, actor: &Actor, agent: AgentId, id: RunId) -> Result<CancelOutcome> {
        let owner = *actor;
        let cancelled = self.services.db().write(move |conn| {
            let run = runs::get(conn, owner.organization_id, id)?.filter(|run| run.agent_id == agent);
            let Some(run) = run else { return Ok::<_, Error>(None) };
            let outcome = runs::cancel(conn, owner.organization_id, id)?;
            if matches!(outcome, Some(Cancelled::Going | Cancelled::Waiting)) {
                let stopped = Some(Some(StopReason::Cancelled));
                let changes = agents::AgentChanges { last_stop_reason: stopped, ..Default::default() };
                agents::update(conn, &owner, agent, changes)?;
            }
            if outcome == Some(Cancelled::Waiting) {
                give_up(conn, &owner, history_of(&run), Some(id), CANCELLED)?;
            }
            Ok(outcome)
        });
        Ok(match cancelled.await? {
            Some(Cancelled::Going) => {
                self.services.node().cancel(id);
                CancelOutcome::Cancelled
            }
            Some(Cancelled::Waiting | Cancelled::Before) => CancelOutcome::Cancelled,
            Some(Cancelled::Ended) | None => CancelOutcome::Failed,
        })
    }

    /// Gives up what waits for the client at the end of a history, with denials. Gives what was pending; none when
    /// nothing was.
    ///
    /// # Errors
    /// 404 for an unknown history; 409 while a turn works on it.
    pub async fn reset_pending(&self, actor: &Actor, history: HistoryId) -> Result<Option<PendingCalls>> {
        let owner = *actor;
        let write = move |conn: &mut Conn| {
            let pending = pending_calls(conn, &owner, history)?;
            let Some(calls) = pending.map(|pending| pending.calls()) else { return Ok::<_, Error>(None) };
            if let Some(run) = calls.run_id {
                runs::cancel(conn, owner.organization_id, run)?;
            }
            if give_up(conn, &owner, history, calls.run_id, RESET)? {
                Ok(Some(calls))
            } else {
                Err(Error::Busy(leases::holder(conn, &history.key())?))
            }
        };
        self.services.db().write(write).await
    }
}

fn history_of(run: &Run) -> HistoryId {
    HistoryId { agent_id: run.agent_id, conversation_id: run.conversation_id }
}

/// The runs of an agent or a history that are going, and the one that waits for the client at the end of the history.
fn to_cancel(conn: &mut Conn, actor: &Actor, history: HistoryId, of: CancelOf) -> Result<Vec<RunId>> {
    let waiting = pending_calls(conn, actor, history)?.and_then(|pending| pending.calls().run_id);
    let mut runs = runs::to_cancel(conn, actor.organization_id, &of)?;
    runs.extend(waiting.filter(|run| !runs.contains(run)));
    Ok(runs)
}

/// What waits for the client at the end of a history.
pub(super) fn pending_calls(conn: &mut Conn, actor: &Actor, history: HistoryId) -> Result<Option<Pending>> {
    let organization = actor.organization_id;
    let ids = histories::context(conn, organization, &history)?.ok_or_else(|| match history.conversation_id {
        Some(id) => Error::missing("Conversation", id),
        None => Error::missing("Agent", history.agent_id),
    })?;
    let tail = ids.get(ids.len().saturating_sub(TAIL)..).unwrap_or_default();
    Ok(Pending::at_end_of(&messages::by_ids(conn, organization, tail)?))
}

/// Denies what is pending at the end of a history, unless a turn works on it, which then deals with it. Returns
/// whether it was free.
fn give_up(conn: &mut Conn, actor: &Actor, history: HistoryId, run: Option<RunId>, reason: &str) -> Result<bool> {
    if leases::holder(conn, &history.key())?.is_some() {
        return Ok(false);
    }
    if let Some(pending) = pending_calls(conn, actor, history)? {
        let agent = agents::get(conn, actor.organization_id, history.agent_id)?;
        let timezone = agent.and_then(|agent| agent.timezone);
        let settled = pending.give_up(reason, run, timezone.as_deref().unwrap_or("UTC"));
        messages::insert(conn, actor, &settled)?;
        let ids: Vec<MessageId> = settled.iter().map(|message| message.id).collect();
        histories::append(conn, actor, &history, &ids)?;
    }
    Ok(true)
}
