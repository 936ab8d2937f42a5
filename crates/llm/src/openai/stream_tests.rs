use super::*;
use crate::assemble::{Assembler, ChatAnswer};
use crate::chat::FinishReason;
use crate::provider::ProviderKind;
use proptest::prelude::*;

/// As OpenAI sends it: text, two calls in parallel, usage after the end; a comment and a CRLF as proxies put them in.
const RECORDED: &str = concat!(
    ": keep-alive\n\n",
    "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null},\"logprobs\":null,\"finish_reason\":null}],\"usage\":null}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning_content\":\"Grün?\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Ich merke mir: \"},\"finish_reason\":null}]}\r\n\r\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"grün 🟢\"},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_a\",\"type\":\"function\",\"function\":{\"name\":\"memory_insert\",\"arguments\":\"\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"label\\\":\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"\\\"human\\\"}\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":1,\"id\":\"call_b\",\"type\":\"function\",\"function\":{\"name\":\"search\",\"arguments\":\"{}\"}}]},\"finish_reason\":null}]}\n\n",
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n",
    "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"total_tokens\":12,\"prompt_tokens_details\":{\"cached_tokens\":4}}}\n\n",
    "data: [DONE]\n\n",
);

/// The same answer as one body.
const WHOLE: &str = r#"{"choices": [{"index": 0, "finish_reason": "tool_calls", "message": {"role": "assistant",
    "content": "Ich merke mir: grün 🟢", "reasoning_content": "Grün?", "tool_calls": [
    {"id": "call_a", "type": "function", "function": {"name": "memory_insert", "arguments": "{\"label\":\"human\"}"}},
    {"id": "call_b", "type": "function", "function": {"name": "search", "arguments": "{}"}}]}}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}}}"#;

fn reader() -> ChunkReader {
    ChunkReader::new("lab", ProviderKind::Compatible, "m")
}

fn cut(bytes: &[u8], mut at: Vec<usize>) -> Vec<Result<Vec<u8>, LlmError>> {
    at.sort_unstable();
    let mut pieces = Vec::new();
    let mut from = 0;
    for to in at.into_iter().chain([bytes.len()]) {
        pieces.push(Ok(bytes[from..to].to_vec()));
        from = to;
    }
    pieces
}

async fn collect(mut events: ChatStream) -> Result<ChatAnswer, LlmError> {
    let mut assembler = Assembler::new();
    while let Some(event) = events.next().await {
        assembler.push(&event?);
    }
    assembler.finish("lab")
}

fn answer(pieces: Vec<Result<Vec<u8>, LlmError>>) -> Result<ChatAnswer, LlmError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(collect(events(stream::iter(pieces), reader(), Timeouts::default())))
}

fn expected() -> ChatAnswer {
    answer(cut(RECORDED.as_bytes(), vec![])).unwrap()
}

#[test]
fn a_recorded_stream_and_its_whole_body_give_the_same_answer() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let from_body = runtime.block_on(async { collect(whole(WHOLE, reader()).unwrap()).await.unwrap() });
    assert_eq!(expected(), from_body);
    assert_eq!(from_body.text.as_deref(), Some("Ich merke mir: grün 🟢"));
    assert_eq!(from_body.tool_calls[0].arguments, "{\"label\":\"human\"}");
    assert_eq!(from_body.usage.unwrap().cached_input_tokens, Some(4));
}

#[test]
fn a_cut_at_every_byte_gives_the_same_answer() {
    let expected = expected();
    for at in 0..=RECORDED.len() {
        assert_eq!(answer(cut(RECORDED.as_bytes(), vec![at])).unwrap(), expected, "cut at byte {at}");
    }
}

proptest! {
    #[test]
    fn any_cuts_give_the_same_answer(at in prop::collection::vec(0..=RECORDED.len(), 0..60)) {
        prop_assert_eq!(answer(cut(RECORDED.as_bytes(), at)).unwrap(), expected());
    }
}

#[test]
fn a_stream_that_ends_at_any_byte_before_its_finish_is_broken_and_after_it_is_whole() {
    let finish =
        RECORDED.find("\"finish_reason\":\"tool_calls\"").unwrap() + "\"finish_reason\":\"tool_calls\"}]}".len();
    for end in 0..RECORDED.len() {
        let result = answer(vec![Ok(RECORDED.as_bytes()[..end].to_vec())]);
        if end < finish {
            assert_eq!(result.unwrap_err().kind, LlmErrorKind::BrokenStream, "ends at byte {end}");
        } else {
            assert_eq!(result.unwrap().finish, Some(FinishReason::ToolCalls), "ends at byte {end}");
        }
    }
}

#[test]
fn what_had_come_is_told_before_the_failure() {
    let broken = LlmError::new(LlmErrorKind::BrokenStream, "lab", "cut");
    let start = RECORDED.find("data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\"").unwrap();
    let pieces = vec![Ok(RECORDED.as_bytes()[..start].to_vec()), Err(broken.clone())];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let told: Vec<_> =
        runtime.block_on(events(stream::iter(pieces), reader(), Timeouts::default()).collect::<Vec<_>>());
    assert_eq!(told.len(), 4);
    assert_eq!(told.last(), Some(&Err(broken)));
}

#[tokio::test(start_paused = true)]
async fn silence_ends_a_stream_sooner_after_it_has_begun() {
    let clocks = Timeouts { first_byte: Duration::from_secs(60), idle: Duration::from_secs(7), ..Timeouts::default() };
    let start = Instant::now();
    let never = events(stream::pending::<Result<Vec<u8>, LlmError>>(), reader(), clocks);
    assert_eq!(collect(never).await.unwrap_err().kind, LlmErrorKind::Timeout);
    assert_eq!(start.elapsed().as_secs(), 60);

    let start = Instant::now();
    let half = RECORDED.as_bytes()[..RECORDED.find("\r\n\r\n").unwrap() + 4].to_vec();
    let hangs = events(stream::iter([Ok(half)]).chain(stream::pending()), reader(), clocks);
    assert_eq!(collect(hangs).await.unwrap_err().kind, LlmErrorKind::Timeout);
    assert_eq!(start.elapsed().as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_connection_left_open_after_the_answer_does_not_hold_it_up() {
    let start = Instant::now();
    let whole_but_done = RECORDED.as_bytes()[..RECORDED.find("data: {\"choices\":[],\"usage\"").unwrap()].to_vec();
    let hangs = events(stream::iter([Ok(whole_but_done)]).chain(stream::pending()), reader(), Timeouts::default());
    let answer = collect(hangs).await.unwrap();
    assert_eq!((answer.tool_calls.len(), answer.usage), (2, None));
    assert_eq!(start.elapsed(), USAGE_LAG);
}

#[tokio::test]
async fn an_answer_without_an_end_is_given_up() {
    use crate::http::BaseUrl;
    let client = || {
        let url = BaseUrl::parse("http://127.0.0.1:1").unwrap();
        Client::new("lab", url, None, Timeouts::default(), crate::openai::errors::from_status)
    };
    let endless = || stream::iter(std::iter::repeat_with(|| Ok::<_, LlmError>(b"data: never an end of line".to_vec())));
    let given_up = collect(events(bounded(endless(), 1_000, client()), reader(), Timeouts::default())).await;
    assert_eq!(given_up.unwrap_err().message, "the answer is over 1000 bytes.");
    let whole = stream::iter(cut(RECORDED.as_bytes(), vec![7, 70]));
    let read = collect(events(bounded(whole, RECORDED.len(), client()), reader(), Timeouts::default())).await;
    assert_eq!(read.unwrap(), tokio::task::spawn_blocking(expected).await.unwrap());
}
