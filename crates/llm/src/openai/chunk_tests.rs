use super::*;
use crate::assemble::{Assembler, ChatAnswer};
use serde_json::json;

fn reader() -> ChunkReader {
    ChunkReader::new("lab", ProviderKind::Compatible, "some-model")
}

fn delta(delta: Value) -> String {
    json!({"choices": [{"index": 0, "delta": delta}]}).to_string()
}

fn fold(events: &[ChatEvent]) -> ChatAnswer {
    let mut assembler = Assembler::new();
    for event in events {
        assembler.push(event);
    }
    assembler.so_far().clone()
}

fn read(mut reader: ChunkReader, pieces: &[String]) -> ChatAnswer {
    let mut events = Vec::new();
    for piece in pieces {
        reader.read(piece, &mut events).unwrap();
    }
    reader.end(true, &mut events).unwrap();
    fold(&events)
}

fn call(piece: Value) -> String {
    delta(json!({"tool_calls": [piece]}))
}

fn calls(answer: &ChatAnswer) -> Vec<(&str, &str, &str)> {
    answer.tool_calls.iter().map(|c| (c.id.as_str(), c.name.as_str(), c.arguments.as_str())).collect()
}

#[test]
fn parallel_calls_are_told_apart_by_their_index() {
    let answer = read(
        reader(),
        &[
            call(json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": ""}})),
            call(json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": "{\"x\""}})),
            call(json!({"index": 0, "function": {"arguments": "{}"}})),
            call(json!({"index": 1, "id": "b", "function": {"name": "two", "arguments": ":1}"}})),
        ],
    );
    assert_eq!(calls(&answer), [("a", "one", "{}"), ("b", "two", "{\"x\":1}")]);
    assert_eq!(answer.finish, Some(FinishReason::ToolCalls));
}

#[test]
fn servers_that_count_every_call_as_zero_are_understood() {
    let answer = read(
        reader(),
        &[
            call(json!({"index": 0, "id": "a", "function": {"name": "one", "arguments": "{}"}})),
            call(json!({"index": 0, "id": "b", "function": {"name": "two", "arguments": {"x": 1}}})),
        ],
    );
    assert_eq!(calls(&answer), [("a", "one", "{}"), ("b", "two", "{\"x\":1}")]);
}

#[test]
fn calls_without_index_and_id_are_understood() {
    let answer = read(
        reader(),
        &[
            call(json!({"function": {"name": "one", "arguments": "{\"x\":"}})),
            call(json!({"function": {"arguments": "1}"}})),
            call(json!({"id": "", "function": {"name": "one", "arguments": "{}"}})),
            delta(json!({"tool_calls": [{"function": {"name": "p"}}, {"function": {"name": "q", "arguments": null}}]})),
        ],
    );
    let found: Vec<_> = answer.tool_calls.iter().map(|c| (c.name.as_str(), c.arguments.as_str())).collect();
    assert_eq!(found, [("one", "{\"x\":1}"), ("one", "{}"), ("p", ""), ("q", "")]);
    assert!(answer.tool_calls.iter().all(|c| c.id.len() == 13 && c.id.starts_with("call_")));
}

#[test]
fn an_id_used_twice_is_replaced() {
    let whole = json!({"choices": [{"message": {"content": null, "tool_calls": [
        {"id": "0", "type": "function", "function": {"name": "one", "arguments": "{}"}},
        {"id": "0", "type": "function", "function": {"name": "two", "arguments": "{}"}}]}}]});
    let answer = read(reader(), &[whole.to_string()]);
    assert_eq!(answer.tool_calls.len(), 2);
    assert_ne!(answer.tool_calls[0].id, answer.tool_calls[1].id);
}

#[test]
fn reasoning_is_read_under_either_name_and_once_when_under_both() {
    for thought in [
        json!({"reasoning_content": "hm"}),
        json!({"reasoning": "hm"}),
        json!({"reasoning_content": "hm", "reasoning": "hm", "content": ""}),
        json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
    ] {
        let answer = read(reader(), &[delta(thought), delta(json!({"content": [{"type": "text", "text": "ok"}]}))]);
        assert_eq!((answer.reasoning.as_deref(), answer.text.as_deref()), (Some("hm"), Some("ok")));
    }
}

#[test]
fn hidden_reasoning_is_said_first_and_once() {
    let hides = ChunkReader::new("openai", ProviderKind::OpenAi, "o3-mini");
    let mut events = Vec::new();
    let mut hides = hides;
    for text in ["a", "b"] {
        hides.read(&delta(json!({"content": text})), &mut events).unwrap();
    }
    assert_eq!(events[0], ChatEvent::OmittedReasoning);
    assert_eq!(events.iter().filter(|event| **event == ChatEvent::OmittedReasoning).count(), 1);
}

#[test]
fn deepseeks_answer_may_stand_in_its_reasoning() {
    let reader = ChunkReader::new("deepseek", ProviderKind::DeepSeek, "deepseek-reasoner");
    let finish = json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}).to_string();
    let answer = read(reader, &[delta(json!({"reasoning_content": "42"})), finish]);
    assert_eq!(answer.text.as_deref(), Some("42"));
}

#[test]
fn the_last_usage_counts_and_what_is_not_reported_is_not_zero() {
    let usage = |n: i64, details: Value| {
        json!({"choices": [], "usage": {"prompt_tokens": n, "completion_tokens": 2,
        "prompt_tokens_details": details}})
        .to_string()
    };
    let answer = read(
        reader(),
        &[usage(1, Value::Null), usage(5, json!({"cached_tokens": 0})), r#"{"usage": null}"#.to_owned()],
    );
    let usage = answer.usage.unwrap();
    assert_eq!((usage.prompt_tokens, usage.total_tokens), (5, 7));
    assert_eq!((usage.cached_input_tokens, usage.reasoning_tokens), (Some(0), None));
    assert_eq!(read(reader(), &[delta(json!({"content": "x"}))]).usage, None);
}

#[test]
fn an_answer_without_its_end_is_broken() {
    let mut half = reader();
    let mut events = Vec::new();
    half.read(&delta(json!({"content": "Hal"})), &mut events).unwrap();
    assert_eq!(half.end(false, &mut events).unwrap_err().kind, LlmErrorKind::BrokenStream);
    assert_eq!(reader().read("{\"cho", &mut events).unwrap_err().kind, LlmErrorKind::InvalidResponse);
}

#[test]
fn an_error_in_an_answer_is_an_error() {
    let mut events = Vec::new();
    let error = reader().read(r#"{"error": {"message": "slow down", "code": 429}}"#, &mut events).unwrap_err();
    assert_eq!(error.kind, LlmErrorKind::RateLimit);
    let error = reader().read_error(r#"{"message": "maximum context length is 1"}"#);
    assert_eq!(error.kind, LlmErrorKind::ContextOverflow);
    assert_eq!(
        reader().read_whole(r#"{"status": "ok"}"#, &mut events).unwrap_err().kind,
        LlmErrorKind::InvalidResponse
    );
}

#[test]
fn every_finish_word_has_its_meaning() {
    for (word, reason) in [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("function_call", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("abort", FinishReason::Other("abort".to_owned())),
    ] {
        let piece = json!({"choices": [{"delta": {"content": "x"}, "finish_reason": word}]}).to_string();
        assert_eq!(read(reader(), &[piece]).finish, Some(reason));
    }
}
