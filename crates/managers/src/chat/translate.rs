//! From the events of a turn to the pieces of an answer.

use muisti_orm::schema::{
    AssistantContent, AssistantPart, AssistantRole, ChatCompletionChunk, ChatCompletionError, ChatCompletionFailure,
    ChatFinishReason, ChunkChoice, ChunkDelta, ChunkObject, CompletionUsage, ErrorMessage, RunId, StopReasonEvent,
    StreamEvent, Timestamp, WireMessage, chat_completion_id,
};

use super::finish_reason;

/// What stands between the texts of two messages.
const BETWEEN: &str = "\n\n";

/// What is to be sent of an event.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    /// A piece of the answer.
    Chunk(Box<ChatCompletionChunk>),
    /// What went wrong; nothing but the end follows.
    Failure(ChatCompletionFailure),
}

/// Translates the events of one turn.
#[derive(Debug)]
pub struct Translation {
    run_id: RunId,
    model: String,
    created: i64,
    include_usage: bool,
    /// The message whose text is being told.
    message: Option<String>,
    /// Why the turn stopped, once it has said so.
    stopped: Option<StopReasonEvent>,
    usage: Option<CompletionUsage>,
    failed: bool,
}

impl Translation {
    /// Nothing told yet of the turn of this run.
    pub fn new(run_id: RunId, model: String, include_usage: bool) -> Self {
        let created = Timestamp::now().utc().timestamp();
        Self { run_id, model, created, include_usage, message: None, stopped: None, usage: None, failed: false }
    }

    /// What is to be sent of an event: only what the agent says, and what goes wrong.
    pub fn read(&mut self, event: &StreamEvent) -> Option<Frame> {
        match event {
            StreamEvent::Message(WireMessage::Assistant(said)) => {
                let text = text(&said.content);
                (!text.is_empty()).then(|| self.more(&said.base.id, &text))
            }
            StreamEvent::StopReason(event) => {
                self.stopped = Some(event.clone());
                None
            }
            StreamEvent::Usage(usage) => {
                self.usage = Some(usage.into());
                None
            }
            StreamEvent::Error(error) => {
                self.failed = true;
                Some(Frame::Failure(failure(error)))
            }
            _ => None,
        }
    }

    /// What is to be sent when the turn is over: why it ended and, if asked for, what it cost.
    pub fn end(&mut self) -> Vec<Frame> {
        if self.failed {
            return Vec::new();
        }
        let Some(stopped) = &self.stopped else {
            let text = "Stream ended unexpectedly without a terminal event.";
            return vec![Frame::Failure(server_failure(text.to_owned(), "stream_incomplete"))];
        };
        let mut frames = vec![self.chunk(vec![choice(ChunkDelta::default(), Some(finish_reason(stopped)))], None)];
        if self.include_usage {
            let usage = self.usage.unwrap_or(CompletionUsage {
                completion_tokens: 0,
                prompt_tokens: 0,
                total_tokens: 0,
                completion_tokens_details: None,
                prompt_tokens_details: None,
            });
            frames.push(self.chunk(Vec::new(), Some(usage)));
        }
        frames
    }

    fn more(&mut self, message: &str, text: &str) -> Frame {
        let (role, content) = match self.message.as_deref() {
            None => (Some(AssistantRole::Assistant), text.to_owned()),
            Some(known) if known == message => (None, text.to_owned()),
            Some(_) => (None, format!("{BETWEEN}{text}")),
        };
        if self.message.as_deref() != Some(message) {
            self.message = Some(message.to_owned());
        }
        let delta = ChunkDelta { content: Some(content), role, ..ChunkDelta::default() };
        self.chunk(vec![choice(delta, None)], None)
    }

    fn chunk(&self, choices: Vec<ChunkChoice>, usage: Option<CompletionUsage>) -> Frame {
        Frame::Chunk(Box::new(ChatCompletionChunk {
            id: chat_completion_id(self.run_id),
            choices,
            created: self.created,
            model: self.model.clone(),
            object: ChunkObject::ChatCompletionChunk,
            service_tier: None,
            system_fingerprint: None,
            usage,
        }))
    }
}

/// All that is said in these messages, as the pieces of a stream would add up to it.
pub(super) fn text_of(messages: &[WireMessage]) -> String {
    let mut all = String::new();
    let mut last: Option<&str> = None;
    for message in messages {
        let WireMessage::Assistant(said) = message else { continue };
        let text = text(&said.content);
        if text.is_empty() {
            continue;
        }
        if last.is_some_and(|last| last != said.base.id) {
            all.push_str(BETWEEN);
        }
        last = Some(&said.base.id);
        all.push_str(&text);
    }
    all
}

fn text(content: &AssistantContent) -> String {
    match content {
        AssistantContent::Text(text) => text.clone(),
        AssistantContent::Parts(parts) => parts.iter().map(|AssistantPart::Text(part)| part.text.as_str()).collect(),
    }
}

