//! What becomes of turns whose process is gone, and how this process tells that it is not.

use std::{collections::HashSet, time::Duration};

use muisti_orm::{
    Conn, DatabaseUrl, agents, leases, messages, runs,
    schema::{ErrorMessage, RunId, StepStatus, StopReason, StoredMessage, Timestamp},
    steps,
};
use serde_json::Map;

use super::{
    draft::Draft,
    node::RENEWAL,
    turn::{close, extend_context},
};
use crate::{Error, Result, Services, prompt::time::local_time};

/// How often runs of other nodes are looked for that nobody carries on.
const SWEEP_EVERY: u32 = 3;
/// How many runs are looked at in one go.
const BATCH: i64 = 100;

impl Services {
    /// Settles what processes that are gone have left behind. To be called before anything is accepted: what this node
    /// is said to be doing, an earlier process of it did. On SQLite, which one process has for itself, that is every
    /// run that is going; on PostgreSQL those of this node and those whose lease has run out. Returns how many it was.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn recover(&self) -> Result<usize> {
        let orphans = match self.db().url() {
            DatabaseUrl::Sqlite(_) => runs::Going::All,
            DatabaseUrl::Postgres(_) => runs::Going::ExpiredOr(self.node().id().to_owned()),
        };
        self.settle(orphans).await
    }

    /// Renews this node's leases and settles the runs of nodes that have stopped doing so, for ever.
    pub async fn stay_alive(self) {
        let mut beats = tokio::time::interval(RENEWAL);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for beat in 1_u32.. {
            beats.tick().await;
            if let Err(error) = self.renew().await {
                tracing::warn!(%error, "the leases of this node could not be renewed");
            }
            if beat % SWEEP_EVERY == 0
                && let Err(error) = self.settle(runs::Going::Expired).await
            {
                tracing::warn!(%error, "runs that nobody carries on could not be settled");
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
        let runs: HashSet<RunId> = self.node().runs().into_iter().collect();
        self.db()
            .write(move |conn| {
                let orphans = runs::going(conn, &runs::Going::All, i64::MAX)?;
                orphans.iter().filter(|orphan| runs.contains(&orphan.id)).try_for_each(|orphan| settle(conn, orphan))
            })
            .await
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

    async fn settle(&self, which: runs::Going) -> Result<usize> {
        let mut settled = 0;
        loop {
            let own: HashSet<RunId> = self.node().runs().into_iter().collect();
            let which = which.clone();
            let orphans = self.db().read(move |conn| runs::going(conn, &which, BATCH)).await.map_err(Error::from)?;
            let orphans: Vec<_> = orphans.into_iter().filter(|orphan| !own.contains(&orphan.id)).collect();
            if orphans.is_empty() {
                return Ok(settled);
            }
            for orphan in orphans {
                let id = orphan.id;
                self.db().write(move |conn| settle(conn, &orphan)).await?;
                tracing::warn!(run_id = %id, "settled a run that was interrupted");
                settled += 1;
            }
        }
    }
}

/// Brings the history of an interrupted run into a state from which it goes on, and ends the run.
fn settle(conn: &mut Conn, orphan: &runs::Orphan) -> Result<()> {
    let actor = orphan.actor;
    let step = steps::pending::<Draft>(conn, orphan.id)?;
    let draft = step.as_ref().and_then(|(_, draft)| draft.clone());
    let mut stored: Vec<StoredMessage> = Vec::new();
    if draft.is_some() || orphan.accepted {
        stored.extend(orphan.pending_input.iter().cloned());
    }
    if let Some(mut draft) = draft {
        let agent = agents::get(conn, actor.organization_id, orphan.agent_id)?;
        let timezone = agent.and_then(|agent| agent.timezone).unwrap_or_else(|| "UTC".to_owned());
        draft.settle(&local_time(Timestamp::now(), &timezone));
        stored.extend(draft.into_messages());
    }
    for message in &mut stored {
        message.step_id = step.as_ref().map(|(id, _)| *id);
    }
    if !stored.is_empty() {
        messages::insert(conn, &actor, &stored)?;
        extend_context(conn, &actor, orphan.agent_id, &HashSet::new(), &stored)?;
    }
    let error = ErrorMessage {
        run_id: orphan.id,
        error_type: "server_interrupted".to_owned(),
        message: "The server stopped before this run was finished.".to_owned(),
        detail: Some(
            if stored.is_empty() {
                "Nothing of it was kept. Send the message again."
            } else {
                "What was sent and what was done is in the history. Send another message to go on."
            }
            .to_owned(),
        ),
        seq_id: None,
    };
    if let Some((step, _)) = step {
        let end = steps::StepEnd {
            status: StepStatus::Failed,
            stop_reason: Some(StopReason::Error),
            usage: None,
            error_type: Some("server_interrupted"),
            error_data: Some(serde_json::json!({"message": error.message, "details": error.detail, "traceback": null})),
            times: steps::StepTimes::default(),
        };
        steps::finish(conn, step, &end)?;
    }
    let mut metadata = Map::new();
    if let Ok(error) = serde_json::to_value(&error) {
        metadata.insert("error".to_owned(), error);
    }
    let end = runs::RunEnd {
        status: muisti_orm::schema::RunStatus::Failed,
        stop_reason: StopReason::Error,
        metadata,
        ttft_ns: None,
        total_duration_ns: None,
    };
    close(conn, &actor, orphan.agent_id, orphan.id, &orphan.history_key, &end)?;
    Ok(())
}
