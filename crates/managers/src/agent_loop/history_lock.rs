//! One turn at a time per history, in the order in which they came.
//!
//! A history is an agent's default history or a conversation; its key is the text of the agent's or the
//! conversation's id. Inside the process a fair queue decides; across processes the lease row that the turn takes
//! together with this lock (`orm::leases`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muisti_orm::schema::RunId;
use tokio::sync::OwnedMutexGuard;

/// What is known of one history: who works on it, and the queue.
#[derive(Default)]
struct Entry {
    queue: Arc<tokio::sync::Mutex<()>>,
    holder: Option<RunId>,
    /// Holders and waiters; the entry goes with the last of them.
    users: usize,
}

/// The locks of all histories that are in use in this process.
#[derive(Clone, Default)]
pub(super) struct HistoryLocks {
    entries: Arc<Mutex<HashMap<String, Entry>>>,
}

/// The right to work on one history, until it is dropped.
pub(super) struct HistoryGuard {
    user: User,
    _turn: OwnedMutexGuard<()>,
}

/// One holder of or waiter for a history, counted so that unused entries go.
struct User {
    locks: HistoryLocks,
    key: String,
}

impl HistoryLocks {
    /// Waits for the history, at most `patience`, for the sake of `run`.
    ///
    /// # Errors
    /// The run that works on it, when that is known and patience ends.
    pub(super) async fn acquire(
        &self,
        key: &str,
        run: RunId,
        patience: Duration,
    ) -> Result<HistoryGuard, Option<RunId>> {
        self.wait(key, Some(run), patience).await
    }

    /// As [`Self::acquire`], for what is not a run and so cannot be named to others.
    pub(super) async fn acquire_unnamed(&self, key: &str, patience: Duration) -> Result<HistoryGuard, Option<RunId>> {
        self.wait(key, None, patience).await
    }

    async fn wait(&self, key: &str, holder: Option<RunId>, patience: Duration) -> Result<HistoryGuard, Option<RunId>> {
        let (user, queue) = self.enter(key);
        match tokio::time::timeout(patience, queue.lock_owned()).await {
            Ok(turn) => {
                self.set_holder(key, holder);
                Ok(HistoryGuard { user, _turn: turn })
            }
            Err(_) => Err(self.holder(key)),
        }
    }

    /// The history if nobody works on it now.
    pub(super) fn try_acquire(&self, key: &str, run: RunId) -> Option<HistoryGuard> {
        let (user, queue) = self.enter(key);
        let turn = queue.try_lock_owned().ok()?;
        self.set_holder(key, Some(run));
        Some(HistoryGuard { user, _turn: turn })
    }

    /// The run that works on the history in this process.
    pub(super) fn holder(&self, key: &str) -> Option<RunId> {
        self.entries().get(key).and_then(|entry| entry.holder)
    }

    fn enter(&self, key: &str) -> (User, Arc<tokio::sync::Mutex<()>>) {
        let mut entries = self.entries();
        let entry = entries.entry(key.to_owned()).or_default();
        entry.users += 1;
        (User { locks: self.clone(), key: key.to_owned() }, Arc::clone(&entry.queue))
    }

    fn set_holder(&self, key: &str, run: Option<RunId>) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.holder = run;
        }
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for HistoryGuard {
    fn drop(&mut self) {
        self.user.locks.set_holder(&self.user.key, None);
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let mut entries = self.locks.entries();
        if let Some(entry) = entries.get_mut(&self.key) {
            entry.users -= 1;
            if entry.users == 0 {
                entries.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(50);

    #[tokio::test]
    async fn the_second_waits_for_the_first_and_learns_who_it_is() {
        let locks = HistoryLocks::default();
        let first = RunId::random();
        let guard = locks.acquire("agent-a", first, SOON).await.ok().unwrap();
        assert_eq!(locks.acquire("agent-a", RunId::random(), SOON).await.err().unwrap(), Some(first));
        assert!(locks.try_acquire("agent-a", RunId::random()).is_none());
        assert!(locks.try_acquire("agent-b", RunId::random()).is_some());
        drop(guard);
        assert!(locks.acquire("agent-a", RunId::random(), SOON).await.is_ok());
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_their_asking() {
        let locks = HistoryLocks::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let guard = locks.try_acquire("agent-a", RunId::random()).unwrap();
        let mut waiting = Vec::new();
        for number in 0..5 {
            let (locks, order) = (locks.clone(), Arc::clone(&order));
            waiting.push(tokio::spawn(async move {
                let _guard = locks.acquire("agent-a", RunId::random(), Duration::from_secs(5)).await.ok().unwrap();
                order.lock().unwrap().push(number);
            }));
            tokio::task::yield_now().await;
        }
        drop(guard);
        for task in waiting {
            task.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn nothing_is_kept_of_a_history_that_nobody_uses() {
        let locks = HistoryLocks::default();
        drop(locks.try_acquire("agent-a", RunId::random()));
        let guard = locks.try_acquire("agent-a", RunId::random()).unwrap();
        assert!(locks.acquire("agent-a", RunId::random(), SOON).await.is_err());
        drop(guard);
        assert!(locks.entries().is_empty());
    }
}
