//! The one who produces the stream of a run.

use std::sync::Arc;

use muisti_orm::{
    frames::{Frame, NewFrame},
    schema::{StreamEvent, WireMessage},
};

use super::{FrameStore, done, live::Live, number};

/// Produces the stream of one run. When it is dropped, what it was given is still stored, and readers look into the
/// database for more.
pub(crate) struct FrameWriter {
    store: FrameStore,
    live: Arc<Live>,
}

/// Frames that are stored in a transaction of the producer's own, and shown once that is committed. Dropped instead, as
/// when the transaction fails, they have never been.
#[must_use = "frames are shown only when they are published"]
pub(crate) struct Staged {
    /// What the transaction must store. It holds all that is not known to be stored, so nothing needs to be waited for.
    pub(crate) rows: Vec<NewFrame>,
    /// The frames of this stage alone.
    frames: Vec<Frame>,
}

impl FrameWriter {
    pub(super) const fn new(store: FrameStore, live: Arc<Live>) -> Self {
        Self { store, live }
    }

    /// Gives a piece of a message, to be stored and shown soon.
    pub(crate) fn push(&self, piece: WireMessage) {
        if self.live.push(piece) {
            // The task that stores ends only with the store.
            let _ = self.store.0.work.send(Arc::clone(&self.live));
        }
    }

    /// Waits until all that was given is stored.
    #[cfg(test)]
    pub(crate) async fn flushed(&self) {
        let mut changes = self.live.subscribe();
        while !self.live.is_flushed() {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Makes frames of these events, behind all that was given. With `end` a last frame ends the stream.
    pub(crate) fn stage(&self, events: Vec<StreamEvent>, end: bool) -> Staged {
        let run_id = self.live.run();
        let (earlier, mut seq) = self.live.unstored();
        let mut frames = Vec::with_capacity(events.len() + 1);
        for event in events {
            frames.push(number(run_id, seq, event));
            seq = seq.saturating_add(1);
        }
        if end {
            frames.push(Frame { seq, record: done(), terminal: true });
        }
        let rows = earlier.into_iter().chain(frames.iter().cloned());
        Staged { rows: rows.map(|frame| NewFrame { run_id, frame }).collect(), frames }
    }

    /// Shows what was staged. The transaction that stores its rows must have been committed.
    pub(crate) fn publish(&self, staged: Staged) {
        self.live.publish(staged.frames);
    }
}

impl Drop for FrameWriter {
    fn drop(&mut self) {
        self.store.forget(&self.live);
    }
}
