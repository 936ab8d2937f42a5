//! What becomes of turns whose process is gone, and how this process tells that it is not.
//!
//! A run of the background is carried on from its last stored transition, by whichever node finds it first; nobody
//! holds on to any other run, so it is brought to a clear end.

use std::{collections::HashSet, time::Duration};

use muisti_orm::{
    Conn, DatabaseUrl,
    histories::HistoryId,
    leases, runs,
    schema::{MessageRole, RunId, StopReason, StoredMessage, StreamEvent, Timestamp},
    steps,
};
use serde_json::Map;

use super::{
    calls::UnderWay,
    ending::{Early, Keep},
    failure::Failure,
    request::TurnRequest,
    rules::Rules,
    sink::Sink,
    turn::{Progress, Turn, nanoseconds, run_status},
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
/// How long a stop waits, after its grace, until the turns have put everything in order behind them.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Services {
    /// Carries on or settles what processes that are gone have left behind. To be called before anything is accepted:
    /// what this node is said to be doing, an earlier process of it did. On SQLite, which one process has for itself,
    /// that is every run that is going; on PostgreSQL those of this node and those whose lease has run out. Returns how
    /// many it was.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn recover(&self) -> Result<usize> {
        let own = self.node().id().to_owned();
        let (orphans, node) = match self.db().url() {
            DatabaseUrl::Sqlite(_) => (runs::Unsettled::All, None),
            DatabaseUrl::Postgres(_) => (runs::Unsettled::ExpiredOr(own.clone()), Some(own)),
        };
        self.db().write(move |conn| leases::release_unnamed(conn, node.as_deref()).map_err(Error::from)).await?;
        self.look_after(orphans).await
    }

    /// Renews this node's leases, takes care of the runs of nodes that have stopped doing so, and notices what other
    /// nodes have cancelled, for ever.
    pub async fn stay_alive(self) {
        let mut beats = tokio::time::interval(CANCEL_POLL);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let beats_between =
            |period: Duration| u32::try_from(period.as_millis() / CANCEL_POLL.as_millis()).unwrap_or(1).max(1);
        let renewal = self.node().renewal();
        for beat in 1_u32.. {
            beats.tick().await;
            if let Err(error) = self.notice_cancelled().await {
                tracing::warn!(%error, "whether runs are cancelled could not be seen");
            }
            if beat % beats_between(renewal) == 0
                && let Err(error) = self.renew().await
            {
                tracing::warn!(%error, "the leases of this node could not be renewed");
            }
            if beat % beats_between(SWEEPING) == 0 {
                self.sweep().await;
            }
            if beat % beats_between(renewal / 2) == 0
                && let Err(error) = self.look_after(runs::Unsettled::Expired).await
            {
                tracing::warn!(%error, "runs that nobody carries on could not be looked after");
            }
        }
    }

    /// Takes on no new turns and waits at most `grace` for those that are going. Then the runs of the background are
    /// left to other nodes, or the next start, and all others are settled.
    ///
    /// # Errors
    /// When something cannot be settled; the next start will do it.
    pub async fn shut_down(&self, grace: Duration) -> Result<()> {
        let settled = self.settle_own(grace).await;
        self.traces().flush().await;
        settled
    }

    async fn settle_own(&self, grace: Duration) -> Result<()> {
        let left = self.node().close(grace).await;
        if left == 0 {
            return Ok(());
        }
        tracing::warn!(left, "turns are cut off by the end of the server");
        self.node().stop();
        if self.node().close(LAST_WORDS).await == 0 {
            return Ok(());
        }
        // Those that did not listen.
        let own: HashSet<RunId> = self.node().runs().into_iter().collect();
        let which = runs::Unsettled::ExpiredOr(self.node().id().to_owned());
        let orphans = self.db().read(move |conn| runs::unsettled(conn, &which, i64::MAX)).await;
        let orphans = orphans.map_err(Error::from)?.into_iter();
        for orphan in orphans.filter(|orphan| own.contains(&orphan.id) && !orphan.background) {
            let id = orphan.id;
            self.settle(orphan).await?;
            self.frames().hand_over(id);
        }
        Ok(())
    }

    /// Deletes what was kept for its time.
    async fn sweep(&self) {
        if let Err(error) = self.frames().sweep().await {
            tracing::warn!(%error, "old streams could not be deleted");
        }
        if let Err(error) = self.traces().sweep().await {
            tracing::warn!(%error, "old traces could not be deleted");
        }
    }

    async fn renew(&self) -> Result<()> {
        let runs: Vec<String> = self.node().runs().iter().map(ToString::to_string).collect();
        if runs.is_empty() {
            return Ok(());
        }
        let (node, until) = (self.node().clone(), self.node().lease_until().naive());
        let renewed = self.db().write(move |conn| {
            runs::renew(conn, &runs, node.id(), until)?;
            leases::renew(conn, &runs, node.id(), until).map_err(Error::from)
        });
        renewed.await
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

    /// Carries on or settles these runs. One with which that fails is left for the next time, and is no reason to leave
    /// the others.
    async fn look_after(&self, which: runs::Unsettled) -> Result<usize> {
        let mut tried: HashSet<RunId> = HashSet::new();
        let mut done = 0;
        loop {
            let own: HashSet<RunId> = self.node().runs().into_iter().collect();
            let (which, limit) = (which.clone(), BATCH.saturating_add(i64::try_from(tried.len()).unwrap_or(0)));
            let orphans =
                self.db().read(move |conn| runs::unsettled(conn, &which, limit)).await.map_err(Error::from)?;
            let is_new = |orphan: &runs::Orphan| !own.contains(&orphan.id) && !tried.contains(&orphan.id);
            let orphans: Vec<_> = orphans.into_iter().filter(is_new).collect();
            if orphans.is_empty() {
                return Ok(done);
            }
            for orphan in orphans {
                let run_id = orphan.id;
                match self.take_care_of(orphan).await {
                    Ok(true) => done += 1,
                    // Somebody was faster; what is left of it, if anything, the next look shows.
                    Ok(false) => {}
                    Err(error) => tracing::error!(%run_id, %error, "an interrupted run could not be taken care of"),
                }
                tried.insert(run_id);
            }
        }
    }

    /// Carries an interrupted run on, or settles it. Returns whether it was there to be taken care of.
    async fn take_care_of(&self, orphan: runs::Orphan) -> Result<bool> {
        let run_id = orphan.id;
        let goes_on = orphan.background && !orphan.cancelled && orphan.resumes < MOST_RESUMES;
        match orphan.request().filter(|_| goes_on) {
            Some(request) => {
                let taken = self.carry_on(orphan, request).await?;
                if taken {
                    tracing::warn!(%run_id, "carries on a run that was interrupted");
                }
                Ok(taken)
            }
            None => {
                self.settle(orphan).await?;
                tracing::warn!(%run_id, "settled a run that was interrupted");
                Ok(true)
            }
        }
    }

    /// Makes an interrupted run one of this node, and goes on with it from where it was. Returns false when another
    /// node was faster.
    async fn carry_on(&self, orphan: runs::Orphan, request: TurnRequest) -> Result<bool> {
        let history = history_of(&orphan);
        let (run_id, actor, node) = (orphan.id, orphan.actor, self.node().clone());
        // Before it is this node's in the database: nobody here must take it for an orphan.
        let active = self.node().enter(run_id);
        // In the order in which the runs were found, whichever goes on first.
        let line = self.node().locks().stand(&history.key(), Some(run_id));
        let found = orphan.clone();
        let taken = self.db().write(move |conn| {
            let until = node.lease_until();
            if !runs::take_over(conn, &found, node.id(), until)? {
                return Ok::<_, Error>(None);
            }
            let key = history.key();
            let lease = leases::Lease { key: &key, run_id, node_id: node.id(), until };
            let held = leases::take_over(conn, &lease)?;
            if held {
                runs::set_running(conn, run_id)?;
            }
            Ok(Some((held, steps::pending(conn, run_id)?)))
        });
        let Some((holds_history, open)) = taken.await? else { return Ok(false) };
        let progress: Progress = orphan.progress().unwrap_or_default();
        let age = age_of(&orphan);
        let Left { mut under_way, input, deferred, rewritten } = Left::by(&orphan);
        if let Some(under_way) = &mut under_way {
            under_way.draft.settle_started();
        }
        let types = request.config.include_return_message_types.clone();
        let sink = Sink::resume(self.frames(), run_id, age, request.stream.stream_tokens, types).await?;
        let turn = Turn {
            input,
            deferred,
            rules: Rules::new(Vec::new(), progress.done),
            usage: progress.usage,
            rounds: progress.rounds,
            open,
            under_way,
            rewritten,
            calls_back: true,
            stop: progress.stop,
            holds_history,
            line: Some(line),
            ..Turn::new(self.clone(), actor, history, request, sink, active)
        };
        tokio::spawn(turn.run(RESUME_PATIENCE));
        Ok(true)
    }

    /// Brings the history of an interrupted run into a state from which it goes on, and ends the run.
    async fn settle(&self, orphan: runs::Orphan) -> Result<()> {
        let track = self.settings().track_last_run;
        let id = orphan.id;
        let bare = orphan.clone();
        let settled = self.db().write(move |conn| settle(conn, &orphan, Left::by(&orphan), track)).await;
        match settled {
            // Such as a database that is out of reach. The next time it may go better.
            Err(error @ Error::Unavailable(_)) => return Err(error),
            // Nothing of it can be brought into the history, but the history must not wait for it for ever.
            Err(error) => {
                tracing::error!(run_id = %id, %error, "what an interrupted run has left cannot be stored, and is dropped");
                self.db().write(move |conn| settle(conn, &bare, Left::default(), track)).await?;
            }
            Ok(()) => {}
        }
        self.callbacks().wake();
        Ok(())
    }
}

