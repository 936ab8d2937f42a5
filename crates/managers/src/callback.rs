//! Callbacks: the end of a run is posted to the address that its request named.
//!
//! The queue is in the database, so what one process does not get done another does, and a crash loses nothing. It can
//! mean that a receiver hears of a run twice: it was told, and the process died before it could note that.

use std::{sync::Arc, time::Duration};

use muisti_orm::{
    Conn, Order, Page,
    callbacks::{self, Callback, Outcome},
    runs,
    schema::{OrganizationId, RunId, RunStatus, RunUsage, SendResponse, StopReason, Timestamp, UsageStatistics},
    steps,
};
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::{Notify, Semaphore};

use crate::{
    Error, FieldError, Result, Services,
    outbound::OutboundError,
    run::{missing, wire_messages},
};

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait before another try; with the first one there is one try more than waits.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// When a claim counts as lost with its process. Longer than one try takes.
const LEASE: Duration = Duration::from_secs(15);
/// How often the queue is looked at when nothing is known to be due: for what other processes have left behind.
const PATROL: Duration = Duration::from_secs(30);
/// How many callbacks are posted at a time. A receiver that does not answer holds one of them for a while.
const AT_A_TIME: usize = 32;
/// The most messages of a run that are posted.
const MAX_MESSAGES: i64 = 10_000;
/// So much is kept of why a callback could not be posted.
const LONGEST_ERROR: usize = 500;

/// Posts the ends of runs.
#[derive(Debug, Clone, Copy)]
pub struct Callbacks<'a>(&'a Services);

/// What wakes the one that posts.
#[derive(Debug, Default)]
pub(crate) struct Bell(Notify);

impl Services {
    /// Posts the ends of runs.
    pub const fn callbacks(&self) -> Callbacks<'_> {
        Callbacks(self)
    }

    /// Posts the ends of runs as they come, for ever.
    pub async fn post_callbacks(self) {
        let slots = Arc::new(Semaphore::new(AT_A_TIME));
        loop {
            let pause = self.callbacks().post_due(&slots).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the queue of callbacks cannot be read");
                PATROL
            });
            // A ring that comes now, or came since the last one was heard, ends the pause at once.
            let _ = tokio::time::timeout(pause, self.bell().0.notified()).await;
        }
    }
}

impl Callbacks<'_> {
    /// Says that a run with a callback has ended. Without it the end is posted half a minute later at most.
    pub fn wake(&self) {
        self.0.bell().0.notify_one();
    }

    /// Whether the end of a run may be posted to this address.
    ///
    /// # Errors
    /// 422 when it is no http address, or one of a private network and those are not allowed.
    pub fn check_url(&self, url: &str) -> Result<()> {
        let refuse = |error: OutboundError| {
            Error::Unprocessable(vec![FieldError::body(
                "callback_url",
                format!("The result cannot be posted: {error}."),
            )])
        };
        self.0.outbound().check(url).map(|_| ()).map_err(refuse)
    }

    /// Begins to post what is due, and gives the time until something else is.
    async fn post_due(&self, slots: &Arc<Semaphore>) -> Result<Duration> {
        let free = slots.available_permits();
        if free == 0 {
            // Whoever gets done rings.
            return Ok(PATROL);
        }
        let Some(due) = self.0.db().read(callbacks::next_due).await? else { return Ok(PATROL) };
        if let Ok(early) = (due.utc() - Timestamp::now().utc()).to_std() {
            return Ok(early.min(PATROL));
        }
        let limit = i64::try_from(free).unwrap_or(i64::MAX);
        let claimed = self.0.db().write(move |conn| callbacks::claim(conn, LEASE, limit)).await?;
        for callback in claimed {
            // Nobody else takes slots, so there are as many as were counted.
            let Ok(slot) = Arc::clone(slots).try_acquire_owned() else { break };
            let services = self.0.clone();
            tokio::spawn(async move {
                if let Err(error) = services.callbacks().post(&callback).await {
                    tracing::warn!(%error, run_id = %callback.run_id, "a callback waits for another try");
                }
                drop(slot);
                services.callbacks().wake();
            });
        }
        // The rest of the queue is looked at when one of these is done, or they are claimed by another node.
        Ok(Duration::from_secs(1))
    }

    async fn post(&self, callback: &Callback) -> Result<()> {
        let claimed = callback.clone();
        let posted = match self.0.db().read(move |conn| body(conn, &claimed)).await {
            Ok(body) => self.0.outbound().post(&callback.url, body, None, PATIENCE).await,
            Err(error) => {
                tracing::warn!(%error, run_id = %callback.run_id, "the result of a run cannot be read");
                Err(OutboundError::Failed("the result of the run could not be read".to_owned()))
            }
        };
        let outcome = outcome(posted, callback.attempt);
        if let Err(error) = &outcome.answer {
            tracing::info!(%error, run_id = %callback.run_id, attempt = callback.attempt, "a callback was not taken");
        }
        let callback = callback.clone();
        self.0.db().write(move |conn| callbacks::record(conn, &callback, &outcome).map_err(Error::from)).await?;
        Ok(())
    }
}

