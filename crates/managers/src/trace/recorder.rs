//! The queue of what is to be noted, and the task that writes it: many at a time, so that a busy server is not kept busy
//! by them.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use muisti_orm::{
    Db, Error,
    schema::{AgentId, ProviderTrace, Timestamp},
    tags, traces,
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::{Instant, timeout_at},
};

use super::record::Trace;

/// How many KiB may wait to be written.
const WAITING_KIB: u32 = 64 * 1024;
/// How long the first of a group waits for others.
const GATHERING: Duration = Duration::from_millis(250);
/// The most that are written at once.
const GROUP: usize = 64;

/// Takes traces and has them written.
pub(crate) struct Recorder {
    queue: Option<mpsc::UnboundedSender<Entry>>,
    room: Arc<Semaphore>,
    /// How many did not find room since the last one that did.
    left_out: AtomicU64,
}

enum Entry {
    Trace(Box<Waiting>),
    Flush(oneshot::Sender<()>),
}

struct Waiting {
    trace: Trace,
    at: Timestamp,
    _room: OwnedSemaphorePermit,
}

impl Recorder {
    /// Starts the task that writes; it ends when the recorder goes. `source` is what this server calls itself.
    pub(crate) fn start(db: Db, source: Option<String>) -> Self {
        let (queue, entries) = mpsc::unbounded_channel();
        tokio::spawn(Writer { db, source, entries }.run());
        Self { queue: Some(queue), ..Self::off() }
    }

    /// One that takes nothing.
    pub(crate) fn off() -> Self {
        Self { queue: None, room: Arc::new(Semaphore::new(WAITING_KIB as usize)), left_out: AtomicU64::new(0) }
    }

    pub(super) fn record(&self, trace: Trace) {
        let Some(queue) = &self.queue else { return };
        let kib = u32::try_from(trace.weight() / 1024 + 1).unwrap_or(WAITING_KIB).min(WAITING_KIB);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(kib) else {
            self.left_out.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let left_out = self.left_out.swap(0, Ordering::Relaxed);
        if left_out > 0 {
            tracing::warn!(left_out, "model calls came faster than their traces could be written");
        }
        // Without a writer the server is going down.
        let _ = queue.send(Entry::Trace(Box::new(Waiting { trace, at: Timestamp::now(), _room: room })));
    }

    pub(super) async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if let Some(queue) = &self.queue
            && queue.send(Entry::Flush(done)).is_ok()
        {
            let _ = written.await;
        }
    }
}

struct Writer {
    db: Db,
    source: Option<String>,
    entries: mpsc::UnboundedReceiver<Entry>,
}

impl Writer {
    async fn run(mut self) {
        while let Some(first) = self.entries.recv().await {
            let (group, flushes) = self.gather(first).await;
            if !group.is_empty() {
                self.store(group).await;
            }
            for flush in flushes {
                let _ = flush.send(());
            }
        }
    }

    /// What has come and soon comes; someone who waits for it ends the wait.
    async fn gather(&mut self, first: Entry) -> (Vec<Waiting>, Vec<oneshot::Sender<()>>) {
        let deadline = Instant::now() + GATHERING;
        let (mut group, mut flushes) = (Vec::new(), Vec::new());
        let mut next = Some(first);
        while let Some(entry) = next {
            match entry {
                Entry::Trace(waiting) => group.push(*waiting),
                Entry::Flush(done) => flushes.push(done),
            }
            if group.len() >= GROUP || !flushes.is_empty() {
                break;
            }
            next = timeout_at(deadline, self.entries.recv()).await.ok().flatten();
        }
        (group, flushes)
    }

    async fn store(&self, group: Vec<Waiting>) {
        let source = self.source.clone();
        // On a connection for reading: making the rows must not keep others from writing.
        let rows = self.db.read(move |conn| {
            let agents: BTreeSet<AgentId> = group.iter().map(|waiting| waiting.trace.agent_id).collect();
            let tags = tags::of_agents(conn, &agents.into_iter().collect::<Vec<_>>())?;
            let stored = group.into_iter();
            let stored = stored.map(|Waiting { trace, at, _room }| trace.into_stored(&tags, source.clone(), at));
            Ok::<Vec<_>, Error>(stored.collect())
        });
        let rows = match rows.await {
            Ok(rows) => rows,
            Err(error) => return tracing::warn!(%error, "traces of model calls could not be prepared"),
        };
        match self.insert(rows.clone()).await {
            Ok(()) => {}
            // One whose agent or run is gone must not take the others with it.
            Err(Error::ForeignKey { .. }) => {
                for row in rows {
                    // The trace of a run that is deleted stays, as that of no run.
                    let of_no_run = ProviderTrace { run_id: None, ..row.clone() };
                    let stored = match self.insert(vec![row]).await {
                        Err(Error::ForeignKey { .. }) => self.insert(vec![of_no_run]).await,
                        stored => stored,
                    };
                    if let Err(error) = stored {
                        tracing::debug!(%error, "the trace of a model call was not stored");
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "traces of model calls could not be stored"),
        }
    }

    async fn insert(&self, rows: Vec<ProviderTrace>) -> Result<(), Error> {
        self.db.write(move |conn| traces::insert(conn, &rows)).await
    }
}