fn settle(conn: &mut Conn, orphan: &runs::Orphan, left: Left, track: bool) -> Result<()> {
    let progress: Option<Progress> = orphan.progress();
    let keep = match orphan.request::<TurnRequest>() {
        _ if orphan.cancelled || !orphan.accepted || left.input.is_empty() => Keep::Nothing,
        Some(request) => request.keep(),
        None => Keep::WhatFits { denies: false },
    };
    let kept = left.under_way.is_some() || progress.is_some() || keep != Keep::Nothing;
    let progress = progress.unwrap_or_default();
    let (stop_reason, error) = match progress.stop {
        _ if orphan.cancelled => (StopReason::Cancelled, None),
        // All was done but to say so.
        Some(stop_reason) => (stop_reason, None),
        None => (StopReason::Error, Some(Failure::interrupted(orphan.id, kept))),
    };
    let mut metadata = Map::new();
    metadata.extend(error.as_ref().and_then(|error| Some(("error".to_owned(), serde_json::to_value(error).ok()?))));
    let early = Early {
        actor: orphan.actor,
        run_id: orphan.id,
        history: history_of(orphan),
        step: steps::pending(conn, orphan.id)?,
        times: steps::StepTimes::default(),
        under_way: left.under_way,
        input: left.input,
        deferred: left.deferred,
        keep,
        error: error.clone(),
        end: runs::RunEnd {
            status: run_status(stop_reason),
            stop_reason,
            metadata,
            ttft_ns: None,
            total_duration_ns: nanoseconds(age_of(orphan)),
        },
        track,
    };
    early.settle(conn)?;
    if orphan.background {
        let last = error.map_or_else(|| StreamEvent::Usage(progress.usage), StreamEvent::Error);
        crate::frames::append_end(conn, orphan.id, vec![StreamEvent::StopReason(stop_reason.into()), last])?;
    }
    Ok(())
}

