//! What clients see, while it comes, of an answer in the older style: thoughts, then words or a call.

use muisti_llm::{Assembler, ChatEvent};
use muisti_orm::schema::{
    AssistantMessage, DEFAULT_MESSAGE_TOOL, DEFAULT_MESSAGE_TOOL_KWARG, HiddenReasoningMessage, HiddenReasoningState,
    MessageBase, MessageType, ReasoningMessage, ReasoningSource, RunRequestConfig, ToolCallDelta, ToolCallMessage,
    WireMessage,
};

use super::{
    END_OF_THOUGHTS, Thoughts,
    members::{Members, Token},
    splitter::{Split, ThoughtSplitter},
    text::JsonText,
};

/// A piece of an answer as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent_loop) enum Piece {
    /// Of what the agent says.
    Words(String),
    /// Of what it thinks.
    Thought(ReasoningSource, String),
    /// A sign that it thinks what is not shown.
    HiddenThought,
    /// Of its call.
    Call(ToolCallDelta),
}

impl Piece {
    /// The kind of the message that it is a piece of.
    pub(in crate::agent_loop) const fn kind(&self) -> (MessageType, Option<ReasoningSource>) {
        match self {
            Self::Words(_) => (MessageType::AssistantMessage, None),
            Self::Thought(source, _) => (MessageType::ReasoningMessage, Some(*source)),
            Self::HiddenThought => (MessageType::HiddenReasoningMessage, None),
            Self::Call(_) => (MessageType::ToolCallMessage, None),
        }
    }

    /// The piece as a message.
    pub(in crate::agent_loop) fn into_message(self, base: MessageBase) -> WireMessage {
        match self {
            Self::Words(text) => AssistantMessage { base, content: text.into() }.into(),
            Self::Thought(source, reasoning) => ReasoningMessage { base, source, reasoning, signature: None }.into(),
            Self::HiddenThought => {
                let state = HiddenReasoningState::Omitted;
                HiddenReasoningMessage { base, state, hidden_reasoning: None }.into()
            }
            Self::Call(delta) => ToolCallMessage::of_delta(base, delta).into(),
        }
    }
}

/// Counts the messages of an answer while their pieces come, as the parts of the stored message will be counted.
#[derive(Debug, Default)]
pub(in crate::agent_loop) struct Numbering {
    last: Option<(MessageType, Option<ReasoningSource>)>,
    begun: usize,
}

impl Numbering {
    /// The number, from 0, of the message that a piece of this kind belongs to.
    pub(in crate::agent_loop) fn of(&mut self, kind: (MessageType, Option<ReasoningSource>)) -> usize {
        if self.last.replace(kind) != Some(kind) {
            self.begun += 1;
        }
        self.begun.saturating_sub(1)
    }
}

/// Turns the events of one answer into pieces. Only its first call is looked at.
#[derive(Debug)]
pub(in crate::agent_loop) struct Pieces {
    thoughts: Thoughts,
    /// Whether calls of the message tool are shown as what the agent says.
    speaks: bool,
    unmarked: Unmarked,
    /// Whether the model has said something beside its call.
    said: bool,
    splitter: ThoughtSplitter,
    thought: bool,
    call: Option<Call>,
}

/// The call whose arguments come.
#[derive(Debug)]
struct Call {
    index: usize,
    id: String,
    /// How what it says is read, if it is one of the message tool. Not known before its arguments begin.
    shown: Option<Shown>,
}

#[derive(Debug)]
enum Shown {
    Words(Box<Speech>),
    Call,
}

impl Pieces {
    pub(super) fn new(thoughts: Thoughts, config: &RunRequestConfig) -> Self {
        Self {
            thoughts,
            speaks: config.use_assistant_message,
            unmarked: Unmarked::default(),
            said: false,
            splitter: ThoughtSplitter::default(),
            thought: false,
            call: None,
        }
    }

    /// The pieces that this event makes. `answer` has already taken the event in: it knows the call's name and id.
    pub(in crate::agent_loop) fn of(&mut self, event: &ChatEvent, answer: &Assembler) -> Vec<Piece> {
        let mut pieces = Vec::new();
        match event {
            ChatEvent::Reasoning(text) => pieces.push(Piece::Thought(ReasoningSource::ReasonerModel, text.clone())),
            ChatEvent::OmittedReasoning => pieces.push(Piece::HiddenThought),
            // What is said beside a call that has begun is found in the list.
            ChatEvent::Text(text) if self.thoughts != Thoughts::Native && self.call.is_none() => {
                let text = self.unmarked.push(text);
                self.say(text, &mut pieces);
            }
            ChatEvent::Text(_) | ChatEvent::Usage(_) | ChatEvent::Logprobs(_) => {}
            ChatEvent::ToolCall { index, arguments, .. } => self.call(*index, arguments, answer, &mut pieces),
            ChatEvent::Finish(_) => {
                let rest = self.unmarked.finish();
                self.say(rest, &mut pieces);
                let main = self.splitter.finish();
                self.show(&main, true, answer, &mut pieces);
            }
        }
        pieces
    }

