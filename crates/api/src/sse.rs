//! Server-sent events: keepalive pings, and the head and the end of the answer.
//!
//! Record ids and comments confuse one of the official clients, so nothing but the records of events is ever sent.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use actix_web::{HttpResponse, http::header, web::Bytes};
use futures::{Stream, stream};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::managers::{
    StoredStream, TurnEvents, TurnStream,
    frames::{done, incomplete, record},
    schema::{Ping, RunId, StreamEvent},
};

/// The answer that sends the events of a turn, or a stored stream.
///
/// The turn goes on when the client hangs up: only its view of it ends. With `pings` the events of a turn begin with
/// one, so that the client knows the run and sees that it was heard; a stored stream has it among its frames. More of
/// them fill each `keepalive` without an event.
pub(crate) fn respond(source: impl Into<Source>, pings: bool, keepalive: Option<Duration>) -> HttpResponse {
    let keepalive = keepalive.filter(|_| pings);
    answer(body(source.into(), pings, keepalive))
}

/// The answer whose body is an event stream.
pub(crate) fn answer(body: impl Stream<Item = Result<Bytes, Infallible>> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body)
}

/// Where the records of an answer come from.
pub(crate) enum Source {
    /// A turn that only this client follows.
    Turn(Turn),
    /// What is stored of a background run.
    Stored(StoredStream),
}

/// The events of a turn, as far as they have come.
pub(crate) struct Turn {
    run: RunId,
    events: UnboundedReceiver<StreamEvent>,
    /// Whether the turn has said how it ended.
    concluded: bool,
    ended: bool,
}

impl From<TurnStream> for Source {
    fn from(turn: TurnStream) -> Self {
        match turn.events {
            TurnEvents::Live(events) => Self::Turn(Turn { run: turn.run_id, events, concluded: false, ended: false }),
            TurnEvents::Stored(stream) => Self::Stored(stream),
        }
    }
}

impl From<StoredStream> for Source {
    fn from(stream: StoredStream) -> Self {
        Self::Stored(stream)
    }
}

/// How far an answer has come.
struct Progress {
    source: Source,
    /// What is to be sent before the next event is awaited.
    ready: VecDeque<Bytes>,
    last_seq_id: Option<i64>,
}

fn body(source: Source, pings: bool, keepalive: Option<Duration>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let first = match &source {
        Source::Turn(turn) if pings => Some(record(&Ping::new(Some(turn.run)).into())),
        _ => None,
    };
    let progress = Progress { source, ready: first.into_iter().collect(), last_seq_id: None };
    stream::unfold(progress, move |mut progress| async move {
        if progress.ready.is_empty() {
            progress.advance(keepalive).await;
        }
        progress.ready.pop_front().map(|bytes| (Ok(bytes), progress))
    })
}

impl Progress {
    /// Waits for the next record, its absence for too long, or the end.
    async fn advance(&mut self, keepalive: Option<Duration>) {
        let more = async {
            match &mut self.source {
                Source::Turn(turn) => turn.advance(&mut self.ready).await,
                Source::Stored(stream) => {
                    if let Some(frame) = stream.next().await {
                        self.last_seq_id = Some(frame.seq);
                        self.ready.push_back(frame.record);
                    }
                }
            }
        };
        let waited = match keepalive {
            Some(after) => tokio::time::timeout(after, more).await,
            None => {
                more.await;
                Ok(())
            }
        };
        if waited.is_err() {
            let run = match &self.source {
                Source::Turn(turn) => turn.run,
                Source::Stored(stream) => stream.run(),
            };
            let mut ping = Ping::new(Some(run));
            ping.base.seq_id = self.last_seq_id;
            self.ready.push_back(record(&ping.into()));
        }
    }
}

impl Turn {
    async fn advance(&mut self, ready: &mut VecDeque<Bytes>) {
        if self.ended {
            return;
        }
        if let Some(event) = self.events.recv().await {
            self.concluded |= matches!(event, StreamEvent::StopReason(_) | StreamEvent::Error(_));
            ready.push_back(record(&event));
            return;
        }
        if !self.concluded {
            ready.extend(incomplete(self.run).iter().map(record));
        }
        ready.push_back(done());
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;
    use crate::managers::schema::{StopReason, StopReasonEvent};

    fn chunks(
        events: UnboundedReceiver<StreamEvent>,
        pings: bool,
        keepalive: Option<Duration>,
    ) -> impl Stream<Item = String> {
        let turn = TurnStream { run_id: RunId::random(), events: TurnEvents::Live(events) };
        body(turn.into(), pings, keepalive).map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
    }

    async fn sent(
        pings: bool,
        keepalive: Option<Duration>,
        work: impl AsyncFnOnce(UnboundedSender<StreamEvent>),
    ) -> Vec<String> {
        let (sender, receiver) = unbounded_channel();
        let (chunks, ()): (Vec<String>, ()) = tokio::join!(chunks(receiver, pings, keepalive).collect(), work(sender));
        chunks
    }

    fn stop() -> StreamEvent {
        StopReasonEvent::from(StopReason::EndTurn).into()
    }

    const STOP: &str = "data: {\"message_type\":\"stop_reason\",\"stop_reason\":\"end_turn\"}\n\n";
    const DONE: &str = "data: [DONE]\n\n";

    #[actix_web::test]
    async fn the_end_of_the_turn_is_the_end_of_the_stream() {
        let sent = sent(false, None, async |turn| turn.send(stop()).unwrap()).await;
        assert_eq!(sent, [STOP, DONE]);
    }

    #[actix_web::test]
    async fn a_ping_comes_first_and_pings_fill_the_silence() {
        let (sender, receiver) = unbounded_channel();
        let is_ping = |frame: &String| frame.starts_with("data: {") && frame.contains("\"ping\"");
        let mut chunks = Box::pin(chunks(receiver, true, Some(Duration::from_millis(50))));
        for _ in 0..3 {
            let frame = chunks.next().await.unwrap();
            assert!(is_ping(&frame), "{frame}");
        }
        sender.send(stop()).unwrap();
        drop(sender);
        let mut rest: Vec<String> = chunks.collect().await;
        rest.retain(|frame| !is_ping(frame));
        assert_eq!(rest, [STOP, DONE]);
    }

    #[actix_web::test]
    async fn a_turn_that_vanishes_ends_in_an_error() {
        let sent = sent(false, None, async |turn| drop(turn)).await;
        assert_eq!(sent.len(), 3, "{sent:?}");
        assert!(sent[0].contains("\"stop_reason\":\"error\""));
        assert!(sent[1].starts_with("event: error\ndata: {") && sent[1].contains("stream_incomplete"));
        assert_eq!(sent[2], DONE);
    }
}
