//! Folds the events of one answer into the whole answer.

use uuid::Uuid;

use crate::chat::{ChatEvent, FinishReason, ToolCallOut, Usage};
use crate::error::{LlmError, LlmErrorKind};
use crate::schema::{ChoiceLogprobs, TokenLogprob};

/// What a part of an answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A part of the text.
    Text,
    /// A part of what the model thought aloud.
    Reasoning,
}

/// One whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatAnswer {
    /// What the model said; `None` when nothing.
    pub text: Option<String>,
    /// What it thought aloud; `None` when nothing.
    pub reasoning: Option<String>,
    /// The order in which text and reasoning came: what each part is, and how many bytes it has. Parts that follow each
    /// other are of different kinds.
    pub order: Vec<(Said, usize)>,
    /// It reasoned, and the provider does not show it.
    pub reasoning_omitted: bool,
    /// In the order in which they began.
    pub tool_calls: Vec<ToolCallOut>,
    /// Those of all tokens of the text; `None` when the provider told none.
    pub logprobs: Option<ChoiceLogprobs>,
    /// `None` when the provider did not say.
    pub usage: Option<Usage>,
    /// `None` when the stream has not come to its end.
    pub finish: Option<FinishReason>,
}

impl ChatAnswer {
    /// Text and reasoning in the order in which they came. What their order says nothing of, because they were changed
    /// since, comes last: first the reasoning, then the text.
    pub fn take_said(&mut self) -> Vec<(Said, String)> {
        let (mut text, mut reasoning) =
            (self.text.take().unwrap_or_default(), self.reasoning.take().unwrap_or_default());
        let mut said = Vec::with_capacity(2);
        for (kind, bytes) in std::mem::take(&mut self.order) {
            let source = match kind {
                Said::Text => &mut text,
                Said::Reasoning => &mut reasoning,
            };
            if source.is_char_boundary(bytes) {
                let rest = source.split_off(bytes);
                said.push((kind, std::mem::replace(source, rest)));
            }
        }
        said.extend([(Said::Reasoning, reasoning), (Said::Text, text)]);
        said.retain(|(_, part)| !part.is_empty());
        said
    }

    fn say(&mut self, kind: Said, piece: &str) {
        match kind {
            Said::Text => self.text.get_or_insert_default().push_str(piece),
            Said::Reasoning => self.reasoning.get_or_insert_default().push_str(piece),
        }
        match self.order.last_mut() {
            Some((last, bytes)) if *last == kind => *bytes += piece.len(),
            _ => self.order.push((kind, piece.len())),
        }
    }

    /// Neither text nor reasoning nor a tool call.
    pub fn is_empty(&self) -> bool {
        self.text.is_none() && self.reasoning.is_none() && self.tool_calls.is_empty()
    }
}

/// Collects events; give it each one as it comes, then take the answer.
#[derive(Debug, Clone, Default)]
pub struct Assembler {
    answer: ChatAnswer,
    /// The index of each tool call, in the order of the answer's.
    indices: Vec<usize>,
}

impl Assembler {
    /// Nothing collected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one event.
    pub fn push(&mut self, event: &ChatEvent) {
        match event {
            ChatEvent::Reasoning(piece) => self.answer.say(Said::Reasoning, piece),
            ChatEvent::OmittedReasoning => self.answer.reasoning_omitted = true,
            ChatEvent::Text(piece) => self.answer.say(Said::Text, piece),
            ChatEvent::ToolCall { index, id, name, arguments } => {
                let slot = self.slot(*index).unwrap_or_else(|| {
                    let id = id.clone().unwrap_or_else(new_tool_call_id);
                    self.answer.tool_calls.push(ToolCallOut { id, name: String::new(), arguments: String::new() });
                    self.indices.push(*index);
                    self.indices.len() - 1
                });
                if let Some(call) = self.answer.tool_calls.get_mut(slot) {
                    call.name.push_str(name.as_deref().unwrap_or_default());
                    call.arguments.push_str(arguments);
                }
            }
            ChatEvent::Logprobs(more) => {
                let all = self.answer.logprobs.get_or_insert(ChoiceLogprobs { content: None, refusal: None });
                extend(&mut all.content, more.content.as_deref());
                extend(&mut all.refusal, more.refusal.as_deref());
            }
            ChatEvent::Usage(usage) => self.answer.usage = Some(*usage),
            ChatEvent::Finish(reason) => self.answer.finish = Some(reason.clone()),
        }
    }

    /// What has come so far; complete when [`ChatAnswer::finish`] is set.
    pub fn so_far(&self) -> &ChatAnswer {
        &self.answer
    }

    /// The id of the call with this index, once its first piece has come.
    pub fn tool_call_id(&self, index: usize) -> Option<&str> {
        self.answer.tool_calls.get(self.slot(index)?).map(|call| call.id.as_str())
    }

    fn slot(&self, index: usize) -> Option<usize> {
        self.indices.iter().position(|known| *known == index)
    }

