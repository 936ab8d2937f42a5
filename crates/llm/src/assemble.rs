//! Folds the events of one answer into the whole answer.

use uuid::Uuid;

use crate::chat::{ChatEvent, FinishReason, ToolCallOut, Usage};
use crate::error::{LlmError, LlmErrorKind};

/// One whole answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ChatAnswer {
    /// What the model said; `None` when nothing.
    pub text: Option<String>,
    /// What it thought aloud; `None` when nothing.
    pub reasoning: Option<String>,
    /// It reasoned, and the provider does not show it.
    pub reasoning_omitted: bool,
    /// In the order in which they began.
    pub tool_calls: Vec<ToolCallOut>,
    /// `None` when the provider did not say.
    pub usage: Option<Usage>,
    /// `None` when the stream has not come to its end.
    pub finish: Option<FinishReason>,
}

impl ChatAnswer {
    /// Neither text nor reasoning nor a tool call.
    pub fn is_empty(&self) -> bool {
        self.text.is_none() && self.reasoning.is_none() && self.tool_calls.is_empty()
    }
}

/// Collects events; give it each one as it comes, then take the answer.
#[derive(Debug, Clone, Default)]
pub struct Assembler {
    answer: ChatAnswer,
}

impl Assembler {
    /// Nothing collected yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one event.
    pub fn push(&mut self, event: &ChatEvent) {
        match event {
            ChatEvent::Reasoning(piece) => self.answer.reasoning.get_or_insert_default().push_str(piece),
            ChatEvent::OmittedReasoning => self.answer.reasoning_omitted = true,
            ChatEvent::Text(piece) => self.answer.text.get_or_insert_default().push_str(piece),
            ChatEvent::ToolCall { index, id, name, arguments } => {
                // A provider counts from 0 without gaps; should one not, its calls still come out in order.
                let slot = (*index).min(self.answer.tool_calls.len());
                if slot == self.answer.tool_calls.len() {
                    let id = id.clone().unwrap_or_else(new_tool_call_id);
                    self.answer.tool_calls.push(ToolCallOut { id, name: String::new(), arguments: String::new() });
                }
                if let Some(call) = self.answer.tool_calls.get_mut(slot) {
                    call.name.push_str(name.as_deref().unwrap_or_default());
                    call.arguments.push_str(arguments);
                }
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
        self.answer.tool_calls.get(index).map(|call| call.id.as_str())
    }

    /// The answer of a stream that came to its end.
    ///
    /// # Errors
    ///
    /// `BrokenStream` when no [`ChatEvent::Finish`] came; `EmptyResponse` when nothing came that could be stored,
    /// except where the model was cut off or held back before it could say anything.
    pub fn finish(self, provider: &str) -> Result<ChatAnswer, LlmError> {
        let answer = self.answer;
        match answer.finish {
            None => Err(LlmError::new(LlmErrorKind::BrokenStream, provider, "the answer broke off before its end.")),
            Some(FinishReason::Length | FinishReason::ContentFilter) => Ok(answer),
            Some(_) if answer.is_empty() => Err(LlmError::new(
                LlmErrorKind::EmptyResponse,
                provider,
                "the model answered with neither text nor a tool call.",
            )),
            Some(_) => Ok(answer),
        }
    }
}

/// An id for a call that came without one: `call_` and eight hex digits.
pub(crate) fn new_tool_call_id() -> String {
    let mut id = Uuid::new_v4().simple().to_string();
    id.truncate(8);
    format!("call_{id}")
}
