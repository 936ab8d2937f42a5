//! The pieces of a model's answer as a client sees them while they come.

use std::collections::HashSet;

use muisti_llm::{Assembler, ChatEvent};
use muisti_orm::schema::{
    ApprovalRequestMessage, MessageBase, MessageId, ReasoningSource, RunId, StepId, Timestamp, ToolCallDelta,
    WireMessage, decremented, otid,
};

use super::{
    calls::SetArguments,
    style::{Numbering, Piece, Pieces},
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
    numbering: Numbering,
    /// Pieces of calls after the first are held back when only one call of the answer will be kept.
    only_first_call: bool,
    /// The tools whose calls wait for the client: it is asked about them instead of being told.
    waits: HashSet<String>,
    /// The arguments that rules set. What the model writes of such a call is held back, for it is not what is done.
    set: SetArguments,
    /// The calls whose arguments are held back.
    held: Vec<usize>,
    /// What makes the pieces of an answer in the older style.
    older: Option<Pieces>,
}

impl Deltas {
    pub(super) fn new(
        id: MessageId,
        step_id: StepId,
        run_id: RunId,
        only_first_call: bool,
        waits: HashSet<String>,
        set: SetArguments,
        older: Option<Pieces>,
    ) -> Self {
        let (date, numbering) = (Timestamp::now(), Numbering::default());
        Self { id, step_id, run_id, date, numbering, only_first_call, waits, set, held: Vec::new(), older }
    }

    /// The pieces for this event that clients see. `answer` has already taken the event in: it knows the calls.
    pub(super) fn of(&mut self, event: &ChatEvent, answer: &Assembler) -> Vec<WireMessage> {
        match event {
            ChatEvent::ToolCall { index, id, name, arguments }
                if !arguments.is_empty() && self.set_in(*index, answer).is_some() =>
            {
                if !self.held.contains(index) {
                    self.held.push(*index);
                }
                let (id, name) = (id.clone(), name.clone());
                let without = ChatEvent::ToolCall { index: *index, id, name, arguments: String::new() };
                self.shown(&without, answer)
            }
            ChatEvent::Finish(_) => {
                let held = std::mem::take(&mut self.held);
                let whole = held.into_iter().filter_map(|index| {
                    let arguments = self.set_in(index, answer)?;
                    Some(ChatEvent::ToolCall { index, id: None, name: None, arguments })
                });
                let whole: Vec<ChatEvent> = whole.collect();
                whole.iter().chain([event]).flat_map(|event| self.shown(event, answer)).collect()
            }
            _ => self.shown(event, answer),
        }
    }

    /// The arguments, so far, of a call for which a rule sets some: those that it will be made with.
    fn set_in(&self, index: usize, answer: &Assembler) -> Option<String> {
        let id = answer.tool_call_id(index)?;
        let call = answer.so_far().tool_calls.iter().find(|call| call.id == id)?;
        let set = self.set.get(&call.name)?.as_ref().ok()?;
        Some(set.over(&call.arguments).unwrap_or_else(|| call.arguments.clone()))
    }

    fn shown(&mut self, event: &ChatEvent, answer: &Assembler) -> Vec<WireMessage> {
        let pieces = match &mut self.older {
            Some(older) => older.of(event, answer),
            None => self.piece(event, answer).into_iter().collect(),
        };
        pieces.into_iter().map(|piece| self.message(piece, answer)).collect()
    }

