//! Events as they are written into a stream.
//!
//! Clients take every record without a name for a message, know no name but `error`, and stop at `[DONE]`.

use bytes::Bytes;
use muisti_orm::{
    frames::Frame,
    schema::{ErrorMessage, RunId, StopReason, StopReasonEvent, StreamEvent},
};

/// The record of an event.
pub fn record(event: &StreamEvent) -> Bytes {
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
    bytes.into()
}

/// The record that ends every stream.
pub const fn done() -> Bytes {
    Bytes::from_static(b"data: [DONE]\n\n")
}

/// What is sent for a turn that went away without a word.
pub fn incomplete(run_id: RunId) -> [StreamEvent; 2] {
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

/// The frame of an event at this place of a run's stream.
pub(crate) fn number(run_id: RunId, seq: i64, mut event: StreamEvent) -> Frame {
    event.set_seq_id(seq);
    let run = match &mut event {
        StreamEvent::Message(message) => Some(&mut message.base_mut().run_id),
        StreamEvent::Ping(ping) => Some(&mut ping.base.run_id),
        StreamEvent::StopReason(_) | StreamEvent::Usage(_) | StreamEvent::Error(_) => None,
    };
    if let Some(run) = run {
        run.get_or_insert(run_id);
    }
    Frame { seq, record: record(&event), terminal: false }
}
