//! One turn at a time per history, in the order in which they came.
//!
//! A history is an agent's default history or a conversation; its key is the text of the agent's or the
//! conversation's id. Inside the process a fair queue decides; across processes the lease row that the turn takes
//! together with this lock (`orm::leases`).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muisti_orm::schema::RunId;
use tokio::sync::OwnedMutexGuard;

/// What is known of one history; it is forgotten when nobody stands in line any more.
#[derive(Default)]
struct Entry {
    queue: Arc<tokio::sync::Mutex<()>>,
    /// Who works on it, and behind that who waits. Between the end of one and the first breath of the next it begins
    /// with the next: whoever asks meanwhile hears of that one.
    line: VecDeque<Place>,
}

/// A place in the line.
#[derive(Clone, Copy)]
struct Place {
    number: u64,
    /// The run that it is for; what is none cannot be named to others.
    run: Option<RunId>,
}

#[derive(Default)]
struct Entries {
    by_key: HashMap<String, Entry>,
    /// The number of the next place.
    next: u64,
}

/// The locks of all histories that are in use in this process.
#[derive(Clone, Default)]
pub(super) struct HistoryLocks {
    entries: Arc<Mutex<Entries>>,
}

/// The right to work on one history, until it is dropped.
pub(super) struct HistoryGuard {
    user: User,
    turn: Option<OwnedMutexGuard<()>>,
}

/// One that works on a history or waits for it.
struct User {
    locks: HistoryLocks,
    key: String,
    place: Place,
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

    async fn wait(&self, key: &str, run: Option<RunId>, patience: Duration) -> Result<HistoryGuard, Option<RunId>> {
        let (user, queue) = {
            let mut entries = self.entries();
            let (user, entry) = self.enter(&mut entries, key, run);
            entry.line.push_back(user.place);
            (user, Arc::clone(&entry.queue))
        };
        match tokio::time::timeout(patience, queue.lock_owned()).await {
            Ok(turn) => {
                // Two that came at once may have their turns in the other order.
                if let Some(entry) = self.entries().by_key.get_mut(key) {
                    entry.line.retain(|place| place.number != user.place.number);
                    entry.line.push_front(user.place);
                }
                Ok(HistoryGuard { user, turn: Some(turn) })
            }
            Err(_) => {
                let entries = self.entries();
                let line = entries.by_key.get(key).map(|entry| &entry.line);
                let first = line.and_then(|line| line.iter().find(|place| place.number != user.place.number));
                Err(first.and_then(|place| place.run))
            }
        }
    }

    /// The history if nobody works on it now.
    ///
    /// # Errors
    /// The run that works on it, or is about to, unless that is no run.
    pub(super) fn try_acquire(&self, key: &str, run: RunId) -> Result<HistoryGuard, Option<RunId>> {
        let mut entries = self.entries();
        if let Some(first) = entries.by_key.get(key).and_then(|entry| entry.line.front()) {
            return Err(first.run);
        }
        let (user, entry) = self.enter(&mut entries, key, Some(run));
        let turn = Arc::clone(&entry.queue).try_lock_owned();
        if turn.is_ok() {
            entry.line.push_front(user.place);
        }
        // A user that leaves looks into the entries.
        drop(entries);
        Ok(HistoryGuard { turn: Some(turn.map_err(|_| None)?), user })
    }

    fn enter<'a>(&self, entries: &'a mut Entries, key: &str, run: Option<RunId>) -> (User, &'a mut Entry) {
        let place = Place { number: entries.next, run };
        entries.next += 1;
        let entry = entries.by_key.entry(key.to_owned()).or_default();
        (User { locks: self.clone(), key: key.to_owned(), place }, entry)
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl User {
    /// Leaves the line, and with it what it had a right to: nobody sees one without the other.
    fn leave(&self, turn: Option<OwnedMutexGuard<()>>) {
        let mut entries = self.locks.entries();
        drop(turn);
        if let Some(entry) = entries.by_key.get_mut(&self.key) {
            entry.line.retain(|place| place.number != self.place.number);
            if entry.line.is_empty() {
                entries.by_key.remove(&self.key);
            }
        }
    }
}

impl Drop for HistoryGuard {
    fn drop(&mut self) {
        let turn = self.turn.take();
        self.user.leave(turn);
    }
}

impl Drop for User {
    fn drop(&mut self) {
        self.leave(None);
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
        assert_eq!(locks.try_acquire("agent-a", RunId::random()).err().unwrap(), Some(first));
        assert!(locks.try_acquire("agent-b", RunId::random()).is_ok());
        drop(guard);
        assert!(locks.acquire("agent-a", RunId::random(), SOON).await.is_ok());
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_their_asking() {
        let locks = HistoryLocks::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let guard = locks.try_acquire("agent-a", RunId::random()).ok().unwrap();
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
        let guard = locks.try_acquire("agent-a", RunId::random()).ok().unwrap();
        assert!(locks.acquire("agent-a", RunId::random(), SOON).await.is_err());
        drop(guard);
        assert!(locks.entries().by_key.is_empty());
    }

    #[test]
    fn at_no_moment_does_a_run_have_a_history_without_a_name() {
        let locks = HistoryLocks::default();
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let works = |locks: HistoryLocks, stop: Arc<std::sync::atomic::AtomicBool>| {
            std::thread::spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    drop(locks.try_acquire("agent-a", RunId::random()));
                }
            })
        };
        let workers: Vec<_> = (0..2).map(|_| works(locks.clone(), Arc::clone(&stop))).collect();
        for _ in 0..20_000 {
            assert_ne!(locks.try_acquire("agent-a", RunId::random()).err(), Some(None));
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    }

    #[tokio::test]
    async fn the_one_that_is_next_is_named_before_it_has_noticed() {
        let locks = HistoryLocks::default();
        let (first, next) = (RunId::random(), RunId::random());
        let guard = locks.try_acquire("agent-a", first).ok().unwrap();
        let waiting = locks.clone();
        let waiter = tokio::spawn(async move { waiting.acquire("agent-a", next, Duration::from_secs(5)).await });
        tokio::task::yield_now().await;
        drop(guard);
        assert_eq!(locks.try_acquire("agent-a", RunId::random()).err(), Some(Some(next)));
        drop(waiter.await.unwrap());
        assert!(locks.try_acquire("agent-a", RunId::random()).is_ok());

        let unnamed = locks.acquire_unnamed("agent-b", SOON).await.ok().unwrap();
        assert_eq!(locks.try_acquire("agent-b", RunId::random()).err(), Some(None));
        drop(unnamed);
    }
}
