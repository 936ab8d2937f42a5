//! What becomes of turns whose process is gone, and how this process tells that it is not.
//!
//! A run of the background is carried on from its last stored transition, by whichever node finds it first; nobody
//! holds on to any other run, so it is brought to a clear end.

use std::{collections::HashSet, sync::Arc, time::Duration};

use muisti_orm::{
    Conn, DatabaseUrl,
    histories::HistoryId,
    leases, runs,
    schema::{ErrorMessage, MessageRole, RunId, RunStatus, StopReason, StreamEvent},
    steps,
};
use serde_json::Map;

use super::{
    accept::WhenPending,
    calls::UnderWay,
    ending::Early,
    node::RENEWAL,
    request::TurnRequest,
    rules::Rules,
    sink::Sink,
    turn::{Progress, Turn},
};
use crate::{Error, Result, Services};

/// How many runs are looked at in one go.
const BATCH: i64 = 100;
/// How often a run is carried on by another process before it is taken for the reason of the crashes.
const MOST_RESUMES: i32 = 20;
/// How soon a turn learns that it was cancelled through another node.
const CANCEL_POLL: Duration = Duration::from_millis(500);
/// How often what is kept for some hours only is looked through.
const SWEEPING: Duration = Duration::from_secs(10 * 60);
/// How long a run that is carried on waits for other turns of its history.
const RESUME_PATIENCE: Duration = Duration::from_secs(24 * 60 * 60);

impl Services {
    /// Carries on or settles what processes that are gone have left behind. To be called before anything is accepted:
    /// what this node is said to be doing, an earlier process of it did. On SQLite, which one process has for itself,
    /// that is every run that is going; on PostgreSQL those of this node and those whose lease has run out. Returns how
    /// many it was.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn recover(&self) -> Result<usize> {
        let orphans = match self.db().url() {
            DatabaseUrl::Sqlite(_) => runs::Unsettled::All,
            DatabaseUrl::Postgres(_) => runs::Unsettled::ExpiredOr(self.node().id().to_owned()),
        };
        self.look_after(orphans).await
    }

    /// Renews this node's leases, takes care of the runs of nodes that have stopped doing so, and notices what other
    /// nodes have cancelled, for ever.
    pub async fn stay_alive(self) {
        let mut beats = tokio::time::interval(CANCEL_POLL);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let beats_between = |period: Duration| u32::try_from(period.as_millis() / CANCEL_POLL.as_millis()).unwrap_or(1);
        for beat in 1_u32.. {
            beats.tick().await;
            if let Err(error) = self.notice_cancelled().await {
                tracing::warn!(%error, "whether runs are cancelled could not be seen");
            }
            if beat % beats_between(RENEWAL) == 0
                && let Err(error) = self.renew().await
            {
                tracing::warn!(%error, "the leases of this node could not be renewed");
            }
            if beat % beats_between(SWEEPING) == 0
                && let Err(error) = self.frames().sweep().await
            {
                tracing::warn!(%error, "old streams could not be deleted");
            }
            if beat % beats_between(SWEEPING) == 0
                && let Err(error) = self.traces().sweep().await
            {
                tracing::warn!(%error, "old traces could not be deleted");
            }
            if beat % beats_between(RENEWAL / 2) == 0
                && let Err(error) = self.look_after(runs::Unsettled::Expired).await
            {
                tracing::warn!(%error, "runs that nobody carries on could not be looked after");
            }
        }
    }

    /// Takes on no new turns, waits at most `grace` for those that are going, and settles the rest.
    ///
    /// # Errors
    /// When the rest cannot be settled; the next start will do it.
    pub async fn shut_down(&self, grace: Duration) -> Result<()> {
        let left = self.node().close(grace).await;
        if left == 0 {
            return Ok(());
        }
        tracing::warn!(left, "turns are cut off by the end of the server");
        let own: HashSet<RunId> = self.node().runs().into_iter().collect();
        let orphans = self.db().read(|conn| runs::unsettled(conn, &runs::Unsettled::All, i64::MAX)).await;
        // Those of the background another node, or the next start, carries on.
        let orphans = orphans.map_err(Error::from)?.into_iter();
        for orphan in orphans.filter(|orphan| own.contains(&orphan.id) && !orphan.background) {
            let id = orphan.id;
            self.settle(orphan).await?;
            self.frames().hand_over(id);
        }
        Ok(())
    }

    async fn renew(&self) -> Result<()> {
        let runs: Vec<String> = self.node().runs().iter().map(ToString::to_string).collect();
        if runs.is_empty() {
            return Ok(());
        }
        let until = self.node().lease_until().naive();
        self.db()
            .write(move |conn| {
                runs::renew(conn, &runs, until)?;
                leases::renew(conn, &runs, until).map_err(Error::from)
            })
            .await
    }

    /// Tells the turns that live here of what was cancelled through another node.
    async fn notice_cancelled(&self) -> Result<()> {
        let own = self.node().runs();
        if own.is_empty() || matches!(self.db().url(), DatabaseUrl::Sqlite(_)) {
            return Ok(());
        }
        let cancelled = self.db().read(move |conn| runs::cancelled_among(conn, &own).map_err(Error::from)).await?;
        cancelled.into_iter().for_each(|run| self.node().cancel(run));
        Ok(())
    }

    async fn look_after(&self, which: runs::Unsettled) -> Result<usize> {
        let mut done = 0;
        loop {
            let own: HashSet<RunId> = self.node().runs().into_iter().collect();
            let which = which.clone();
            let orphans =
                self.db().read(move |conn| runs::unsettled(conn, &which, BATCH)).await.map_err(Error::from)?;
            let orphans: Vec<_> = orphans.into_iter().filter(|orphan| !own.contains(&orphan.id)).collect();
            if orphans.is_empty() {
                return Ok(done);
            }
            for orphan in orphans {
                done += 1;
                let id = orphan.id;
                let goes_on = orphan.background && !orphan.cancelled && orphan.resumes < MOST_RESUMES;
                if let Some(request) = orphan.request().filter(|_| goes_on) {
                    self.carry_on(orphan, request).await?;
                    tracing::warn!(run_id = %id, "carries on a run that was interrupted");
                } else {
                    self.settle(orphan).await?;
                    tracing::warn!(run_id = %id, "settled a run that was interrupted");
                }
            }
        }
    }

    /// Makes an interrupted run one of this node, and goes on with it from where it was.
    async fn carry_on(&self, orphan: runs::Orphan, request: TurnRequest) -> Result<()> {
        let history = HistoryId { agent_id: orphan.agent_id, conversation_id: orphan.conversation_id };
        let (run_id, node) = (orphan.id, self.node().clone());
        let from = orphan.node_id.clone().unwrap_or_default();
        // Before it is this node's in the database: nobody here must take it for an orphan.
        let active = Arc::new(self.node().enter(run_id));
        let taken = self.db().write(move |conn| {
            let until = node.lease_until();
            if !runs::take_over(conn, run_id, &from, node.id(), until)? {
                return Ok::<_, Error>(None);
            }
            let key = history.key();
            let lease = leases::Lease { key: &key, run_id, node_id: node.id(), until };
            let held = leases::take_over(conn, &lease)?;
            Ok(Some((held, steps::pending(conn, run_id)?)))
        });
        let Some((holds_history, open)) = taken.await? else { return Ok(()) };
        let progress: Progress = orphan.progress().unwrap_or_default();
        let mut under_way: Option<UnderWay> = orphan.draft();
        let mut input = orphan.pending_input;
        let mut deferred = Vec::new();
        if let Some(under_way) = &mut under_way {
            under_way.draft.settle_started();
            if under_way.step.is_none() && input.first().is_some_and(|first| first.role == MessageRole::Approval) {
                deferred = input.split_off(1);
            }
        }
        let types = request.config.include_return_message_types.clone();
        let sink = Sink::resume(self.frames(), run_id, request.stream.stream_tokens, types).await?;
        let turn = Turn {
            services: self.clone(),
            actor: orphan.actor,
            run_id,
            history,
            request,
            sink,
            input,
            deferred,
            rules: Rules::new(Vec::new(), progress.done),
            usage: progress.usage,
            rounds: progress.rounds,
            open,
            under_way,
            loaded: None,
            when_pending: WhenPending::Refuse,
            gauge: None,
            logprobs: None,
            calls_back: true,
            in_text: true,
            stop: progress.stop,
            holds_history,
            guard: None,
            active,
        };
        tokio::spawn(turn.run(RESUME_PATIENCE));
        Ok(())
    }

    /// Brings the history of an interrupted run into a state from which it goes on, and ends the run.
    async fn settle(&self, orphan: runs::Orphan) -> Result<()> {
        let track = self.settings().track_last_run;
        self.db().write(move |conn| settle(conn, &orphan, track)).await?;
        self.callbacks().wake();
        Ok(())
    }
}

