//! What the scripted model says to one request, the faults included. The same form in Rust and in a JSON script.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

/// One answer to a chat request. Every field has a default, so a JSON script names only what it wants.
///
/// In texts and arguments `{{n}}` becomes the number of the request (from 1), so that a repeated answer can differ.
/// In frames with a delay between them `{{now}}` becomes the time at which the frame leaves, in microseconds since 1970.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Answer {
    /// The assistant's text; it streams word by word.
    pub text: Option<String>,
    /// The pieces in which the text streams, where the cut matters. Their concatenation is the text.
    pub chunks: Vec<String>,
    /// Sent before the text, as `reasoning_content`.
    pub reasoning: Option<String>,
    pub tool_calls: Vec<ScriptedCall>,
    /// Instead of `stop`, or `tool_calls` when there are some.
    pub finish_reason: Option<String>,
    /// The usage object, verbatim. Without it one is estimated from the request and the answer.
    pub usage: Option<Value>,
    /// Leaves the usage out altogether, as some servers do.
    pub no_usage: bool,
    /// Waits before the head of the response.
    pub delay_ms: u64,
    /// A random extra wait of up to this long.
    pub jitter_ms: u64,
    /// Waits after the head and before the first frame: a server that streams its head at once and then prefills.
    pub first_chunk_delay_ms: u64,
    /// Waits between frames.
    pub chunk_delay_ms: u64,
    /// A status other than 200 makes the answer an error with `body`.
    pub status: Option<u16>,
    /// The body of an error (a string is sent as it is, anything else as JSON).
    pub body: Option<Value>,
    /// Extra response headers (`retry-after`).
    pub headers: BTreeMap<String, String>,
    /// Answers JSON although a stream was asked for.
    pub json: bool,
    /// Frames sent verbatim instead of the ones made from the fields above.
    pub raw_frames: Vec<String>,
    /// Puts a frame with torn JSON before this frame (from 0).
    pub broken_frame_at: Option<usize>,
    /// How a stream ends.
    pub ending: Ending,
    /// With another ending than `done`: after how many frames. Without it: after all of the content.
    pub ending_after: Option<usize>,
    /// Writes the response in pieces of this many bytes, so that characters and frames are torn on the wire.
    pub write_size: Option<usize>,
    /// Waits before the head of the response until it is [released](super::ScriptedModel::release).
    pub held: bool,
    /// Waits before this frame (from 0) until it is [released](super::ScriptedModel::release).
    pub held_at: Option<usize>,
    /// Never answers; the connection stays open until the client goes.
    pub hang: bool,
}

/// How a stream ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Finish reason, usage when asked for, `[DONE]`.
    #[default]
    Done,
    /// All of that but `[DONE]`.
    NoDone,
    /// The body ends properly, with neither finish reason nor `[DONE]`.
    Unfinished,
    /// The connection is cut.
    Cut,
    /// Silence on an open connection.
    Hang,
}

/// A tool call in an answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScriptedCall {
    /// Absent in JSON: a new id each time. Null: none is sent. A string: this one.
    #[serde(default)]
    pub id: CallId,
    pub name: String,
    /// A string goes out as it is (so it may be invalid JSON), anything else as its JSON text.
    #[serde(default)]
    pub arguments: Value,
}

/// The id of a scripted tool call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CallId {
    #[default]
    Fresh,
    Missing,
    Given(String),
}

impl Serialize for CallId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Fresh => serializer.serialize_str("fresh"),
            Self::Missing => serializer.serialize_none(),
            Self::Given(id) => serializer.serialize_str(id),
        }
    }
}

impl<'de> Deserialize<'de> for CallId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Option::<String>::deserialize(deserializer)? {
            None => Self::Missing,
            Some(id) if id == "fresh" => Self::Fresh,
            Some(id) => Self::Given(id),
        })
    }
}

impl ScriptedCall {
    pub fn new(name: &str, arguments: impl Into<Value>) -> Self {
        Self { id: CallId::Fresh, name: name.to_owned(), arguments: arguments.into() }
    }

    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        self.id = CallId::Given(id.to_owned());
        self
    }

    #[must_use]
    pub fn without_id(mut self) -> Self {
        self.id = CallId::Missing;
        self
    }

    pub(crate) fn argument_text(&self) -> String {
        match &self.arguments {
            Value::String(text) => text.clone(),
            Value::Null => "{}".to_owned(),
            other => other.to_string(),
        }
    }
}

impl Answer {
    pub fn text(text: &str) -> Self {
        Self { text: Some(text.to_owned()), ..Self::default() }
    }

