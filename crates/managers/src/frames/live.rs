//! A run whose stream is produced in this process.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use muisti_orm::{
    Db, Error,
    frames::{self, Frame, NewFrame},
    schema::{RunId, WireMessage},
};
use tokio::sync::{mpsc, watch};

use super::{merge::merge, number};
use crate::Node;

/// How many frames are kept for readers, and how many bytes of them. Whoever is further behind reads the database.
const TAIL_FRAMES: usize = 512;
const TAIL_BYTES: usize = 256 * 1024;
/// How many frames a reader takes at a time.
const HELPING: usize = 64;
/// How long to wait before frames that could not be stored are tried again.
const AGAIN: Duration = Duration::from_millis(500);

/// A run between its one producer, the task that stores, and its readers.
pub(super) struct Live {
    run: RunId,
    state: Mutex<State>,
    /// Changes whenever readers or the producer may find something new.
    changed: watch::Sender<()>,
}

struct State {
    /// The place of the next frame.
    next: i64,
    /// Pieces that are no frames yet: as long as they wait, more can be added to the last one.
    pieces: Vec<WireMessage>,
    /// Frames that are not known to be stored.
    unstored: VecDeque<Frame>,
    /// The place of the last frame that is stored.
    stored: i64,
    /// The last frames that are stored, without gaps.
    tail: VecDeque<Frame>,
    tail_bytes: usize,
    /// Whether the run is in the queue of the task that stores.
    queued: bool,
    /// Whether the last stored frame ends the stream.
    ended: bool,
    /// Whether nothing more will come from here.
    closed: bool,
    /// Whether nothing more of it can be stored from here.
    lost: bool,
}

/// What a reader finds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The next frames.
    Frames(Vec<Frame>),
    /// The reader has seen the last frame, or asked for what comes after it.
    Ended,
    /// Nothing yet.
    Nothing,
    /// What the reader wants, or what comes next, only the database has.
    Elsewhere,
}

impl Live {
    /// A run whose stream has `stored` frames already.
    pub(super) fn new(run: RunId, stored: i64) -> Self {
        let state = State {
            next: stored.saturating_add(1),
            pieces: Vec::new(),
            unstored: VecDeque::new(),
            stored,
            tail: VecDeque::new(),
            tail_bytes: 0,
            queued: false,
            ended: false,
            closed: false,
            lost: false,
        };
        Self { run, state: Mutex::new(state), changed: watch::Sender::new(()) }
    }

    pub(super) const fn run(&self) -> RunId {
        self.run
    }

    /// Tells when to look again. What happens after this call is not missed.
    pub(super) fn subscribe(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Takes a piece that is to be stored. Returns whether the run must be put into the queue for that.
    pub(super) fn push(&self, piece: WireMessage) -> bool {
        let mut state = self.state();
        if state.lost {
            return false;
        }
        let piece = match state.pieces.last_mut() {
            Some(last) => merge(last, piece),
            None => Some(piece),
        };
        state.pieces.extend(piece);
        !std::mem::replace(&mut state.queued, true)
    }

    /// All frames that are not known to be stored, the waiting pieces among them.
    pub(super) fn unstored(&self) -> (Vec<Frame>, i64) {
        let mut state = self.state();
        state.number_pieces(self.run);
        (state.unstored.iter().cloned().collect(), state.next)
    }

    /// What the task that stores takes out of the queue.
    fn take(&self) -> Vec<NewFrame> {
        self.state().queued = false;
        let (frames, _) = self.unstored();
        frames.into_iter().map(|frame| NewFrame { run_id: self.run, frame }).collect()
    }

    /// Puts the run back into the queue if it has something to store. Returns whether it had to be.
    fn requeue(&self) -> bool {
        let mut state = self.state();
        let done = state.lost || (state.unstored.is_empty() && state.pieces.is_empty());
        !done && !std::mem::replace(&mut state.queued, true)
    }

    /// Adds frames that are stored, together with all before them.
    pub(super) fn publish(&self, frames: Vec<Frame>) {
        let Some(last) = frames.last().map(|frame| frame.seq) else { return };
        let mut state = self.state();
        state.next = last.saturating_add(1);
        state.unstored.extend(frames);
        drop(state);
        self.stored_to(last);
    }

    /// Notes that the frames up to this place are stored, and shows them.
    pub(super) fn stored_to(&self, seq: i64) {
        let mut state = self.state();
        while let Some(frame) = state.unstored.front().filter(|frame| frame.seq <= seq).cloned() {
            state.unstored.pop_front();
            state.stored = frame.seq;
            state.ended |= frame.terminal;
            state.tail_bytes += frame.record.len();
            state.tail.push_back(frame);
        }
        while state.tail.len() > TAIL_FRAMES || state.tail_bytes > TAIL_BYTES {
            let Some(frame) = state.tail.pop_front() else { break };
            state.tail_bytes -= frame.record.len();
        }
        drop(state);
        self.changed.send_replace(());
    }

    /// Whether all that was given is stored, or never will be.
    #[cfg(test)]
    pub(super) fn is_flushed(&self) -> bool {
        let state = self.state();
        state.lost || (state.pieces.is_empty() && state.unstored.is_empty())
    }

    /// What there is for a reader that has come to this place.
    pub(super) fn look(&self, after: i64) -> Look {
        let state = self.state();
        if after >= state.stored {
            return match (state.ended, state.closed) {
                (true, _) => Look::Ended,
                (false, true) => Look::Elsewhere,
                (false, false) => Look::Nothing,
            };
        }
        let first = state.tail.front().map_or(i64::MAX, |frame| frame.seq);
        match usize::try_from(after.saturating_add(1).saturating_sub(first)) {
            Ok(seen) => Look::Frames(state.tail.iter().skip(seen).take(HELPING).cloned().collect()),
            Err(_) => Look::Elsewhere,
        }
    }

    /// Nothing more will come from here.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.send_replace(());
    }