    fn piece(&self, event: &ChatEvent, answer: &Assembler) -> Option<Piece> {
        Some(match event {
            ChatEvent::Text(text) => Piece::Words(text.clone()),
            ChatEvent::Reasoning(text) => Piece::Thought(ReasoningSource::ReasonerModel, text.clone()),
            ChatEvent::OmittedReasoning => Piece::HiddenThought,
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
                Piece::Call(delta)
            }
            _ => return None,
        })
    }

    fn message(&mut self, piece: Piece, answer: &Assembler) -> WireMessage {
        match piece {
            Piece::Call(delta) if self.waits_for_client(&delta, answer) => {
                // The request for the client's decision is a message of its own, next to the answer.
                let id = decremented(self.id).to_string();
                let base = self.base(id.clone(), id);
                ApprovalRequestMessage::of_delta(base, delta).into()
            }
            piece => {
                let otid = otid(self.id, self.numbering.of(piece.kind()));
                let base = self.base(self.id.to_string(), otid);
                piece.into_message(base)
            }
        }
    }

    fn waits_for_client(&self, delta: &ToolCallDelta, answer: &Assembler) -> bool {
        let calls = &answer.so_far().tool_calls;
        let call = calls.iter().find(|call| Some(&call.id) == delta.tool_call_id.as_ref());
        // Where a tool cannot take what a rule sets, nobody is asked about it.
        let is_misruled = |name: &str| self.set.get(name).is_some_and(Result::is_err);
        call.is_some_and(|call| self.waits.contains(&call.name) && !is_misruled(&call.name))
    }

    fn base(&self, id: String, otid: String) -> MessageBase {
        let mut base = MessageBase::new(id, self.date);
        base.otid = Some(otid);
        base.step_id = Some(self.step_id);
        base.run_id = Some(self.run_id);
        base
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{
        super::rules::{Allowed, Calls, Rules},
        *,
    };

    fn deltas(only_first_call: bool, waits: &[&str], set: SetArguments) -> Deltas {
        let waits = waits.iter().map(|&tool| tool.to_owned()).collect();
        Deltas::new(MessageId::random(), StepId::random(), RunId::random(), only_first_call, waits, set, None)
    }

    /// What is seen of a call whose arguments come in these pieces, of a tool that needs an approval.
    fn shown(set: SetArguments, arguments: &[&str]) -> Vec<Value> {
        let (mut deltas, mut answer) = (deltas(false, &["f"], set), Assembler::new());
        let call = |name: Option<&str>, arguments: &str| {
            let (id, name) = (name.map(|_| "1".to_owned()), name.map(str::to_owned));
            ChatEvent::ToolCall { index: 0, id, name, arguments: arguments.to_owned() }
        };
        let mut events = vec![call(Some("f"), "")];
        events.extend(arguments.iter().map(|piece| call(None, piece)));
        events.push(ChatEvent::Finish(muisti_llm::FinishReason::ToolCalls));
        let of = |event: &ChatEvent| {
            answer.push(event);
            deltas.of(event, &answer)
        };
        let messages: Vec<WireMessage> = events.iter().flat_map(of).collect();
        messages.iter().map(|message| serde_json::to_value(message).unwrap()).collect()
    }

    fn set_by_a_rule() -> SetArguments {
        let rule = json!([{"type": "run_first", "tool_name": "f", "args": {"a": "set"}}]);
        let rules = Rules::new(serde_json::from_value(rule).unwrap(), Calls::default());
        let set = rules.prefilled(&Allowed { tools: vec!["f".to_owned()], must_call: true });
        set.into_iter().map(|(tool, set)| (tool, Ok(set))).collect()
    }

    #[test]
    fn arguments_that_a_rule_sets_are_shown_as_they_will_be_and_nothing_else_before() {
        let messages = shown(set_by_a_rule(), &[r#"{"a": "harm"#, r#"less", "b": 1}"#]);
        let calls: Vec<&Value> = messages.iter().map(|message| &message["tool_call"]).collect();
        assert_eq!(calls.len(), 2, "{calls:?}");
        assert_eq!((&calls[0]["name"], &calls[0]["arguments"]), (&json!("f"), &Value::Null));
        assert_eq!(calls[1]["arguments"], r#"{"a":"set","b":1}"#);
        assert!(messages.iter().all(|message| message["message_type"] == "approval_request_message"));
    }

    #[test]
    fn arguments_that_nobody_can_read_are_shown_as_they_are_stored() {
        let messages = shown(set_by_a_rule(), &["[", "1]"]);
        assert_eq!(messages[1]["tool_call"]["arguments"], "[1]");
    }

    #[test]
    fn nobody_is_asked_about_a_call_that_a_rule_has_spoilt() {
        let messages = shown([("f".to_owned(), Err("What is that?".to_owned()))].into(), &["{", "}"]);
        assert!(messages.iter().all(|message| message["message_type"] == "tool_call_message"));
        assert_eq!(messages.len(), 3);
    }

    #[test]
    fn pieces_of_one_kind_share_an_otid_and_the_next_kind_counts_up() {
        let (mut deltas, mut answer) = (deltas(false, &[], SetArguments::new()), Assembler::new());
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
                deltas.of(event, &answer)[0].base().otid.clone().unwrap().pop().unwrap()
            })
            .collect();
        assert_eq!(last_digits, ['0', '0', '1', '2', '2']);
    }

    #[test]
    fn every_piece_of_a_call_carries_its_id_and_empty_pieces_are_not_sent() {
        let (mut deltas, mut answer) = (deltas(true, &[], SetArguments::new()), Assembler::new());
        let mut piece = |index, id: Option<&str>, name: Option<&str>, arguments: &str| {
            let (id, name) = (id.map(Into::into), name.map(Into::into));
            let event = ChatEvent::ToolCall { index, id, name, arguments: arguments.into() };
            answer.push(&event);
            deltas.of(&event, &answer).pop().map(|message| serde_json::to_value(message).unwrap()["tool_call"].clone())
        };
        assert_eq!(piece(0, None, Some("f"), "").unwrap()["name"], "f");
        assert!(piece(0, None, None, "").is_none());
        let last = piece(0, None, None, "{}").unwrap();
        assert!(last["tool_call_id"].as_str().unwrap().starts_with("call_"));
        assert!(last.get("name").is_none());
        assert!(piece(1, Some("2"), Some("g"), "{}").is_none(), "only the first call is kept");
    }
}
