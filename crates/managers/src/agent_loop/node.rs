//! The turns that live in this process, and its promise to the others to be alive.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use muisti_orm::schema::{RunId, Timestamp};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::{history_lock::HistoryLocks, repeat::Repeats};

/// How long a lease holds without being renewed.
pub(crate) const LEASE: Duration = Duration::from_secs(30);
/// How often leases are renewed.
pub(crate) const RENEWAL: Duration = Duration::from_secs(10);

/// This process among all that share the database.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    id: String,
    locks: HistoryLocks,
    repeats: Repeats,
    /// The turns that live here, and the way to tell each that it is cancelled.
    active: Mutex<HashMap<RunId, watch::Sender<bool>>>,
    changed: Notify,
    closing: AtomicBool,
}

/// A turn that lives here, until it is dropped.
pub(super) struct ActiveTurn {
    node: Node,
    run: RunId,
    cancelled: watch::Receiver<bool>,
}

impl Node {
    /// The node with this name, or with a new one. A name that stays from one start to the next lets the next one know
    /// at once what the last one has left behind; no two processes may have it at the same time.
    pub(crate) fn new(name: Option<String>) -> Self {
        Self(Arc::new(Inner {
            id: name.unwrap_or_else(|| format!("node-{}", Uuid::new_v4())),
            locks: HistoryLocks::default(),
            repeats: Repeats::default(),
            active: Mutex::default(),
            changed: Notify::new(),
            closing: AtomicBool::new(false),
        }))
    }

    /// The name by which the others know it.
    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub(super) fn locks(&self) -> &HistoryLocks {
        &self.0.locks
    }

    pub(super) fn repeats(&self) -> &Repeats {
        &self.0.repeats
    }

    /// The time until which what is taken or renewed now is this node's.
    pub(super) fn lease_until(&self) -> Timestamp {
        (Timestamp::now().utc() + LEASE).into()
    }

    /// Whether no new turns are taken on.
    pub fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Acquire)
    }

    pub(super) fn enter(&self, run: RunId) -> ActiveTurn {
        let (cancel, cancelled) = watch::channel(false);
        self.active().insert(run, cancel);
        ActiveTurn { node: self.clone(), run, cancelled }
    }

    /// Tells a turn that lives here that it is cancelled.
    pub(super) fn cancel(&self, run: RunId) {
        if let Some(cancel) = self.active().get(&run) {
            cancel.send_replace(true);
        }
    }

    /// The runs that live here.
    pub(super) fn runs(&self) -> Vec<RunId> {
        self.active().keys().copied().collect()
    }

    /// Takes on no new turns and waits for those that live here, at most `grace`. Returns how many are left.
    pub(super) async fn close(&self, grace: Duration) -> usize {
        self.0.closing.store(true, Ordering::Release);
        let drained = async {
            loop {
                let changed = self.0.changed.notified();
                if self.active().is_empty() {
                    return;
                }
                changed.await;
            }
        };
        let _ = tokio::time::timeout(grace, drained).await;
        self.active().len()
    }

    fn active(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, watch::Sender<bool>>> {
        self.0.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveTurn {
    /// Waits until the turn is cancelled.
    pub(super) async fn cancelled(&self) {
        let mut cancelled = self.cancelled.clone();
        if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
            // The other end lives as long as this turn.
            std::future::pending::<()>().await;
        }
    }
}

impl Drop for ActiveTurn {
    fn drop(&mut self) {
        self.node.active().remove(&self.run);
        self.node.0.changed.notify_waiters();
    }
}
