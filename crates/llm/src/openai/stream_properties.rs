//! Whatever a model answers and however its bytes are framed and cut, the same events come out.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::assemble::{Assembler, ChatAnswer};
use crate::provider::ProviderKind;

/// What a model says: the pieces in which it streams, joined in a whole body.
#[derive(Debug, Clone)]
struct Said {
    reasoning: Vec<String>,
    text: Vec<String>,
    /// Name and pieces of the arguments.
    calls: Vec<(String, Vec<String>)>,
    logprobs: bool,
    usage: Option<(i64, i64)>,
}

/// How a server frames its events.
#[derive(Debug, Clone, Copy)]
struct Framing {
    line_end: &'static str,
    comments: bool,
    event_names: bool,
    /// The place of the blank after `data:`, which may be missing.
    blank: bool,
    done: bool,
}

impl Said {
    fn finish(&self) -> &'static str {
        if self.calls.is_empty() { "stop" } else { "tool_calls" }
    }

    fn usage(&self) -> Value {
        self.usage.map_or(Value::Null, |(prompt, completion)| {
            json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})
        })
    }

    fn logprobs(&self, pieces: &[String]) -> Value {
        if !self.logprobs || pieces.is_empty() {
            return Value::Null;
        }
        let token = |piece: &String| json!({"token": piece, "logprob": -0.5, "bytes": null, "top_logprobs": []});
        json!({"content": pieces.iter().map(token).collect::<Vec<_>>()})
    }

    /// One JSON body.
    fn body(&self) -> String {
        let calls = self.calls.iter().enumerate().map(|(index, (name, arguments))| {
            json!({"id": id(index), "type": "function", "function": {"name": name, "arguments": arguments.concat()}})
        });
        let message = json!({
            "role": "assistant",
            "content": self.text.concat(),
            "reasoning_content": self.reasoning.concat(),
            "tool_calls": calls.collect::<Value>(),
        });
        let choice = json!({
            "index": 0, "message": message, "finish_reason": self.finish(), "logprobs": self.logprobs(&self.text),
        });
        json!({"choices": [choice], "usage": self.usage()}).to_string()
    }

    /// The pieces of a stream.
    fn chunks(&self) -> Vec<Value> {
        let delta = |delta: Value| json!({"choices": [{"index": 0, "delta": delta, "finish_reason": null}]});
        let mut chunks = vec![delta(json!({"role": "assistant", "content": ""}))];
        chunks.extend(self.reasoning.iter().map(|piece| delta(json!({"reasoning_content": piece}))));
        for piece in &self.text {
            let mut chunk = delta(json!({"content": piece}));
            chunk["choices"][0]["logprobs"] = self.logprobs(std::slice::from_ref(piece));
            chunks.push(chunk);
        }
        for (index, (name, arguments)) in self.calls.iter().enumerate() {
            let call = json!({"index": index, "id": id(index), "function": {"name": name, "arguments": ""}});
            chunks.push(delta(json!({"tool_calls": [call]})));
            for piece in arguments {
                chunks.push(delta(json!({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})));
            }
        }
        chunks.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": self.finish()}]}));
        if self.usage.is_some() {
            chunks.push(json!({"choices": [], "usage": self.usage()}));
        }
        chunks
    }

    /// A stream, as bytes.
    fn stream(&self, framing: Framing) -> Vec<u8> {
        let end = framing.line_end;
        let mut bytes = String::new();
        let pieces = self.chunks().into_iter().map(|chunk| chunk.to_string());
        for piece in pieces.chain(framing.done.then(|| "[DONE]".to_owned())) {
            if framing.comments {
                bytes += &format!(": grün{end}{end}");
            }
            if framing.event_names {
                bytes += &format!("event: message{end}");
            }
            bytes += if framing.blank { "data: " } else { "data:" };
            bytes += &format!("{piece}{end}{end}");
        }
        bytes.into_bytes()
    }
}

fn id(index: usize) -> String {
    format!("call_{index}")
}

