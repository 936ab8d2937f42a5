//! The turns that live in this process, and its promise to the others to be alive.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use muisti_orm::schema::{RunId, Timestamp};
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::{halt::Halt, history_lock::HistoryLocks, repeat::Repeats};

/// How often a lease is renewed in the time that it holds.
const RENEWALS: u32 = 3;

/// This process among all that share the database.
#[derive(Clone)]
pub struct Node(Arc<Inner>);

struct Inner {
    id: String,
    /// How long a lease holds without being renewed.
    lease: Duration,
    locks: HistoryLocks,
    repeats: Repeats,
    /// The turns that live here, and the way to tell each what to do.
    active: Mutex<HashMap<RunId, watch::Sender<Order>>>,
    /// Those among them that are no turns, and hold a history only as long as nobody minds.
    breakable: Mutex<HashSet<RunId>>,
    changed: Notify,
    closing: AtomicBool,
}

/// What a turn is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    GoOn,
    /// End: its run is cancelled.
    Cancel,
    /// Leave everything in a state from which others go on: the server stops.
    Stop,
}

/// A turn that lives here, until it is dropped.
pub(super) struct ActiveTurn {
    node: Node,
    run: RunId,
    order: watch::Receiver<Order>,
}

impl Node {
    /// The node with this name, or with a new one. A name that stays from one start to the next lets the next one know
    /// at once what the last one has left behind; no two processes may have it at the same time. `lease` is how long
    /// the others wait for a sign of it.
    pub(crate) fn new(name: Option<String>, lease: Duration) -> Self {
        Self(Arc::new(Inner {
            id: name.unwrap_or_else(|| format!("node-{}", Uuid::new_v4())),
            lease,
            locks: HistoryLocks::default(),
            repeats: Repeats::default(),
            active: Mutex::default(),
            breakable: Mutex::default(),
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
        (Timestamp::now().utc() + self.0.lease).into()
    }

    /// How often leases are renewed.
    pub(super) fn renewal(&self) -> Duration {
        self.0.lease / RENEWALS
    }

    /// Whether no new turns are taken on.
    pub fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Acquire)
    }

    pub(super) fn enter(&self, run: RunId) -> ActiveTurn {
        let (give, order) = watch::channel(Order::GoOn);
        self.active().insert(run, give);
        ActiveTurn { node: self.clone(), run, order }
    }

    /// Lets others end what this holder does.
    pub(super) fn make_breakable(&self, holder: RunId) {
        self.breakable().insert(holder);
    }

    /// Whether others may end what this holder does.
    pub(super) fn is_breakable(&self, holder: RunId) -> bool {
        self.breakable().contains(&holder)
    }

    fn breakable(&self) -> std::sync::MutexGuard<'_, HashSet<RunId>> {
        self.0.breakable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells a turn that lives here that it is cancelled.
    pub(super) fn cancel(&self, run: RunId) {
        if let Some(turn) = self.active().get(&run) {
            turn.send_replace(Order::Cancel);
        }
    }

    /// Tells all turns that live here that the server stops.
    pub(super) fn stop(&self) {
        for turn in self.active().values() {
            turn.send_if_modified(|order| {
                let goes_on = *order == Order::GoOn;
                if goes_on {
                    *order = Order::Stop;
                }
                goes_on
            });
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

    fn active(&self) -> std::sync::MutexGuard<'_, HashMap<RunId, watch::Sender<Order>>> {
        self.0.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveTurn {
    pub(super) const fn run(&self) -> RunId {
        self.run
    }

    /// Waits until the turn may not go on.
    pub(super) async fn halted(&self) -> Halt {
        let mut orders = self.order.clone();
        let order = orders.wait_for(|order| *order != Order::GoOn).await.map(|order| *order);
        match order {
            Ok(Order::Stop) => Halt::Stopped,
            Ok(Order::Cancel | Order::GoOn) => Halt::Cancelled,
            // The other end lives as long as this turn.
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for ActiveTurn {
    fn drop(&mut self) {
        self.node.active().remove(&self.run);
        self.node.breakable().remove(&self.run);
        self.node.0.changed.notify_waiters();
    }
}
