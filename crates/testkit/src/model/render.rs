//! An answer in the wire form of OpenAI chat completions: one object, or the frames of a stream.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::answer::{Answer, CallId, Ending, ScriptedCall};
use super::script::SeenRequest;

/// A frame with JSON torn in the middle.
const BROKEN_FRAME: &str = "data: {\"id\":\"chatcmpl-torn\",\"choices\":[{\"index\":0,\"del\n\n";

/// The answer with ids chosen and `{{n}}` filled in, ready to be written either way.
pub(crate) struct Rendered<'a> {
    answer: &'a Answer,
    id: String,
    created: u64,
    model: String,
    reasoning: Vec<String>,
    text: Vec<String>,
    calls: Vec<(Option<String>, String, String)>,
    usage: Option<Value>,
    stream_usage: bool,
}

impl<'a> Rendered<'a> {
    pub(crate) fn new(answer: &'a Answer, request: &SeenRequest, number: u64) -> Self {
        let fill = |text: &str| text.replace("{{n}}", &number.to_string());
        let text = if answer.chunks.is_empty() {
            words(&fill(answer.text.as_deref().unwrap_or_default()))
        } else {
            answer.chunks.iter().map(|chunk| fill(chunk)).collect()
        };
        let reasoning = words(&fill(answer.reasoning.as_deref().unwrap_or_default()));
        let calls =
            answer.tool_calls.iter().map(|call| (call_id(call), call.name.clone(), fill(&call.argument_text())));
        let calls: Vec<_> = calls.collect();
        let usage = (!answer.no_usage).then(|| {
            answer.usage.clone().unwrap_or_else(|| {
                let prompt = request.messages().iter().map(|message| message.to_string().len()).sum::<usize>() / 4;
                let completion =
                    text.len() + reasoning.len() + calls.iter().map(|call| call.2.len() / 4 + 2).sum::<usize>();
                json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
            })
        });
        Self {
            answer,
            id: format!("chatcmpl-{}", fresh()),
            created: SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default(),
            model: request.body["model"].as_str().unwrap_or("scripted").to_owned(),
            reasoning,
            text,
            calls,
            usage,
            stream_usage: request.body["stream_options"]["include_usage"] == true,
        }
    }

    fn finish_reason(&self) -> &str {
        let natural = if self.calls.is_empty() { "stop" } else { "tool_calls" };
        self.answer.finish_reason.as_deref().unwrap_or(natural)
    }

    /// The whole answer as one `chat.completion` object.
    pub(crate) fn object(&self) -> Value {
        let text = self.text.concat();
        let mut message =
            json!({"role": "assistant", "content": if text.is_empty() { Value::Null } else { text.into() }});
        if !self.reasoning.is_empty() {
            message["reasoning_content"] = self.reasoning.concat().into();
        }
        if !self.calls.is_empty() {
            let calls = self.calls.iter().map(|(id, name, arguments)| {
                let mut call = json!({"type": "function", "function": {"name": name, "arguments": arguments}});
                if let Some(id) = id {
                    call["id"] = id.as_str().into();
                }
                call
            });
            message["tool_calls"] = calls.collect();
        }
        let mut object = json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [{"index": 0, "message": message, "finish_reason": self.finish_reason()}],
        });
        if let Some(usage) = &self.usage {
            object["usage"] = usage.clone();
        }
        object
    }

    /// The frames of the stream, each with its empty line, up to where the ending cuts them off.
    pub(crate) fn frames(&self) -> Vec<String> {
        if !self.answer.raw_frames.is_empty() {
            return self.answer.raw_frames.clone();
        }
        let mut frames = vec![self.delta(json!({"role": "assistant", "content": ""}))];
        frames.extend(self.reasoning.iter().map(|piece| self.delta(json!({"reasoning_content": piece}))));
        frames.extend(self.text.iter().map(|piece| self.delta(json!({"content": piece}))));
        for (index, (id, name, arguments)) in self.calls.iter().enumerate() {
            let mut first = json!({"index": index, "type": "function", "function": {"name": name, "arguments": ""}});
            if let Some(id) = id {
                first["id"] = id.as_str().into();
            }
            frames.push(self.delta(json!({"tool_calls": [first]})));
            for piece in fragments(arguments) {
                frames.push(self.delta(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})));
            }
        }
        let content = frames.len();
        frames.push(self.chunk(json!([{"index": 0, "delta": {}, "finish_reason": self.finish_reason()}])));
        if let (Some(usage), true) = (&self.usage, self.stream_usage) {
            let mut chunk = self.bare_chunk(json!([]));
            chunk["usage"] = usage.clone();
            frames.push(frame(&chunk));
        }
        match self.answer.ending {
            Ending::Done => frames.push("data: [DONE]\n\n".to_owned()),
            Ending::NoDone => {}
            Ending::Unfinished | Ending::Cut | Ending::Hang => frames.truncate(content),
        }
        if let Some(after) = self.answer.ending_after {
            frames.truncate(after);
        }
        if let Some(index) = self.answer.broken_frame_at {
            frames.insert(index.min(frames.len()), BROKEN_FRAME.to_owned());
        }
        frames
    }

    fn delta(&self, delta: Value) -> String {
        self.chunk(json!([{"index": 0, "delta": delta, "finish_reason": null}]))
    }

    fn chunk(&self, choices: Value) -> String {
        frame(&self.bare_chunk(choices))
    }

    fn bare_chunk(&self, choices: Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

fn frame(value: &Value) -> String {
    format!("data: {value}\n\n")
}

/// Cuts after every run of blanks, so that the pieces read like tokens and join to the text.
fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}

/// Pieces of nine characters: no JSON member survives uncut.
fn fragments(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    characters.chunks(9).map(|piece| piece.iter().collect()).collect()
}

fn call_id(call: &ScriptedCall) -> Option<String> {
    match &call.id {
        CallId::Fresh => Some(format!("call_{}", fresh())),
        CallId::Missing => None,
        CallId::Given(id) => Some(id.clone()),
    }
}

/// Unique among all scripted models of this machine, so that a test may restart its model and still tell calls apart.
fn fresh() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_micros()).unwrap_or_default();
    format!("{now:x}{count:04x}")
}
