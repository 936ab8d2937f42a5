//! Requests that come again because their client lost patience.
//!
//! The official clients give up after a minute without an answer and send the request again, up to twice, and say so in
//! a header. A local model can think for longer than that. Such a repeat joins the turn that the first request began,
//! or gets the answer that came too late, instead of saying everything twice.
//!
//! What lives in this process is known by the whole request. A request whose messages have ids of the client's is known
//! by these for three hours, on every node and over crashes: `stored` tells what became of its run.

mod stored;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use muisti_orm::{histories::HistoryId, schema::StreamingSendRequest};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::Sent;
use crate::Actor;
pub(super) use stored::{Told, told};

/// How long an answer is kept for a repeat. The clients wait 8 seconds at most between two attempts.
const KEPT: Duration = Duration::from_secs(60);

/// What tells one request from another.
type Fingerprint = [u8; 32];

/// How far a turn is that somebody may ask for again.
#[derive(Clone)]
enum Progress {
    Going,
    Answered(Arc<Sent>),
}

/// The turns of this process that a repeat can join.
#[derive(Clone, Default)]
pub(super) struct Repeats(Arc<Mutex<HashMap<Fingerprint, watch::Receiver<Progress>>>>);

/// The first attempt of a request. Dropped without an answer, it leaves nothing to join.
pub(super) struct Attempt {
    repeats: Repeats,
    request: Fingerprint,
    progress: watch::Sender<Progress>,
    answered: bool,
}

/// What makes a request the same as another: who sends what to whom.
pub(super) fn fingerprint(actor: &Actor, history: &HistoryId, request: &StreamingSendRequest) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(format!("{}/{}/", actor.organization_id, history.key()));
    // A request is made of what JSON can hold, so it can be written; if not, it is like no other.
    hash.update(serde_json::to_vec(request).unwrap_or_else(|_| uuid::Uuid::new_v4().into_bytes().to_vec()));
    hash.finalize().into()
}

impl Repeats {
    /// The answer of the turn that this request began earlier: what came, or what will come. None when there is no
    /// such turn, or when it failed, so that the request has to be carried out.
    pub(super) async fn join(&self, request: &Fingerprint) -> Option<Arc<Sent>> {
        let mut progress = self.turns().get(request).cloned()?;
        let answered = progress.wait_for(|progress| matches!(progress, Progress::Answered(_))).await.ok()?;
        match &*answered {
            Progress::Answered(answer) => Some(Arc::clone(answer)),
            Progress::Going => None,
        }
    }

    /// Notes a request that is carried out from now on.
    pub(super) fn begin(&self, request: Fingerprint) -> Attempt {
        let (progress, follow) = watch::channel(Progress::Going);
        self.turns().insert(request, follow);
        Attempt { repeats: self.clone(), request, progress, answered: false }
    }

    fn forget(&self, request: &Fingerprint, progress: &watch::Sender<Progress>) {
        let mut turns = self.turns();
        if turns.get(request).is_some_and(|follow| follow.same_channel(&progress.subscribe())) {
            turns.remove(request);
        }
    }

    fn turns(&self) -> std::sync::MutexGuard<'_, HashMap<Fingerprint, watch::Receiver<Progress>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Attempt {
    /// Gives the answer to those who have joined, and keeps it for those who come a little later.
    pub(super) fn answer(mut self, answer: &Sent) {
        self.answered = true;
        self.progress.send_replace(Progress::Answered(Arc::new(answer.clone())));
        tokio::spawn(async move {
            tokio::time::sleep(KEPT).await;
            self.repeats.forget(&self.request, &self.progress);
        });
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.answered {
            self.repeats.forget(&self.request, &self.progress);
        }
    }
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{RunId, SendResponse, StopReason, UsageStatistics};

    use super::*;

    fn answer() -> Sent {
        let response = SendResponse {
            messages: Vec::new(),
            stop_reason: StopReason::EndTurn.into(),
            usage: UsageStatistics::default(),
            logprobs: None,
            turns: None,
        };
        Sent { run_id: RunId::random(), response }
    }

    #[tokio::test]
    async fn a_repeat_joins_the_turn_that_is_going_or_gets_what_it_said() {
        let repeats = Repeats::default();
        let attempt = repeats.begin([1; 32]);
        let joined = tokio::spawn({
            let repeats = repeats.clone();
            async move { repeats.join(&[1; 32]).await }
        });
        tokio::task::yield_now().await;
        let said = answer();
        attempt.answer(&said);
        assert_eq!(*joined.await.unwrap().unwrap(), said);
        assert_eq!(*repeats.join(&[1; 32]).await.unwrap(), said);
        assert!(repeats.join(&[2; 32]).await.is_none());
    }

    #[tokio::test]
    async fn a_turn_that_failed_is_not_joined() {
        let repeats = Repeats::default();
        let attempt = repeats.begin([1; 32]);
        let joined = tokio::spawn({
            let repeats = repeats.clone();
            async move { repeats.join(&[1; 32]).await }
        });
        tokio::task::yield_now().await;
        drop(attempt);
        assert!(joined.await.unwrap().is_none());
        assert!(repeats.turns().is_empty());
    }
}
