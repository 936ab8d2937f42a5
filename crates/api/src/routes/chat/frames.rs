//! An answer piece by piece, as clients of OpenAI read it.
//!
//! Unlike those of this server's own streams they all know comments, so a comment is the sign of life.

use std::{convert::Infallible, time::Duration};

use actix_web::{HttpResponse, web::Bytes};
use futures::{Stream, stream};
use serde::Serialize;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    managers::{
        chat::{ChatStream, Frame, Translation},
        frames::done,
        schema::StreamEvent,
    },
    sse,
};

/// The response that sends an answer while it is made. The agent goes on when the client hangs up.
pub(super) fn respond(stream: ChatStream, keepalive: Option<Duration>) -> HttpResponse {
    sse::answer(body(stream, keepalive))
}

struct Progress {
    events: UnboundedReceiver<StreamEvent>,
    translation: Translation,
    ended: bool,
}

fn body(stream: ChatStream, keepalive: Option<Duration>) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let ChatStream { events, translation } = stream;
    let progress = Progress { events, translation, ended: false };
    stream::unfold(progress, move |mut progress| async move {
        let bytes = progress.next(keepalive).await?;
        Some((Ok(bytes), progress))
    })
}

impl Progress {
    /// What is sent next.
    async fn next(&mut self, keepalive: Option<Duration>) -> Option<Bytes> {
        while !self.ended {
            let next = match keepalive {
                Some(after) => tokio::time::timeout(after, self.events.recv()).await,
                None => Ok(self.events.recv().await),
            };
            match next {
                Ok(Some(event)) => {
                    if let Some(frame) = self.translation.read(&event) {
                        return Some(written(&[frame]).into());
                    }
                }
                Ok(None) => {
                    self.ended = true;
                    let mut bytes = written(&self.translation.end());
                    bytes.extend_from_slice(&done());
                    return Some(bytes.into());
                }
                Err(_idle) => return Some(Bytes::from_static(b": keep-alive\n\n")),
            }
        }
        None
    }
}

fn written(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    for frame in frames {
        match frame {
            Frame::Chunk(chunk) => write(&mut bytes, chunk),
            Frame::Failure(failure) => write(&mut bytes, failure),
        }
    }
    bytes
}

fn write<T: Serialize>(bytes: &mut Vec<u8>, value: &T) {
    bytes.extend_from_slice(b"data: ");
    if let Err(error) = serde_json::to_writer(&mut *bytes, value) {
        tracing::error!(%error, "a piece of an answer could not be written");
    }
    bytes.extend_from_slice(b"\n\n");
}