    /// The answer of a stream that came to its end, for who wants to hear something.
    ///
    /// # Errors
    ///
    /// As [`Self::end`]; `EmptyResponse` when nothing came that could be stored, except where the model was cut off or
    /// held back before it could say anything.
    pub fn finish(self, provider: &str) -> Result<ChatAnswer, LlmError> {
        let answer = self.end(provider)?;
        match answer.finish {
            Some(FinishReason::Length | FinishReason::ContentFilter) => Ok(answer),
            _ if answer.is_empty() => Err(LlmError::new(
                LlmErrorKind::EmptyResponse,
                provider,
                "the model answered with neither text nor a tool call.",
            )),
            _ => Ok(answer),
        }
    }

    /// The answer of a stream that came to its end, even if that is nothing: a model may have no more to say.
    ///
    /// # Errors
    ///
    /// `BrokenStream` when no [`ChatEvent::Finish`] came.
    pub fn end(self, provider: &str) -> Result<ChatAnswer, LlmError> {
        if self.answer.finish.is_none() {
            return Err(LlmError::new(LlmErrorKind::BrokenStream, provider, "the answer broke off before its end."));
        }
        Ok(self.answer)
    }
}

fn extend(all: &mut Option<Vec<TokenLogprob>>, more: Option<&[TokenLogprob]>) {
    if let Some(more) = more {
        all.get_or_insert_default().extend_from_slice(more);
    }
}

/// An id for a call that came without one: `call_` and eight hex digits.
pub fn new_tool_call_id() -> String {
    let mut id = Uuid::new_v4().simple().to_string();
    id.truncate(8);
    format!("call_{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(index: usize, id: Option<&str>, arguments: &str) -> ChatEvent {
        let name = id.map(|_| "t".to_owned());
        ChatEvent::ToolCall { index, id: id.map(str::to_owned), name, arguments: arguments.to_owned() }
    }

    fn fold(events: &[ChatEvent]) -> Assembler {
        let mut assembler = Assembler::new();
        for event in events {
            assembler.push(event);
        }
        assembler
    }

    #[test]
    fn a_call_without_an_id_gets_one_that_stays() {
        let mut assembler = fold(&[call(0, None, "{")]);
        let id = assembler.tool_call_id(0).unwrap().to_owned();
        assert!(id.len() == 13 && id.starts_with("call_"), "{id}");
        assembler.push(&call(0, None, "}"));
        assert_eq!(assembler.so_far().tool_calls[0].id, id);
        assert_eq!(assembler.so_far().tool_calls[0].arguments, "{}");
    }

    #[test]
    fn gaps_in_the_count_of_calls_do_not_mix_them() {
        let assembler =
            fold(&[call(0, Some("a"), "1"), call(5, Some("b"), "2"), call(5, None, "3"), call(0, None, "4")]);
        let found: Vec<_> = assembler.so_far().tool_calls.iter().map(|c| (&*c.id, &*c.arguments)).collect();
        assert_eq!(found, [("a", "14"), ("b", "23")]);
    }

    #[test]
    fn what_is_said_keeps_its_order() {
        let thought = |text: &str| ChatEvent::Reasoning(text.to_owned());
        let said = |text: &str| ChatEvent::Text(text.to_owned());
        let mut answer = fold(&[said("Aä"), said("b"), thought("hm"), said("c")]).so_far().clone();
        let parts =
            |parts: &[(Said, &str)]| parts.iter().map(|(kind, text)| (*kind, (*text).to_owned())).collect::<Vec<_>>();
        assert_eq!((answer.text.as_deref(), answer.reasoning.as_deref()), (Some("Aäbc"), Some("hm")));
        assert_eq!(
            answer.clone().take_said(),
            parts(&[(Said::Text, "Aäb"), (Said::Reasoning, "hm"), (Said::Text, "c")])
        );
        answer.text = Some("Other".to_owned());
        answer.order.clear();
        assert_eq!(answer.take_said(), parts(&[(Said::Reasoning, "hm"), (Said::Text, "Other")]));
        assert_eq!(ChatAnswer::default().take_said(), []);
    }

    #[test]
    fn an_answer_that_was_cut_off_or_held_back_may_be_empty_and_no_other() {
        for (finish, whole) in [
            (Some(FinishReason::Length), true),
            (Some(FinishReason::ContentFilter), true),
            (Some(FinishReason::Stop), false),
            (None, false),
        ] {
            let events: Vec<_> = finish.clone().map(ChatEvent::Finish).into_iter().collect();
            assert_eq!(fold(&events).finish("p").is_ok(), whole, "{finish:?}");
        }
        let thought = [ChatEvent::Reasoning("hm".to_owned()), ChatEvent::Finish(FinishReason::Stop)];
        assert_eq!(fold(&thought).finish("p").unwrap().reasoning.as_deref(), Some("hm"));
    }
}