fn settle(conn: &mut Conn, orphan: &runs::Orphan, track: bool) -> Result<()> {
    let under_way: Option<UnderWay> = orphan.draft();
    let keep_input = orphan.accepted && !orphan.cancelled;
    let kept = under_way.is_some() || (keep_input && !orphan.pending_input.is_empty());
    let error = (!orphan.cancelled).then(|| interrupted(orphan.id, kept));
    let mut metadata = Map::new();
    metadata.extend(error.as_ref().and_then(|error| Some(("error".to_owned(), serde_json::to_value(error).ok()?))));
    let (status, stop_reason) = if orphan.cancelled {
        (RunStatus::Cancelled, StopReason::Cancelled)
    } else {
        (RunStatus::Failed, StopReason::Error)
    };
    let early = Early {
        actor: orphan.actor,
        run_id: orphan.id,
        history: HistoryId { agent_id: orphan.agent_id, conversation_id: orphan.conversation_id },
        step: steps::pending(conn, orphan.id)?,
        under_way,
        input: orphan.pending_input.clone(),
        keep_input,
        error: error.clone(),
        end: runs::RunEnd { status, stop_reason, metadata, ttft_ns: None, total_duration_ns: None },
        track,
    };
    early.settle(conn)?;
    if orphan.background {
        let reason = StreamEvent::StopReason(stop_reason.into());
        let events: Vec<StreamEvent> = [reason].into_iter().chain(error.map(StreamEvent::Error)).collect();
        crate::frames::append_end(conn, orphan.id, events)?;
    }
    Ok(())
}

/// What an interrupted run is said to have failed with.
fn interrupted(run_id: RunId, kept: bool) -> ErrorMessage {
    let detail = if kept {
        "What was sent and what was done is in the history. Send another message to go on."
    } else {
        "Nothing of it was kept. Send the message again."
    };
    ErrorMessage {
        run_id,
        error_type: "server_interrupted".to_owned(),
        message: "The server stopped before this run was finished.".to_owned(),
        detail: Some(detail.to_owned()),
        seq_id: None,
    }
}
