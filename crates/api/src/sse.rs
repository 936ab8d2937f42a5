//! Server-sent events: framing, keepalive pings, and the head of the answer.
//!
//! Clients take every record without a name for a message, know no name but `error`, and stop at `[DONE]`; record
//! ids and comments confuse one of them. So nothing else is ever sent.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use actix_web::{HttpResponse, http::header, web::Bytes};
use futures::{Stream, stream};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::managers::{
    TurnStream,
    schema::{ErrorMessage, Ping, RunId, StopReason, StopReasonEvent, StreamEvent},
};

/// The answer that sends the events of a turn.
///
/// The turn goes on when the client hangs up: only its events are dropped. With `pings` one comes first, so that the
/// client knows the run and sees that it was heard, and more after each `keepalive` without an event.
pub(crate) fn respond(turn: TurnStream, pings: bool, keepalive: Option<Duration>) -> HttpResponse {
    let keepalive = keepalive.filter(|_| pings);
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body(turn.run_id, turn.events, pings, keepalive))
}

/// How far a stream has come.
struct Progress {
    run: RunId,
    events: UnboundedReceiver<StreamEvent>,
    /// What is to be sent before the next event is awaited.
    ready: VecDeque<Bytes>,
    last_seq_id: Option<i64>,
    /// Whether the turn has said how it ended.
    concluded: bool,
    ended: bool,
}

fn body(
    run: RunId,
    events: UnboundedReceiver<StreamEvent>,
    pings: bool,
    keepalive: Option<Duration>,
) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let first = pings.then(|| frame(&Ping::new(Some(run)).into()));
    let ready = first.into_iter().collect();
    let progress = Progress { run, events, ready, last_seq_id: None, concluded: false, ended: false };
    stream::unfold(progress, move |mut progress| async move {
        if progress.ready.is_empty() {
            if progress.ended {
                return None;
            }
            progress.advance(keepalive).await;
        }
        progress.ready.pop_front().map(|bytes| (Ok(bytes), progress))
    })
}

impl Progress {
    /// Waits for the next event, its absence for too long, or the end, and makes the frames for it.
    async fn advance(&mut self, keepalive: Option<Duration>) {
        let next = match keepalive {
            Some(after) => tokio::time::timeout(after, self.events.recv()).await,
            None => Ok(self.events.recv().await),
        };
        match next {
            Ok(Some(event)) => {
                self.last_seq_id = event.seq_id().or(self.last_seq_id);
                self.concluded |= matches!(event, StreamEvent::StopReason(_) | StreamEvent::Error(_));
                self.ready.push_back(frame(&event));
            }
            Ok(None) => {
                if !self.concluded {
                    let [reason, error] = incomplete(self.run);
                    self.ready.extend([frame(&reason), frame(&error)]);
                }
                self.ready.push_back(Bytes::from_static(b"data: [DONE]\n\n"));
                self.ended = true;
            }
            Err(_idle) => {
                let mut ping = Ping::new(Some(self.run));
                ping.base.seq_id = self.last_seq_id;
                self.ready.push_back(frame(&ping.into()));
            }
        }
    }
}

/// What is sent for a turn that went away without a word.
fn incomplete(run_id: RunId) -> [StreamEvent; 2] {
    let text = "Stream ended unexpectedly without a terminal event.";
    let error = ErrorMessage {
        run_id,
        error_type: "stream_incomplete".to_owned(),
        message: text.to_owned(),
        detail: Some(text.to_owned()),
        seq_id: None,
    };
    [StopReasonEvent::from(StopReason::Error).into(), error.into()]
}

/// One record.
fn frame(event: &StreamEvent) -> Bytes {
    let head: &[u8] = match event {
        StreamEvent::Error(_) => b"event: error\ndata: ",
        _ => b"data: ",
    };
    let mut bytes = Vec::with_capacity(512);
    bytes.extend_from_slice(head);
    if let Err(error) = serde_json::to_writer(&mut bytes, event) {
        tracing::error!(%error, "a stream event could not be written");
        return Bytes::new();
    }
    bytes.extend_from_slice(b"\n\n");
    Bytes::from(bytes)
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

    use super::*;

    async fn sent(
        pings: bool,
        keepalive: Option<Duration>,
        work: impl AsyncFnOnce(UnboundedSender<StreamEvent>),
    ) -> Vec<String> {
        let (sender, receiver) = unbounded_channel();
        let chunks = body(RunId::random(), receiver, pings, keepalive)
            .map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
            .collect();
        let (chunks, ()): (Vec<String>, ()) = tokio::join!(chunks, work(sender));
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
        let sent = sent(true, Some(Duration::from_millis(100)), async |turn| {
            tokio::time::sleep(Duration::from_millis(150)).await;
            turn.send(stop()).unwrap();
        })
        .await;
        assert_eq!(sent.len(), 4, "{sent:?}");
        assert!(sent[..2].iter().all(|frame| frame.starts_with("data: {") && frame.contains("\"ping\"")), "{sent:?}");
        assert_eq!(sent[2..], [STOP, DONE]);
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