    /// What was to be stored has no place any more: from now on the database alone knows the stream.
    fn lose(&self) {
        let mut state = self.state();
        state.lost = true;
        state.closed = true;
        state.pieces.clear();
        state.unstored.clear();
        state.tail.clear();
        state.tail_bytes = 0;
        drop(state);
        self.changed.send_replace(());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn number_pieces(&mut self, run: RunId) {
        for piece in std::mem::take(&mut self.pieces) {
            self.unstored.push_back(number(run, self.next, piece.into()));
            self.next = self.next.saturating_add(1);
        }
    }
}

/// Stores what the runs in the queue have produced, all of it together, until there is no more store to produce for.
pub(super) async fn store(
    db: Db,
    node: Node,
    mut queue: mpsc::UnboundedReceiver<Arc<Live>>,
    again: mpsc::WeakUnboundedSender<Arc<Live>>,
) {
    while let Some(first) = queue.recv().await {
        let mut runs = vec![first];
        while let Ok(next) = queue.try_recv() {
            runs.push(next);
        }
        let frames: Vec<Vec<NewFrame>> = runs.iter().map(|live| live.take()).collect();
        let last: Vec<Option<i64>> = frames.iter().map(|frames| frames.last().map(|new| new.frame.seq)).collect();
        let all: Vec<NewFrame> = frames.into_iter().flatten().collect();
        if all.is_empty() {
            continue;
        }
        let own = node.clone();
        let lost = db.write(move |conn| frames::append_own(conn, own.id(), all)).await;
        for (live, last) in runs.into_iter().zip(last) {
            let stored = match (&lost, last) {
                (_, None) => continue,
                (Ok(lost), Some(last)) => Ok((!lost.contains(&live.run())).then_some(last)),
                // One of them may have spoilt it for all.
                (Err(_), Some(_)) => store_alone(&db, &node, &live).await,
            };
            match stored {
                Ok(Some(last)) => live.stored_to(last),
                // Another node writes this stream now, or the run has ended or is gone.
                Ok(None) | Err(Error::ForeignKey { .. }) => live.lose(),
                Err(error) => {
                    tracing::warn!(run_id = %live.run(), %error, "frames of a stream could not be stored yet");
                    let again = again.clone();
                    tokio::spawn(async move {
                        tokio::time::sleep(AGAIN).await;
                        if let Some(queue) = again.upgrade()
                            && live.requeue()
                        {
                            let _ = queue.send(live);
                        }
                    });
                }
            }
        }
    }
}

/// Gives the place of the last frame that is stored; none when the run does not live here any more.
async fn store_alone(db: &Db, node: &Node, live: &Live) -> Result<Option<i64>, Error> {
    let (frames, next) = live.unstored();
    let (run_id, node) = (live.run(), node.clone());
    let frames: Vec<NewFrame> = frames.into_iter().map(|frame| NewFrame { run_id, frame }).collect();
    let lost = db.write(move |conn| frames::append_own(conn, node.id(), frames)).await?;
    Ok(lost.is_empty().then(|| next.saturating_sub(1)))
}