/// What an interrupted run has left that is not in the history.
#[derive(Default)]
struct Left {
    under_way: Option<UnderWay>,
    input: Vec<StoredMessage>,
    deferred: Vec<StoredMessage>,
    rewritten: bool,
}

impl Left {
    fn by(orphan: &runs::Orphan) -> Self {
        let mut under_way: Option<UnderWay> = orphan.draft();
        let mut input = orphan.pending_input.clone();
        let mut deferred = Vec::new();
        let answered = |under_way: &UnderWay| under_way.step.is_none();
        // What was sent with the answer to an approval request comes behind the calls that it has let through.
        if under_way.as_ref().is_some_and(answered)
            && input.first().is_some_and(|first| first.role == MessageRole::Approval)
        {
            deferred = input.split_off(1);
        }
        let rewritten = under_way.as_mut().and_then(|under_way| under_way.input.take());
        let is_rewritten = rewritten.is_some();
        Self { under_way, input: rewritten.unwrap_or(input), deferred, rewritten: is_rewritten }
    }
}

fn history_of(orphan: &runs::Orphan) -> HistoryId {
    HistoryId { agent_id: orphan.agent_id, conversation_id: orphan.conversation_id }
}

/// The time since a run was accepted.
fn age_of(orphan: &runs::Orphan) -> Duration {
    (Timestamp::now().utc() - orphan.created_at.utc()).to_std().unwrap_or_default()
}