fn pieces() -> impl Strategy<Value = Vec<String>> {
    // Control characters, quotes, and characters of one to four bytes.
    prop::collection::vec("[a-z \"\\\\\n\r\u{0}üß–🟢日]{1,6}", 0..5)
}

fn said() -> impl Strategy<Value = Said> {
    let calls = prop::collection::vec(("[a-z_]{1,9}", pieces()), 0..3);
    let usage = prop::option::of((0..9_i64, 0..9_i64));
    (pieces(), pieces(), calls, any::<bool>(), usage).prop_map(|(reasoning, mut text, calls, logprobs, usage)| {
        if reasoning.is_empty() && text.is_empty() && calls.is_empty() {
            text.push("ja".to_owned());
        }
        Said { reasoning, text, calls, logprobs, usage }
    })
}

fn framing() -> impl Strategy<Value = Framing> {
    let ends = prop::sample::select(vec!["\n", "\r\n"]);
    (ends, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(line_end, comments, event_names, blank, done)| Framing { line_end, comments, event_names, blank, done },
    )
}

/// The bytes in pieces that end at these fractions of them.
fn cut(bytes: &[u8], at: &[prop::sample::Index]) -> Vec<Result<Vec<u8>, LlmError>> {
    let mut ends: Vec<usize> = at.iter().map(|index| index.index(bytes.len() + 1)).collect();
    ends.sort_unstable();
    ends.push(bytes.len());
    let mut from = 0;
    ends.into_iter().map(|to| Ok(bytes[std::mem::replace(&mut from, to)..to].to_vec())).collect()
}

fn read(stream: ChatStream) -> Vec<ChatEvent> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(stream.map(Result::unwrap).collect())
}

fn reader() -> ChunkReader {
    ChunkReader::new("lab", ProviderKind::Compatible, "m")
}

fn of_pieces(pieces: Vec<Result<Vec<u8>, LlmError>>) -> Vec<ChatEvent> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let _clock = runtime.enter();
    read(events(stream::iter(pieces), reader(), Timeouts::default()))
}

fn assembled(events: &[ChatEvent]) -> ChatAnswer {
    let mut assembler = Assembler::new();
    events.iter().for_each(|event| assembler.push(event));
    assembler.finish("lab").unwrap()
}

proptest! {
    #[test]
    fn any_cut_of_any_answer_gives_the_same_events(
        said in said(), framing in framing(), at in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
    ) {
        let bytes = said.stream(framing);
        let whole = of_pieces(vec![Ok(bytes.clone())]);
        prop_assert_eq!(of_pieces(cut(&bytes, &at)), whole);
    }

    #[test]
    fn a_byte_at_a_time_gives_the_same_events(said in said(), framing in framing()) {
        let bytes = said.stream(framing);
        let whole = of_pieces(vec![Ok(bytes.clone())]);
        prop_assert_eq!(of_pieces(bytes.iter().map(|byte| Ok(vec![*byte])).collect()), whole);
    }

    #[test]
    fn the_framing_is_no_part_of_the_answer(said in said(), one in framing(), other in framing()) {
        prop_assert_eq!(of_pieces(vec![Ok(said.stream(one))]), of_pieces(vec![Ok(said.stream(other))]));
    }

    #[test]
    fn a_stream_and_a_whole_body_of_the_same_content_are_the_same_answer(said in said(), framing in framing()) {
        let streamed = assembled(&of_pieces(vec![Ok(said.stream(framing))]));
        let at_once = assembled(&read(whole(&said.body(), reader()).unwrap()));
        prop_assert_eq!(&streamed, &at_once);
        let text = said.text.concat();
        prop_assert_eq!(streamed.text.unwrap_or_default(), text);
        let calls: Vec<_> = said.calls.iter().map(|(name, pieces)| (name.clone(), pieces.concat())).collect();
        let read: Vec<_> = streamed.tool_calls.into_iter().map(|call| (call.name, call.arguments)).collect();
        prop_assert_eq!(read, calls);
    }
}
