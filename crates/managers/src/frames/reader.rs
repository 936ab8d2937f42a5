//! A client's view of a stored stream.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use muisti_orm::{
    Conn,
    frames::{self, Frame, Progress},
    schema::RunId,
};
use tokio::sync::watch;

use super::{
    FrameStore, done, incomplete,
    live::{Live, Look},
    record,
};
use crate::Error;

/// How many frames are read from the database at a time.
const PAGE: i64 = 200;
/// How long to wait before the database is asked again: at first, and at most while nothing comes.
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_millis(500);
/// After how much silence of a run that lives here the database is asked whether somebody else has ended it.
const SILENCE: Duration = Duration::from_secs(10);
/// How often the database may fail in a row before the reader gives up. Its client can come back for the rest.
const FAILURES: u32 = 60;

/// Reads the stream of a run from some place on to its end.
///
/// It takes nothing before it is asked for it: a slow reader, or one that has stopped, costs a few hundred bytes.
pub struct StoredStream {
    store: FrameStore,
    run: RunId,
    /// The place of the last frame that was given.
    after: i64,
    ready: VecDeque<Frame>,
    live: Option<(Arc<Live>, watch::Receiver<()>)>,
    pause: Duration,
    failures: u32,
    ended: bool,
}

/// What the database has for a reader.
enum Found {
    Frames(Vec<Frame>),
    /// Nothing yet.
    Nothing,
    /// The reader has seen the end, or asked for what comes after it.
    Ended,
    /// The run is gone, or was ended without an end of its stream.
    Broken,
}

impl FrameStore {
    /// The stream of a run behind this place; 0 for all of it. Whether the run may be read, the caller has looked up.
    pub(crate) fn read(&self, run: RunId, after: i64) -> StoredStream {
        StoredStream {
            store: self.clone(),
            run,
            after: after.max(0),
            ready: VecDeque::new(),
            live: None,
            pause: SHORTEST,
            failures: 0,
            ended: false,
        }
    }
}

impl StoredStream {
    /// The run.
    pub const fn run(&self) -> RunId {
        self.run
    }

    /// The next frame, as soon as it is there; none after the last one. It may be dropped at any time, nothing is lost.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.after = frame.seq;
                self.ended |= frame.terminal;
                return Some(frame);
            }
            if self.ended {
                return None;
            }
            self.advance().await;
        }
    }

    /// Looks for more, or waits until it is worth looking again.
    async fn advance(&mut self) {
        if self.live.is_none()
            && let Some(live) = self.store.live(self.run)
        {
            let changes = live.subscribe();
            self.live = Some((live, changes));
        }
        let Some((live, changes)) = &mut self.live else {
            if !self.ask_database().await {
                self.rest().await;
            }
            return;
        };
        changes.mark_unchanged();
        match live.look(self.after) {
            Look::Frames(frames) => self.ready.extend(frames),
            Look::Ended => self.end(),
            Look::Nothing => {
                if tokio::time::timeout(SILENCE, changes.changed()).await.is_err() {
                    self.ask_database().await;
                }
            }
            Look::Elsewhere => {
                if !self.ask_database().await {
                    self.live = None;
                }
            }
        }
    }

    /// Waits before the database is asked again, a little longer each time.
    async fn rest(&mut self) {
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST);
    }

    /// Takes the next frames from the database. Returns false when there are none.
    async fn ask_database(&mut self) -> bool {
        let (run, after) = (self.run, self.after);
        match self.store.0.db.read(move |conn| find(conn, run, after)).await {
            Ok(found) => {
                self.failures = 0;
                match found {
                    Found::Frames(frames) => self.ready.extend(frames),
                    Found::Nothing => return false,
                    Found::Ended => self.end(),
                    Found::Broken => self.break_off(),
                }
                self.pause = SHORTEST;
                true
            }
            Err(error) => {
                tracing::warn!(run_id = %run, %error, "a stored stream could not be read");
                self.failures += 1;
                if self.failures > FAILURES {
                    self.break_off();
                } else {
                    self.rest().await;
                }
                true
            }
        }
    }

    fn end(&mut self) {
        self.ready.push_back(Frame { seq: self.after, record: done(), terminal: true });
    }

    fn break_off(&mut self) {
        let seq = self.after;
        let events = incomplete(self.run);
        self.ready.extend(events.iter().map(|event| Frame { seq, record: record(event), terminal: false }));
        self.end();
    }
}

fn find(conn: &mut Conn, run: RunId, after: i64) -> Result<Found, Error> {
    loop {
        let page = frames::after(conn, run, after, PAGE)?;
        if !page.is_empty() {
            return Ok(Found::Frames(page));
        }
        return Ok(match frames::progress(conn, run)? {
            // Between the two looks something came.
            Some(Progress { last, .. }) if last > after => continue,
            Some(Progress { terminal: true, .. }) => Found::Ended,
            Some(Progress { going: true, .. }) => Found::Nothing,
            _ => Found::Broken,
        });
    }
}
