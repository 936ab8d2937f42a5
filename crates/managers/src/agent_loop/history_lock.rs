//! One turn at a time per history, in the order in which they came.
//!
//! A history is an agent's default history or a conversation; its key is the text of the agent's or the
//! conversation's id. Inside the process there is a line for each history, and whoever stands first in it may work;
//! across processes the lease row decides that the first one takes as well (`orm::leases`).

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muisti_orm::schema::RunId;
use tokio::sync::Notify;

/// The lines before all histories that are in use in this process.
#[derive(Clone, Default)]
pub(super) struct HistoryLocks(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    by_key: HashMap<String, Line>,
    /// The number of the next place.
    next: u64,
}

/// The line before one history. It is forgotten when nobody stands in it.
#[derive(Default)]
struct Line {
    places: VecDeque<(u64, Option<RunId>)>,
    moved: Arc<Notify>,
}

/// A place in the line before a history, until it is dropped. The first one has the right to work on the history.
pub(super) struct InLine {
    locks: HistoryLocks,
    key: String,
    number: u64,
    moved: Arc<Notify>,
}

impl HistoryLocks {
    /// Stands in the line before a history, at its end. `run` is what others are told that they wait for; what is no run
    /// cannot be named to them.
    pub(super) fn stand(&self, key: &str, run: Option<RunId>) -> InLine {
        let mut lines = self.lines();
        let number = lines.next;
        lines.next += 1;
        let line = lines.by_key.entry(key.to_owned()).or_default();
        line.places.push_back((number, run));
        let moved = Arc::clone(&line.moved);
        InLine { locks: self.clone(), key: key.to_owned(), number, moved }
    }

    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl InLine {
    /// Whether nobody works on the history before this one.
    pub(super) fn is_first(&self) -> bool {
        self.first().is_some_and(|(number, _)| number == self.number)
    }

    /// The run that works on the history, or is about to, if it is a run.
    pub(super) fn worker(&self) -> Option<RunId> {
        self.first().and_then(|(_, run)| run)
    }

    /// Waits until this place is the first one, at most `patience`.
    ///
    /// # Errors
    /// When patience ends: the run that works on the history, if it is a run.
    pub(super) async fn reach(&self, patience: Duration) -> Result<(), Option<RunId>> {
        let first = async {
            loop {
                let moved = self.moved.notified();
                if self.is_first() {
                    return;
                }
                moved.await;
            }
        };
        tokio::time::timeout(patience, first).await.map_err(|_| self.worker())
    }

    fn first(&self) -> Option<(u64, Option<RunId>)> {
        self.locks.lines().by_key.get(&self.key).and_then(|line| line.places.front().copied())
    }
}

impl Drop for InLine {
    fn drop(&mut self) {
        let mut lines = self.locks.lines();
        if let Some(line) = lines.by_key.get_mut(&self.key) {
            line.places.retain(|(number, _)| *number != self.number);
            if line.places.is_empty() {
                lines.by_key.remove(&self.key);
            }
        }
        drop(lines);
        self.moved.notify_waiters();
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
        let place = locks.stand("agent-a", Some(first));
        assert!(place.is_first());
        let second = locks.stand("agent-a", Some(RunId::random()));
        assert_eq!(second.reach(SOON).await, Err(Some(first)));
        assert!(locks.stand("agent-b", None).is_first());
        drop(place);
        assert_eq!(second.reach(SOON).await, Ok(()));
    }

    #[tokio::test]
    async fn turns_come_in_the_order_of_their_asking_whenever_they_look() {
        let locks = HistoryLocks::default();
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = locks.stand("agent-a", None);
        let mut waiting = Vec::new();
        let places: Vec<_> = (0..5).map(|number| (number, locks.stand("agent-a", None))).collect();
        for (number, place) in places.into_iter().rev() {
            let order = Arc::clone(&order);
            waiting.push(tokio::spawn(async move {
                place.reach(Duration::from_secs(20)).await.unwrap();
                order.lock().unwrap().push(number);
            }));
        }
        tokio::task::yield_now().await;
        drop(first);
        for waiting in waiting {
            waiting.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn one_that_gives_up_is_not_waited_for() {
        let locks = HistoryLocks::default();
        let (first, second, third) =
            (locks.stand("agent-a", None), locks.stand("agent-a", None), locks.stand("agent-a", None));
        drop(second);
        drop(first);
        assert!(third.is_first());
    }

    #[test]
    fn nothing_is_kept_of_a_history_that_nobody_uses() {
        let locks = HistoryLocks::default();
        let (first, second) = (locks.stand("agent-a", None), locks.stand("agent-a", None));
        drop(first);
        drop(second);
        assert!(locks.lines().by_key.is_empty());
    }
}