fn choice(delta: ChunkDelta, finish_reason: Option<ChatFinishReason>) -> ChunkChoice {
    ChunkChoice { delta, finish_reason, index: 0, logprobs: None }
}

fn failure(error: &ErrorMessage) -> ChatCompletionFailure {
    let message = match error.detail.as_deref().filter(|detail| *detail != error.message) {
        Some(detail) => format!("{} {detail}", error.message),
        None => error.message.clone(),
    };
    server_failure(message, &error.error_type)
}

fn server_failure(message: String, code: &str) -> ChatCompletionFailure {
    let error = ChatCompletionError { message, r#type: "server_error".to_owned(), code: Some(code.to_owned()) };
    ChatCompletionFailure { error }
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::{AssistantMessage, MessageBase, Ping, StopReason, UsageStatistics};

    use super::*;

    fn said(id: &str, text: &str) -> StreamEvent {
        let base = MessageBase::new(id.to_owned(), Timestamp::now());
        StreamEvent::Message(AssistantMessage { base, content: text.into() }.into())
    }

    fn stop(reason: StopReason) -> StreamEvent {
        StreamEvent::StopReason(reason.into())
    }

    fn translated(include_usage: bool, events: &[StreamEvent]) -> Vec<serde_json::Value> {
        let mut translation = Translation::new(RunId::random(), "m".to_owned(), include_usage);
        let mut frames: Vec<_> = events.iter().filter_map(|event| translation.read(event)).collect();
        frames.extend(translation.end());
        let json = |frame: &Frame| match frame {
            Frame::Chunk(chunk) => serde_json::to_value(chunk).unwrap(),
            Frame::Failure(failure) => serde_json::to_value(failure).unwrap(),
        };
        frames.iter().map(json).collect()
    }

    #[test]
    fn only_what_the_agent_says_comes_through_and_the_role_once() {
        let events = [
            StreamEvent::Ping(Ping::new(None)),
            said("a", "Hel"),
            said("a", "lo."),
            said("b", "And?"),
            stop(StopReason::EndTurn),
            StreamEvent::Usage(UsageStatistics { prompt_tokens: 3, total_tokens: 3, ..UsageStatistics::default() }),
        ];
        let chunks = translated(false, &events);
        let texts: Vec<_> = chunks.iter().map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
        assert_eq!(texts, [Some("Hel"), Some("lo."), Some("\n\nAnd?"), None]);
        let roles: Vec<_> = chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["role"].as_str()).collect();
        assert_eq!(roles, ["assistant"]);
        assert_eq!(chunks[3]["choices"][0]["finish_reason"], "stop");
        assert!(chunks.iter().all(|chunk| chunk["id"] == chunks[0]["id"] && chunk["usage"].is_null()));

        let with_usage = translated(true, &events);
        assert_eq!(with_usage[4]["choices"], serde_json::json!([]));
        assert_eq!(with_usage[4]["usage"]["prompt_tokens"], 3);
    }

    #[test]
    fn the_pieces_add_up_to_the_whole_text() {
        let events = [said("a", "Let me see."), said("b", "It is "), said("b", "green.")];
        let pieces = translated(false, &events);
        let streamed: String =
            pieces.iter().filter_map(|piece| piece["choices"][0]["delta"]["content"].as_str()).collect();
        let messages = events.map(|event| match event {
            StreamEvent::Message(message) => message,
            other => panic!("{other:?}"),
        });
        assert_eq!(streamed, text_of(&messages));
        assert_eq!(streamed, "Let me see.\n\nIt is green.");
    }

    #[test]
    fn running_out_of_tokens_is_told_as_length() {
        let chunks = translated(false, &[said("a", "x"), stop(StopReason::MaxTokensExceeded)]);
        assert_eq!(chunks[1]["choices"][0]["finish_reason"], "length");
    }

    #[test]
    fn an_answer_that_the_provider_holds_back_says_so() {
        let held_back = StopReasonEvent { stop_reason: StopReason::EndTurn, held_back: true };
        let chunks = translated(false, &[said("a", "x"), StreamEvent::StopReason(held_back)]);
        assert_eq!(chunks[1]["choices"][0]["finish_reason"], "content_filter");
    }

    #[test]
    fn a_failure_is_an_error_and_no_stop() {
        let error = ErrorMessage {
            run_id: RunId::random(),
            error_type: "llm_rate_limit".to_owned(),
            message: "Slow down.".to_owned(),
            detail: Some("429".to_owned()),
            seq_id: None,
        };
        let frames = translated(true, &[said("a", "x"), stop(StopReason::LlmApiError), StreamEvent::Error(error)]);
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[1]["error"]["code"], "llm_rate_limit");
        assert_eq!(frames[1]["error"]["message"], "Slow down. 429");
        let vanished = translated(false, &[said("a", "x")]);
        assert_eq!(vanished[1]["error"]["code"], "stream_incomplete");
    }
}