    fn say(&mut self, text: String, pieces: &mut Vec<Piece>) {
        if !text.is_empty() {
            self.said = true;
            pieces.push(Piece::Thought(ReasoningSource::NonReasonerModel, text));
        }
    }

    fn call(&mut self, index: usize, arguments: &str, answer: &Assembler, pieces: &mut Vec<Piece>) {
        if self.call.is_none() {
            let Some(id) = answer.tool_call_id(index) else { return };
            let rest = self.unmarked.finish();
            self.say(rest, pieces);
            self.call = Some(Call { index, id: id.to_owned(), shown: None });
        }
        if self.call.as_ref().is_none_or(|call| call.index != index) {
            return;
        }
        let Split { main, mut thoughts } = match self.thoughts {
            Thoughts::InArguments => self.splitter.push(arguments),
            Thoughts::InText | Thoughts::Native => Split { main: arguments.to_owned(), thoughts: String::new() },
        };
        if !thoughts.is_empty() {
            // As the stored text has it.
            if self.said && !self.thought {
                thoughts.insert(0, '\n');
            }
            self.thought = true;
            pieces.push(Piece::Thought(ReasoningSource::NonReasonerModel, thoughts));
        }
        self.show(&main, false, answer, pieces);
    }

    /// Shows what has come of the call, its name first. The name is complete when the arguments begin, or at the end.
    fn show(&mut self, main: &str, at_end: bool, answer: &Assembler, pieces: &mut Vec<Piece>) {
        let Some(call) = &mut self.call else { return };
        if call.shown.is_none() && (at_end || !main.is_empty()) {
            let calls = &answer.so_far().tool_calls;
            let name = calls.iter().find(|known| known.id == call.id).map_or("", |known| known.name.as_str());
            call.shown = Some(if self.speaks && name == DEFAULT_MESSAGE_TOOL {
                Shown::Words(Box::default())
            } else {
                let delta = ToolCallDelta { name: Some(name.to_owned()), ..call.delta() };
                pieces.push(Piece::Call(delta));
                Shown::Call
            });
        }
        if main.is_empty() {
            return;
        }
        let delta = ToolCallDelta { arguments: Some(main.to_owned()), ..call.delta() };
        match &mut call.shown {
            None => {}
            Some(Shown::Call) => pieces.push(Piece::Call(delta)),
            Some(Shown::Words(speech)) => {
                let words = speech.push(main);
                if !words.is_empty() {
                    pieces.push(Piece::Words(words));
                }
            }
        }
    }
}

impl Call {
    fn delta(&self) -> ToolCallDelta {
        ToolCallDelta { tool_call_id: Some(self.id.clone()), ..ToolCallDelta::default() }
    }
}

/// Reads what the message tool is asked to say from its arguments, as they come.
#[derive(Debug, Default)]
struct Speech {
    members: Members,
    words: Option<JsonText>,
}

impl Speech {
    fn push(&mut self, piece: &str) -> String {
        let mut said = String::new();
        for next in piece.chars() {
            self.members.push(next, |token| match token {
                Token::Key(key) => self.words = (key == DEFAULT_MESSAGE_TOOL_KWARG).then(JsonText::default),
                Token::Value(next) => {
                    if let Some(words) = &mut self.words {
                        words.push(next, &mut said);
                    }
                }
                Token::End => said.extend(self.words.take().and_then(JsonText::finish).map(|other| other.to_string())),
                Token::Close | Token::Stray(_) => {}
            });
        }
        said
    }
}

/// Takes out of a text that comes in pieces what some models close their thoughts with.
#[derive(Debug, Default)]
struct Unmarked {
    held: String,
}

impl Unmarked {
    fn push(&mut self, piece: &str) -> String {
        self.held += piece;
        let mut text = String::new();
        while let Some((before, after)) = self.held.split_once(END_OF_THOUGHTS) {
            text += before;
            self.held = after.to_owned();
        }
        // What may be the beginning of the mark waits for what comes.
        let longest = (1..END_OF_THOUGHTS.len()).rev();
        let begun = longest.filter_map(|length| END_OF_THOUGHTS.get(..length)).find(|begin| self.held.ends_with(begin));
        let kept = self.held.split_off(self.held.len() - begun.map_or(0, str::len));
        text += &std::mem::replace(&mut self.held, kept);
        text
    }

    fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}
