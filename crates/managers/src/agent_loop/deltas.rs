//! The pieces of a model's answer as a client sees them while they come.

use std::collections::HashSet;

use muisti_llm::{Assembler, ChatEvent};
use muisti_orm::schema::{
    ApprovalRequestMessage, AssistantMessage, HiddenReasoningMessage, HiddenReasoningState, MessageBase, MessageId, MessageType,
    ReasoningMessage, ReasoningSource, RunId, StepId, Timestamp, ToolCallDelta, ToolCallMessage, WireMessage, decremented, otid,
};

/// Turns the events of one model call into message pieces.
///
/// All pieces carry the id that the stored message will have. The pieces of one logical message share an `otid`,
/// which counts up whenever the kind of message changes, exactly as the stored message's parts will be numbered.
pub(super) struct Deltas {
    id: MessageId,
    step_id: StepId,
    run_id: RunId,
    date: Timestamp,
    parts: usize,
    last: Option<MessageType>,
    /// Pieces of calls after the first are held back when only one call of the answer will be kept.
    only_first_call: bool,
    /// The tools whose calls wait for the client: it is asked about them instead of being told.
    waits: HashSet<String>,
}

impl Deltas {
    pub(super) fn new(
        id: MessageId,
        step_id: StepId,
        run_id: RunId,
        only_first_call: bool,
        waits: HashSet<String>,
    ) -> Self {
        Self { id, step_id, run_id, date: Timestamp::now(), parts: 0, last: None, only_first_call, waits }
    }

    /// The piece for this event, if clients see it. `answer` has already taken the event in: it knows the call ids.
    pub(super) fn of(&mut self, event: &ChatEvent, answer: &Assembler) -> Option<WireMessage> {
        Some(match event {
            ChatEvent::Text(text) => {
                let base = self.base(MessageType::AssistantMessage);
                AssistantMessage { base, content: text.as_str().into() }.into()
            }
            ChatEvent::Reasoning(text) => {
                let base = self.base(MessageType::ReasoningMessage);
                let source = ReasoningSource::ReasonerModel;
                ReasoningMessage { base, source, reasoning: text.clone(), signature: None }.into()
            }
            ChatEvent::OmittedReasoning => {
                let base = self.base(MessageType::HiddenReasoningMessage);
                HiddenReasoningMessage { base, state: HiddenReasoningState::Omitted, hidden_reasoning: None }.into()
            }
            ChatEvent::ToolCall { index, name, arguments, .. } => {
                if self.only_first_call && *index > 0 {
                    return None;
                }
                let delta = ToolCallDelta {
                    name: name.clone().filter(|name| !name.is_empty()),
                    arguments: Some(arguments.clone()).filter(|arguments| !arguments.is_empty()),
                    tool_call_id: Some(answer.tool_call_id(*index)?.to_owned()),
                };
                if delta.name.is_none() && delta.arguments.is_none() {
                    return None;
                }
                if answer.tool_name(*index).is_some_and(|name| self.waits.contains(name)) {
                    ApprovalRequestMessage::of_delta(self.base_of_request(), delta).into()
                } else {
                    ToolCallMessage::of_delta(self.base(MessageType::ToolCallMessage), delta).into()
                }
            }
            ChatEvent::Logprobs(_) | ChatEvent::Usage(_) | ChatEvent::Finish(_) => return None,
        })
    }

    /// The request for the client's decision is a message of its own, next to the answer.
    fn base_of_request(&self) -> MessageBase {
        let id = decremented(self.id).to_string();
        let mut base = MessageBase::new(id.clone(), self.date);
        base.otid = Some(id);
        base.step_id = Some(self.step_id);
        base.run_id = Some(self.run_id);
        base
    }

    fn base(&mut self, kind: MessageType) -> MessageBase {
        if self.last.replace(kind) != Some(kind) {
            self.parts += 1;
        }
        let mut base = MessageBase::new(self.id.to_string(), self.date);
        base.otid = Some(otid(self.id, self.parts.saturating_sub(1)));
        base.step_id = Some(self.step_id);
        base.run_id = Some(self.run_id);
        base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_one_kind_share_an_otid_and_the_next_kind_counts_up() {
        let mut deltas = Deltas::new(MessageId::random(), StepId::random(), RunId::random(), false, HashSet::new());
        let mut answer = Assembler::new();
        let events = [
            ChatEvent::Reasoning("a".into()),
            ChatEvent::Reasoning("b".into()),
            ChatEvent::Text("c".into()),
            ChatEvent::ToolCall { index: 0, id: Some("1".into()), name: Some("f".into()), arguments: String::new() },
            ChatEvent::ToolCall { index: 0, id: None, name: None, arguments: "{}".into() },
        ];
        let last_digits: Vec<_> = events
            .iter()
            .map(|event| {
                answer.push(event);
                deltas.of(event, &answer).unwrap().base().otid.clone().unwrap().pop().unwrap()
            })
            .collect();
        assert_eq!(last_digits, ['0', '0', '1', '2', '2']);
    }

    #[test]
    fn every_piece_of_a_call_carries_its_id_and_empty_pieces_are_not_sent() {
        let mut deltas = Deltas::new(MessageId::random(), StepId::random(), RunId::random(), true, HashSet::new());
        let mut answer = Assembler::new();
        let mut piece = |index, id: Option<&str>, name: Option<&str>, arguments: &str| {
            let (id, name) = (id.map(Into::into), name.map(Into::into));
            let event = ChatEvent::ToolCall { index, id, name, arguments: arguments.into() };
            answer.push(&event);
            deltas.of(&event, &answer).map(|message| serde_json::to_value(message).unwrap()["tool_call"].clone())
        };
        assert_eq!(piece(0, None, Some("f"), "").unwrap()["name"], "f");
        assert!(piece(0, None, None, "").is_none());
        let last = piece(0, None, None, "{}").unwrap();
        assert!(last["tool_call_id"].as_str().unwrap().starts_with("call_"));
        assert!(last.get("name").is_none());
        assert!(piece(1, Some("2"), Some("g"), "{}").is_none(), "only the first call is kept");
    }
}
