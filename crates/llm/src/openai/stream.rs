//! From the bytes of an answer to events, whether they come as SSE or as one JSON body.

use std::collections::VecDeque;
use std::time::Duration;

use eventsource_stream::{EventStreamError, Eventsource};
use futures::{FutureExt, Stream, StreamExt, stream};
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;
use tokio::time::{Instant, timeout};

use super::chunk::ChunkReader;
use crate::chat::{ChatEvent, ChatStream};
use crate::error::{LlmError, LlmErrorKind};
use crate::http::{Client, LARGEST_BODY};
use crate::settings::Timeouts;

/// How long the usage may lag behind the end of the answer.
const USAGE_LAG: Duration = Duration::from_secs(5);

/// Reads an answer in the form it has, not the form it was asked for: some servers ignore `stream`.
pub(super) async fn open(client: Client, response: Response, reader: ChunkReader) -> Result<ChatStream, LlmError> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if kind.to_ascii_lowercase().starts_with("text/event-stream") {
        let clocks = client.timeouts();
        let bytes = response.bytes_stream().map({
            let client = client.clone();
            move |piece| piece.map_err(|e| client.broken(&e))
        });
        return Ok(events(bounded(bytes, LARGEST_BODY, client), reader, clocks));
    }
    let url = response.url().to_string();
    let body = client.read_answer(response).await?;
    let text = String::from_utf8_lossy(&body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.starts_with("data:") || text.starts_with("event:") || text.starts_with(':') {
        // SSE under another content type.
        let whole = stream::iter([Ok(body)]);
        return Ok(events(whole, reader, client.timeouts()));
    }
    if !text.starts_with('{') {
        return Err(client.not_json(&url, &body));
    }
    whole(text, reader)
}

/// One JSON body.
fn whole(text: &str, mut reader: ChunkReader) -> Result<ChatStream, LlmError> {
    let mut events = Vec::new();
    reader.read_whole(text, &mut events)?;
    reader.end(true, &mut events)?;
    Ok(stream::iter(events.into_iter().map(Ok)).boxed())
}

/// The pieces of an answer, and an error in the place of the one that makes it longer than an answer can be: what does
/// not end would otherwise fill the memory.
fn bounded<S, B>(pieces: S, largest: usize, client: Client) -> impl Stream<Item = Result<B, LlmError>> + Send + 'static
where
    S: Stream<Item = Result<B, LlmError>> + Send + 'static,
    B: AsRef<[u8]> + Send + 'static,
{
    let mut size = 0_usize;
    pieces.map(move |piece| {
        let piece = piece?;
        size = size.saturating_add(piece.as_ref().len());
        if size > largest { Err(client.too_long(largest)) } else { Ok(piece) }
    })
}

/// Server-sent events.
fn events<S, B>(bytes: S, reader: ChunkReader, clocks: Timeouts) -> ChatStream
where
    S: Stream<Item = Result<B, LlmError>> + Send + 'static,
    B: AsRef<[u8]> + Send + 'static,
{
    // The last event counts even when the server closes without the empty line after it.
    let closing = stream::iter([Ok(Piece::End)]);
    let pieces = bytes.map(|piece| piece.map(Piece::Bytes)).chain(closing).eventsource().boxed();
    let state = Reading {
        pieces,
        reader: Some(reader),
        ready: VecDeque::new(),
        failed: None,
        clocks,
        deadline: Instant::now() + clocks.total,
        begun: false,
    };
    stream::unfold(state, |mut state| async move { state.next().await.map(|item| (item, state)) }).boxed()
}

enum Piece<B> {
    Bytes(B),
    End,
}

impl<B: AsRef<[u8]>> AsRef<[u8]> for Piece<B> {
    fn as_ref(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_ref(),
            Self::End => b"\n\n",
        }
    }
}

type Pieces = stream::BoxStream<'static, Result<eventsource_stream::Event, EventStreamError<LlmError>>>;

struct Reading {
    pieces: Pieces,
    /// Taken at the end.
    reader: Option<ChunkReader>,
    ready: VecDeque<ChatEvent>,
    /// Told after what had come before it.
    failed: Option<LlmError>,
    clocks: Timeouts,
    deadline: Instant,
    /// Whether the model has begun to answer; until then it may be reading the prompt.
    begun: bool,
}

impl Reading {
    async fn next(&mut self) -> Option<Result<ChatEvent, LlmError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.begun = true;
                return Some(Ok(event));
            }
            if let Some(error) = self.failed.take() {
                self.reader = None;
                return Some(Err(error));
            }
            let finished = self.reader.as_ref()?.has_finished();
            let limit = match (finished, self.begun) {
                (true, _) => USAGE_LAG,
                (false, true) => self.clocks.idle,
                (false, false) => self.clocks.first_byte,
            };
            let limit = limit.min(self.deadline.saturating_duration_since(Instant::now()));
            match timeout(limit, self.pieces.next()).await {
                Ok(Some(Ok(event))) if event.data.trim() == "[DONE]" => self.end(true),
                Ok(Some(Ok(event))) => {
                    self.read(&event.event, event.data.trim());
                    self.tell_torn_from_unreadable();
                }
                Ok(None) => self.end(false),
                // The answer itself is whole; only its usage may be missing.
                Ok(Some(Err(_))) | Err(_) if finished => self.end(true),
                Ok(Some(Err(EventStreamError::Transport(error)))) => self.failed = Some(error),
                Ok(Some(Err(e))) => {
                    self.fail(LlmErrorKind::InvalidResponse, format!("the answer cannot be read: {e}."));
                    self.tell_torn_from_unreadable();
                }
                Err(_) => self.fail(LlmErrorKind::Timeout, format!("nothing came for {limit:?}.")),
            }
        }
    }

    fn read(&mut self, kind: &str, data: &str) {
        let Some(reader) = self.reader.as_mut() else { return };
        if data.is_empty() {
            return;
        }
        let finished = reader.has_finished();
        let failed = match kind {
            "error" => Some(reader.read_error(data)),
            _ => reader.read(data, &mut self.ready).err(),
        };
        match failed {
            // What comes after the whole answer cannot spoil it.
            Some(_) if finished => self.end(true),
            failed => self.failed = failed,
        }
    }

    /// A piece that nothing follows is not wrong, but torn: the connection was closed in the middle of it.
    fn tell_torn_from_unreadable(&mut self) {
        let unreadable = self.failed.as_ref().is_some_and(|error| error.kind == LlmErrorKind::InvalidResponse);
        if unreadable && matches!(self.pieces.next().now_or_never(), Some(None)) {
            self.end(false);
        }
    }

    fn end(&mut self, done: bool) {
        if let Some(reader) = self.reader.take() {
            self.failed = reader.end(done, &mut self.ready).err();
        }
    }

    fn fail(&mut self, kind: LlmErrorKind, message: String) {
        let provider = self.reader.as_ref().map(ChunkReader::provider).unwrap_or_default();
        self.failed = Some(LlmError::new(kind, provider, message));
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "stream_properties.rs"]
mod properties;