/// What to note of an attempt, and whether another follows: after silence, and after answers that say that the fault is
/// the receiver's.
fn outcome(posted: Result<u16, OutboundError>, attempt: i32) -> Outcome {
    let again = match &posted {
        Ok(status) => *status >= 500,
        Err(error) => !matches!(error, OutboundError::Refused(_)),
    };
    let number = usize::try_from(attempt).unwrap_or_default().saturating_sub(1);
    let pause = PAUSES.get(number).filter(|_| again);
    Outcome {
        answer: posted.map(i32::from).map_err(|error| error.to_string().chars().take(LONGEST_ERROR).collect()),
        again_at: pause.map(|pause| (Timestamp::now().utc() + *pause).into()),
    }
}

/// What a receiver gets.
#[derive(Serialize)]
struct Posted<'a> {
    run_id: RunId,
    status: RunStatus,
    completed_at: Option<Timestamp>,
    metadata: Metadata<'a>,
}

#[derive(Serialize)]
struct Metadata<'a> {
    #[serde(flatten)]
    of_run: &'a Map<String, Value>,
    result: SendResponse,
}

fn body(conn: &mut Conn, callback: &Callback) -> Result<Vec<u8>> {
    let (organization, id) = (callback.organization_id, callback.run_id);
    let run = runs::get(conn, organization, id)?.ok_or_else(|| missing(id))?;
    let usage = usage(conn, organization, id)?;
    let messages = wire_messages(conn, organization, &run, &Page::first(MAX_MESSAGES, Order::Asc))?;
    let stop_reason = run.stop_reason.unwrap_or(match run.status {
        RunStatus::Cancelled => StopReason::Cancelled,
        RunStatus::Completed => StopReason::EndTurn,
        _ => StopReason::Error,
    });
    let result = SendResponse { messages, stop_reason: stop_reason.into(), usage, logprobs: None, turns: None };
    let of_run = run.metadata.unwrap_or_default();
    let posted = Posted {
        run_id: id,
        status: run.status,
        completed_at: run.completed_at,
        metadata: Metadata { of_run: &of_run, result },
    };
    serde_json::to_vec(&posted).map_err(|error| Error::Internal(format!("a callback cannot be written: {error}")))
}

/// What a run has used, in the form of an answer.
pub(crate) fn usage(conn: &mut Conn, organization: OrganizationId, id: RunId) -> Result<UsageStatistics> {
    let step_count = runs::metrics(conn, organization, id)?.and_then(|metrics| metrics.num_steps).unwrap_or_default();
    Ok(usage_of(steps::usage(conn, organization, id)?, step_count))
}

fn usage_of(run: RunUsage, step_count: i64) -> UsageStatistics {
    let prompt = run.prompt_tokens_details.unwrap_or_default();
    UsageStatistics {
        completion_tokens: run.completion_tokens,
        prompt_tokens: run.prompt_tokens,
        total_tokens: run.total_tokens,
        step_count,
        cached_input_tokens: prompt.cached_tokens.or(prompt.cache_read_tokens),
        cache_write_tokens: prompt.cache_creation_tokens,
        reasoning_tokens: run.completion_tokens_details.and_then(|details| details.reasoning_tokens),
        ..UsageStatistics::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_faults_of_the_receiver_are_tried_three_times() {
        let silence = || Err(OutboundError::Timeout(PATIENCE));
        for posted in [Ok(503), silence(), Err(OutboundError::Failed("no route".to_owned()))] {
            let again = |attempt| outcome(posted.clone(), attempt).again_at.is_some();
            assert_eq!([1, 2, 3, 4].map(again), [true, true, false, false], "{posted:?}");
        }
        assert_eq!(outcome(silence(), 3).answer.unwrap_err(), "there was no answer within 5 seconds");
    }

    #[test]
    fn any_other_answer_and_a_forbidden_address_are_final() {
        for posted in [Ok(200), Ok(302), Ok(404), Ok(429), Err(OutboundError::Refused("not public".to_owned()))] {
            assert_eq!(outcome(posted, 1).again_at, None);
        }
        assert_eq!(outcome(Ok(202), 1).answer, Ok(202));
    }
}