    /// A text of `count` tokens, each its own frame.
    pub fn tokens(count: usize) -> Self {
        Self { chunks: (0..count).map(|index| format!("tok{} ", index % 10)).collect(), ..Self::default() }
    }

    /// One tool call with a fresh id. A string for the arguments is sent as it is, valid JSON or not.
    pub fn tool_call(name: &str, arguments: impl Into<Value>) -> Self {
        Self { tool_calls: vec![ScriptedCall::new(name, arguments)], ..Self::default() }
    }

    /// Several tool calls at once.
    pub fn tool_calls(calls: impl IntoIterator<Item = ScriptedCall>) -> Self {
        Self { tool_calls: calls.into_iter().collect(), ..Self::default() }
    }

    /// An error status with a body in the form of OpenAI's errors.
    pub fn error(status: u16, message: &str) -> Self {
        Self {
            status: Some(status),
            body: Some(json!({"error": {"message": message, "type": "scripted_error", "code": null}})),
            ..Self::default()
        }
    }

    /// An error status with any body.
    pub fn error_body(status: u16, body: impl Into<Value>) -> Self {
        Self { status: Some(status), body: Some(body.into()), ..Self::default() }
    }

    /// No answer at all.
    pub fn hang() -> Self {
        Self { hang: true, ..Self::default() }
    }

    /// Frames as they are, for what no proper server would send.
    pub fn raw_frames<S: Into<String>>(frames: impl IntoIterator<Item = S>) -> Self {
        Self { raw_frames: frames.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    #[must_use]
    pub fn and_text(mut self, text: &str) -> Self {
        self.text = Some(text.to_owned());
        self
    }

    #[must_use]
    pub fn and_call(mut self, call: ScriptedCall) -> Self {
        self.tool_calls.push(call);
        self
    }

    #[must_use]
    pub fn reasoning(mut self, text: &str) -> Self {
        self.reasoning = Some(text.to_owned());
        self
    }

    #[must_use]
    pub fn usage(mut self, prompt_tokens: u64, completion_tokens: u64) -> Self {
        self.usage = Some(json!({
            "prompt_tokens": prompt_tokens,
            "completion_tokens": completion_tokens,
            "total_tokens": prompt_tokens + completion_tokens,
        }));
        self
    }

    #[must_use]
    pub fn without_usage(mut self) -> Self {
        self.no_usage = true;
        self
    }

    #[must_use]
    pub fn finish_reason(mut self, reason: &str) -> Self {
        self.finish_reason = Some(reason.to_owned());
        self
    }

    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay_ms = millis(delay);
        self
    }

    #[must_use]
    pub fn jitter(mut self, most: Duration) -> Self {
        self.jitter_ms = millis(most);
        self
    }

    #[must_use]
    pub fn first_chunk_delay(mut self, delay: Duration) -> Self {
        self.first_chunk_delay_ms = millis(delay);
        self
    }

    #[must_use]
    pub fn chunk_delay(mut self, delay: Duration) -> Self {
        self.chunk_delay_ms = millis(delay);
        self
    }

    /// Waits with the whole answer until it is [released](super::ScriptedModel::release): for what must happen before it
    /// comes, however long that takes.
    #[must_use]
    pub fn held(mut self) -> Self {
        self.held = true;
        self
    }

    /// Waits with this frame and those behind it until they are [released](super::ScriptedModel::release). The first one
    /// carries the role only.
    #[must_use]
    pub fn held_at(mut self, frame: usize) -> Self {
        self.held_at = Some(frame);
        self
    }

    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    #[must_use]
    pub fn as_json(mut self) -> Self {
        self.json = true;
        self
    }

    #[must_use]
    pub fn broken_frame_at(mut self, index: usize) -> Self {
        self.broken_frame_at = Some(index);
        self
    }

    /// Ends the stream this way once all of the content is out.
    #[must_use]
    pub fn ending(mut self, ending: Ending) -> Self {
        self.ending = ending;
        self
    }

    /// Ends the stream this way after so many frames (the first frame carries the role only).
    #[must_use]
    pub fn ending_after(mut self, frames: usize, ending: Ending) -> Self {
        self.ending = ending;
        self.ending_after = Some(frames);
        self
    }

    /// Cuts the connection after so many frames.
    #[must_use]
    pub fn cut_after(self, frames: usize) -> Self {
        self.ending_after(frames, Ending::Cut)
    }

    #[must_use]
    pub fn write_size(mut self, bytes: usize) -> Self {
        self.write_size = Some(bytes);
        self
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
