//! Stopping runs, and giving up what waits for the client.

use std::time::Duration;

use muisti_orm::{
    Conn, agents,
    histories::HistoryId,
    runs::{self, CancelOf, Cancelled},
    schema::{AgentId, Run, RunId, StopReason},
};

use super::{AgentLoop, pending};
use crate::{Actor, Error, PendingCalls, Result};

/// How long a turn may take to finish with what is to be given up.
const PATIENCE: Duration = Duration::from_secs(2);
/// Why calls are denied whose run is cancelled. Clients look for it.
pub(super) const CANCELLED: &str = "The user cancelled the request, so the tool call was denied.";

/// What became of a run that was to be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// It is cancelled.
    Cancelled,
    /// There is no such run of the agent, or it had ended in another way.
    Failed,
}

impl AgentLoop {
    /// Cancels runs of an agent: those that are named, or else all that are going in any of its histories, and what
    /// waits for the client there. A run that is named and cannot be cancelled is reported, not an
    /// error.
    ///
    /// # Errors
    /// 404 for an unknown agent; 409 when none are named and there are none.
    pub async fn cancel(
        &self,
        actor: &Actor,
        agent: AgentId,
        named: Option<Vec<RunId>>,
    ) -> Result<Vec<(RunId, CancelOutcome)>> {
        let Some(named) = named.filter(|named| !named.is_empty()) else {
            return self.cancel_going(actor, HistoryId::default_of(agent), CancelOf::Agent(agent)).await;
        };
        let mut outcomes = Vec::with_capacity(named.len());
        for run in named {
            let (outcome, waits_in) = self.cancel_one(actor, agent, run).await?;
            outcomes.push((run, outcome));
            if let Some(history) = waits_in {
                self.settle_pending(actor, history, Some(run)).await?;
            }
        }
        Ok(outcomes)
    }

    /// Cancels the runs of one history that are going, and gives up what waits for the client there.
    ///
    /// # Errors
    /// 404 for an unknown history; 409 when there is nothing to be cancelled.
    pub async fn cancel_history(&self, actor: &Actor, history: HistoryId) -> Result<Vec<(RunId, CancelOutcome)>> {
        self.cancel_going(actor, history, CancelOf::History(history.key())).await
    }

    async fn cancel_going(
        &self,
        actor: &Actor,
        history: HistoryId,
        of: CancelOf,
    ) -> Result<Vec<(RunId, CancelOutcome)>> {
        let (organization, wanted) = (actor.organization_id, of.clone());
        let find = move |conn: &mut Conn| {
            let going = runs::to_cancel(conn, organization, &wanted)?;
            let mut histories = vec![history];
            if let CancelOf::Agent(agent_id) = wanted {
                let waiting = runs::conversations_that_paused(conn, organization, agent_id)?;
                histories.extend(waiting.into_iter().map(|id| HistoryId { agent_id, conversation_id: Some(id) }));
            }
            let mut waiting = Vec::new();
            for history in histories {
                let pending = pending::at_end(conn, organization, history)?;
                waiting.extend(pending.map(|pending| (history, pending.calls().run_id)));
            }
            Ok::<_, Error>((going, waiting))
        };
        let (going, waiting) = self.services.db().read(find).await?;
        let broken_off = self.services.break_off(of.clone()).await?;
        if going.is_empty() && waiting.is_empty() && !broken_off {
            let of = match (of, history.conversation_id) {
                (CancelOf::Agent(agent), _) => format!("agent {agent}"),
                (CancelOf::History(_), Some(conversation)) => format!("conversation {conversation}"),
                (CancelOf::History(_), None) => "conversation default".to_owned(),
            };
            return Err(Error::Conflict(format!("No active runs to cancel for {of}")));
        }
        let paused = waiting.iter().filter_map(|(_, run)| *run).filter(|run| !going.contains(run));
        let mut outcomes = Vec::with_capacity(going.len() + waiting.len());
        for run in going.iter().copied().chain(paused) {
            let (outcome, waits_in) = self.cancel_one(actor, history.agent_id, run).await?;
            outcomes.push((run, outcome));
            // A fork shares the request, and its run, with the history that it was made of, where it waits on.
            let in_scope = |waits_in: &HistoryId| matches!(of, CancelOf::Agent(_)) || *waits_in == history;
            if let Some(waits_in) = waits_in.filter(in_scope) {
                self.settle_pending(actor, waits_in, Some(run)).await?;
            }
        }
        for (history, _) in waiting {
            self.settle_pending(actor, history, None).await?;
        }
        Ok(outcomes)
    }

    /// Cancels a run. Gives the history along at whose end it may have left calls that wait for the client.
    async fn cancel_one(&self, actor: &Actor, agent: AgentId, id: RunId) -> Result<(CancelOutcome, Option<HistoryId>)> {
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
            Ok(outcome.map(|outcome| (outcome, history_of(&run))))
        });
        Ok(match cancelled.await? {
            Some((Cancelled::Going, _)) => {
                self.services.node().cancel(id);
                (CancelOutcome::Cancelled, None)
            }
            // Whoever has cancelled it before may not have come to its calls.
            Some((Cancelled::Waiting | Cancelled::Before, history)) => (CancelOutcome::Cancelled, Some(history)),
            Some((Cancelled::Ended, _)) | None => (CancelOutcome::Failed, None),
        })
    }

    /// Gives up what is pending, if it still is and concerns this run; none: whatever it is.
    async fn settle_pending(&self, actor: &Actor, history: HistoryId, run: Option<RunId>) -> Result<()> {
        let actor = *actor;
        let deny = move |conn: &mut Conn| pending::give_up(conn, &actor, history, run, CANCELLED);
        match self.give_up(&actor, history, run, deny).await {
            // Whoever works on the history deals with what was pending.
            Ok(_) | Err(Error::Busy(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Gives up what waits for the client at the end of a history, with denials. Gives what was pending; none when
    /// nothing was.
    ///
    /// # Errors
    /// 404 for an unknown history; 409 while a turn works on it.
    pub async fn reset_pending(&self, actor: &Actor, history: HistoryId) -> Result<Option<PendingCalls>> {
        let actor = *actor;
        let organization = actor.organization_id;
        // Whose history it is, before anything is ended there.
        self.services.db().read(move |conn| pending::at_end(conn, organization, history).map(drop)).await?;
        self.services.break_off(CancelOf::History(history.key())).await?;
        self.give_up(&actor, history, None, move |conn| pending::reset_pending(conn, &actor, history)).await
    }

    /// Gives up what is pending at the end of a history in this way, if it concerns this run; none: whatever it is.
    /// Nobody else may be at work there meanwhile. Gives what was pending.
    async fn give_up(
        &self,
        actor: &Actor,
        history: HistoryId,
        run: Option<RunId>,
        give_up: impl FnOnce(&mut Conn) -> Result<Option<PendingCalls>> + Send + 'static,
    ) -> Result<Option<PendingCalls>> {
        let organization = actor.organization_id;
        let find = move |conn: &mut Conn| pending::at_end(conn, organization, history);
        let pending = self.services.db().read(find).await?;
        if pending.is_none_or(|pending| run.is_some_and(|run| !pending.concerns(run))) {
            return Ok(None);
        }
        self.services.hold(history, PATIENCE).await?.write(give_up).await
    }
}

fn history_of(run: &Run) -> HistoryId {
    HistoryId { agent_id: run.agent_id, conversation_id: run.conversation_id }
}
