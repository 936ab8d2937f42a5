//! What a step has done so far: the state from which a crash is survived.
//!
//! A draft exists from the model's answer to the commit of the step. It is stored before each tool starts, with the
//! returns of those that ended, so that after a crash it is known of every call whether it ended, may have been half
//! run, or never began.

use muisti_orm::schema::{
    ContentPart, FunctionToolCall, MessageId, MessageRole, StoredMessage, StoredToolReturn, ToolReturnValue,
    ToolStatus, package_tool_result,
};
use serde::{Deserialize, Serialize};

use crate::tool::ToolOutcome;

/// The state of a step whose model has answered with tool calls.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Draft {
    /// The model's answer, as it will be stored.
    pub(super) assistant: StoredMessage,
    /// The id that the message with the returns will have.
    pub(super) returns_id: MessageId,
    /// The returns of the calls that ended, in call order.
    pub(super) returns: Vec<StoredToolReturn>,
    /// The call that has started and not ended.
    pub(super) started: Option<String>,
}

impl Draft {
    pub(super) fn new(assistant: StoredMessage) -> Self {
        Self { assistant, returns_id: MessageId::random(), returns: Vec::new(), started: None }
    }

    /// Notes how a call ended. `time` is the local time that the model is told.
    pub(super) fn record(&mut self, call: &FunctionToolCall, outcome: ToolOutcome, time: &str) {
        let packaged = package_tool_result(outcome.ok, &outcome.value, time);
        self.returns.push(StoredToolReturn {
            tool_call_id: Some(call.id.clone()),
            status: if outcome.ok { ToolStatus::Success } else { ToolStatus::Error },
            stdout: Some(outcome.stdout),
            stderr: Some(outcome.stderr),
            func_response: Some(ToolReturnValue::Text(packaged)),
        });
        self.started = None;
    }

    /// Answers every call that has not ended: it was interrupted, or it never began.
    pub(super) fn settle(&mut self, time: &str) {
        let calls = self.assistant.tool_calls.clone();
        let started = self.started.take();
        for call in calls.iter().skip(self.returns.len()) {
            let text = if started.as_deref() == Some(call.id.as_str()) {
                "The server stopped while this tool ran. It may have done its work, or a part of it, or nothing; find \
                 out before you call it again."
            } else {
                "The server stopped before this tool was called. Nothing was done; call it again if it is still needed."
            };
            let outcome = ToolOutcome::failure(&call.function.name, "Interrupted", text);
            self.record(call, outcome, time);
        }
    }

    /// The two messages of the step: the model's answer, and the returns.
    pub(super) fn into_messages(self) -> [StoredMessage; 2] {
        let Self { assistant, returns_id, returns, .. } = self;
        let texts = returns.iter().filter_map(|tool| match &tool.func_response {
            Some(ToolReturnValue::Text(text)) => Some(ContentPart::text(text)),
            _ => None,
        });
        let mut message = StoredMessage::new(assistant.agent_id, MessageRole::Tool, texts.collect());
        message.id = returns_id;
        message.conversation_id = assistant.conversation_id;
        message.model.clone_from(&assistant.model);
        message.name = assistant.tool_calls.first().map(|call| call.function.name.clone());
        message.tool_call_id = returns.first().and_then(|tool| tool.tool_call_id.clone());
        message.tool_returns = returns;
        message.step_id = assistant.step_id;
        message.run_id = assistant.run_id;
        [assistant, message]
    }
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::AgentId;

    use super::*;

    fn draft(calls: &[&str]) -> Draft {
        let mut assistant = StoredMessage::new(AgentId::random(), MessageRole::Assistant, Vec::new());
        assistant.tool_calls = calls.iter().map(|id| FunctionToolCall::new(*id, "f", "{}")).collect();
        Draft::new(assistant)
    }

    #[test]
    fn every_call_gets_exactly_one_return_in_call_order() {
        let mut draft = draft(&["a", "b", "c"]);
        let first = draft.assistant.tool_calls[0].clone();
        draft.record(&first, ToolOutcome::success("done".into()), "now");
        draft.started = Some("b".to_owned());
        let stored = serde_json::to_string(&draft).unwrap();
        let mut draft: Draft = serde_json::from_str(&stored).unwrap();
        draft.settle("now");
        let [assistant, message] = draft.into_messages();
        let answered: Vec<_> = message.returned_call_ids().collect();
        assert_eq!(answered, ["a", "b", "c"]);
        assert_eq!(assistant.tool_calls.len(), 3);
        let text = message.text();
        assert!(text.contains("done") && text.contains("while this tool ran") && text.contains("before this tool"));
        assert_eq!(message.tool_returns[0].status, ToolStatus::Success);
        assert_eq!(message.tool_returns[1].status, ToolStatus::Error);
    }
}
