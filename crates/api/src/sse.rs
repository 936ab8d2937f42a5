//! Server-sent events: framing, keepalive pings, and the head of the answer.
//!
//! Clients take every record without a name for a message, know no name but `error`, and stop at `[DONE]`; record
//! ids and comments confuse one of them. So nothing else is ever sent.

use std::{convert::Infallible, time::Duration};

use actix_web::{HttpResponse, http::header, web::Bytes};
use futures::{Stream, StreamExt, stream};
use serde::Serialize;

/// One frame of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Frame<T> {
    /// A message, or one of the closing reports.
    Data(T),
    /// The error that ends the stream.
    Error(T),
    /// The end. Nothing after it is sent.
    Done,
}

impl<T: Serialize> Frame<T> {
    fn encode(&self) -> Bytes {
        let (head, value): (&[u8], &T) = match self {
            Self::Data(value) => (b"data: ", value),
            Self::Error(value) => (b"event: error\ndata: ", value),
            Self::Done => return Bytes::from_static(b"data: [DONE]\n\n"),
        };
        let mut bytes = Vec::with_capacity(256);
        bytes.extend_from_slice(head);
        if let Err(error) = serde_json::to_writer(&mut bytes, value) {
            tracing::error!(%error, "a stream event could not be written");
            return Bytes::new();
        }
        bytes.extend_from_slice(b"\n\n");
        Bytes::from(bytes)
    }
}

/// The answer that sends these frames.
///
/// The work that makes the frames goes on when the client hangs up: only the stream is dropped. After `keepalive`
/// without a frame, `ping` is asked for one; it sees the last frame.
pub(crate) fn respond<T, S, P>(frames: S, keepalive: Option<Duration>, ping: P) -> HttpResponse
where
    T: Serialize + 'static,
    S: Stream<Item = Frame<T>> + 'static,
    P: FnMut(Option<&Frame<T>>) -> Frame<T> + 'static,
{
    HttpResponse::Ok()
        .content_type("text/event-stream; charset=utf-8")
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(body(frames, keepalive, ping))
}

fn body<T, S, P>(frames: S, keepalive: Option<Duration>, ping: P) -> impl Stream<Item = Result<Bytes, Infallible>>
where
    T: Serialize,
    S: Stream<Item = Frame<T>>,
    P: FnMut(Option<&Frame<T>>) -> Frame<T>,
{
    struct State<F, T, P> {
        frames: F,
        last: Option<Frame<T>>,
        ping: P,
        ended: bool,
    }
    let state = State { frames: Box::pin(frames), last: None, ping, ended: false };
    stream::unfold(state, move |mut state| async move {
        if state.ended {
            return None;
        }
        let next = match keepalive {
            Some(after) => tokio::time::timeout(after, state.frames.next()).await,
            None => Ok(state.frames.next().await),
        };
        let bytes = match next {
            Ok(Some(frame)) => {
                state.ended = matches!(frame, Frame::Done);
                let bytes = frame.encode();
                state.last = Some(frame);
                bytes
            }
            Ok(None) => return None,
            Err(_idle) => (state.ping)(state.last.as_ref()).encode(),
        };
        Some((Ok(bytes), state))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn sent(frames: impl Stream<Item = Frame<i32>>, keepalive: Option<Duration>) -> String {
        let chunks: Vec<_> = body(frames, keepalive, |last| Frame::Data(if last.is_some() { -2 } else { -1 }))
            .map(|chunk| String::from_utf8(chunk.unwrap().to_vec()).unwrap())
            .collect()
            .await;
        chunks.concat()
    }

    #[actix_web::test]
    async fn frames_are_records_and_nothing_follows_the_end() {
        let frames = stream::iter([Frame::Data(1), Frame::Error(2), Frame::Done, Frame::Data(3)]);
        assert_eq!(sent(frames, None).await, "data: 1\n\nevent: error\ndata: 2\n\ndata: [DONE]\n\n");
    }

    #[actix_web::test]
    async fn silence_is_filled_with_pings() {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        let frames = stream::unfold(receiver, |mut receiver| async move {
            receiver.recv().await.map(|frame| (frame, receiver))
        });
        let work = async move {
            tokio::time::sleep(Duration::from_millis(150)).await;
            sender.send(Frame::Data(1)).unwrap();
            tokio::time::sleep(Duration::from_millis(150)).await;
            sender.send(Frame::Done).unwrap();
        };
        let (text, ()) = tokio::join!(sent(frames, Some(Duration::from_millis(100))), work);
        assert_eq!(text, "data: -1\n\ndata: 1\n\ndata: -2\n\ndata: [DONE]\n\n");
    }
}
