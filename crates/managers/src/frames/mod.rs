//! The stored streams of background runs: written as they come, read by any number of clients, here or on another
//! node, while the run goes on and for some hours after.
//!
//! **A frame is shown once it is stored, never before.** A crash can then not make a client skip one: what a client has
//! seen, every later reader of the stream sees too, and the run that is taken up goes on right behind it.
//!
//! One task stores what all runs of this process have produced, in one transaction for all of them. It does not wait
//! for more: while it writes, the next frames come together. So a lone run has its frames on the disk at once, and a
//! thousand of them share the cost of a commit. Pieces of the same message that wait together become one frame.
//!
//! - [`FrameStore`]: the runs that are produced here, and the task that stores.
//! - `live`: one of these runs; its last frames are kept in memory for its readers.
//! - `reader`: [`StoredStream`], which reads from memory where it can and from the database where it must.
//! - `record`: events as they are written, the end of a stream.
//! - `merge`: two pieces of a message made one.

mod live;
mod merge;
mod reader;
mod record;
mod writer;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muisti_orm::{
    Conn, Db,
    frames::{self, Frame, NewFrame},
    schema::{RunId, StreamEvent, Timestamp},
};
use tokio::sync::mpsc;

use crate::{Error, Node, Result};
use live::Live;
pub use reader::StoredStream;
pub(crate) use record::number;
pub use record::{done, incomplete, record};
pub(crate) use writer::{FrameWriter, Staged};

/// How long a stream is kept after its end, and a request that comes again finds its run. Whether clients may still read
/// the stream goes by the age of the run.
pub(crate) const KEPT: Duration = Duration::from_secs(3 * 60 * 60);
/// How many streams are deleted in one transaction.
const BATCH: i64 = 20;

/// The streams that are produced in this process. Clones are the same store.
#[derive(Clone)]
pub struct FrameStore(Arc<Inner>);

struct Inner {
    db: Db,
    live: Mutex<HashMap<RunId, Arc<Live>>>,
    /// Runs with frames that are to be stored. The task that stores them ends with the last store.
    work: mpsc::UnboundedSender<Arc<Live>>,
}

impl FrameStore {
    /// The store of this node on this database. The runtime that it is made on must outlive it.
    pub(crate) fn start(db: Db, node: &Node) -> Self {
        let (work, waiting) = mpsc::unbounded_channel();
        tokio::spawn(live::store(db.clone(), node.clone(), waiting, work.downgrade()));
        Self(Arc::new(Inner { db, live: Mutex::default(), work }))
    }

    /// Begins the stream of a new run.
    pub(crate) fn open(&self, run: RunId) -> FrameWriter {
        self.open_after(run, 0)
    }

    /// Goes on with the stream of a run that another process has left, behind its last frame.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub(crate) async fn resume(&self, run: RunId) -> Result<FrameWriter> {
        let progress = self.0.db.read(move |conn| frames::progress(conn, run)).await?;
        Ok(self.open_after(run, progress.map_or(0, |progress| progress.last)))
    }

    fn open_after(&self, run: RunId, last: i64) -> FrameWriter {
        let live = Arc::new(Live::new(run, last));
        if let Some(old) = self.live_runs().insert(run, Arc::clone(&live)) {
            old.close();
        }
        FrameWriter::new(self.clone(), live)
    }

    /// Tells the readers of a run that it is no longer produced here: from now on they look into the database. To be
    /// called when a run that lives here was ended by somebody else than its own turn.
    pub(crate) fn hand_over(&self, run: RunId) {
        let live = self.live_runs().remove(&run);
        if let Some(live) = live {
            live.close();
        }
    }

    /// Deletes the streams that ended more than three hours ago, and forgets requests of that age. Returns how many
    /// streams it was.
    ///
    /// # Errors
    /// When the database cannot be written; what was deleted so far is deleted.
    pub(crate) async fn sweep(&self) -> Result<usize> {
        let before = kept_since();
        let mut swept = 0;
        loop {
            let (streams, requests) = self.0.db.write(move |conn| frames::sweep(conn, before, BATCH)).await?;
            swept += streams;
            if [streams, requests].into_iter().all(|gone| i64::try_from(gone).is_ok_and(|gone| gone < BATCH)) {
                return Ok(swept);
            }
        }
    }

    /// The run, if it is produced here.
    fn live(&self, run: RunId) -> Option<Arc<Live>> {
        self.live_runs().get(&run).cloned()
    }

    /// Closes a run that is produced here no longer.
    fn forget(&self, gone: &Arc<Live>) {
        let mut runs = self.live_runs();
        if runs.get(&gone.run()).is_some_and(|live| Arc::ptr_eq(live, gone)) {
            runs.remove(&gone.run());
        }
        drop(runs);
        gone.close();
    }

    fn live_runs(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Live>>> {
        self.0.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time since which things are kept.
pub(crate) fn kept_since() -> Timestamp {
    (Timestamp::now().utc() - KEPT).into()
}

/// Ends the stream of a run that no process carries on, with these events and the last frame. It does nothing for a run
/// that is not a background run, or whose stream has ended.
pub(crate) fn append_end(conn: &mut Conn, run_id: RunId, events: Vec<StreamEvent>) -> Result<()> {
    let Some(progress) = frames::progress(conn, run_id)?.filter(|progress| !progress.terminal) else { return Ok(()) };
    let mut ended: Vec<NewFrame> = Vec::new();
    let mut seq = progress.last;
    for event in events {
        seq += 1;
        ended.push(NewFrame { run_id, frame: number(run_id, seq, event) });
    }
    ended.push(NewFrame { run_id, frame: Frame { seq: seq + 1, record: done(), terminal: true } });
    frames::append(conn, &ended).map_err(Error::from)
}

#[cfg(test)]
pub(crate) mod tests;
