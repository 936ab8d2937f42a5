//! The tool calls under way: the state from which a crash is survived.
//!
//! A draft exists from the moment in which calls are to be carried out to the commit of their returns. It is stored
//! before tools start, with the returns of those that ended, so that after a crash it is known of every call whether
//! it ended, may have been half run, or never began.

use muisti_llm::json::tool_arguments;
use muisti_orm::schema::{
    ContentPart, ConversationId, FunctionToolCall, MessageRole, RunId, StoredMessage, StoredToolReturn, Timestamp,
    ToolReturnValue, ToolStatus, package_tool_result, python_text,
};
use serde::{Deserialize, Serialize};

use super::style::{Fate, Style};
use crate::{prompt::time::local_time, tool::ToolOutcome};

/// Some tool calls, and what has become of each.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Draft {
    /// What goes into the history before the returns. Empty when the calls are there already.
    pub(super) said: Vec<StoredMessage>,
    /// The message of the returns, without them.
    returns: StoredMessage,
    /// The calls in the order of their returns.
    calls: Vec<DraftCall>,
    /// The time that the model is told is the agent's.
    timezone: String,
}

/// One call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DraftCall {
    pub(super) call: FunctionToolCall,
    pub(super) state: CallState,
}

/// What has become of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum CallState {
    /// It is to be carried out.
    Waiting,
    /// It has started. Nobody knows how far it came, if this is all that is left.
    Started,
    /// It has returned.
    Returned {
        value: StoredToolReturn,
        /// Who says so.
        by: By,
    },
}

/// Who answered a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum By {
    /// The tool, with this text for the rules to look at.
    Tool { output: String },
    /// A tool of the client's, with this text.
    ClientTool { output: String },
    /// The client, which has denied it.
    Denial,
    /// The rules, which did not allow it.
    Rules,
    /// The server, which could not make it.
    Server,
    /// Nobody: it had started when its process went away.
    Nobody,
}

impl DraftCall {
    /// What has become of the call.
    pub(super) fn fate(&self) -> Fate {
        match &self.state {
            CallState::Returned { by: By::Rules, .. } => Fate::Forbidden,
            CallState::Returned { by: By::Server, .. } => Fate::NotMade,
            CallState::Returned { by: By::Nobody, .. } | CallState::Waiting | CallState::Started => Fate::BrokenOff,
            CallState::Returned { value, .. } if value.status == ToolStatus::Success => Fate::Done,
            CallState::Returned { .. } => Fate::Failed,
        }
    }
}

impl Draft {
    /// The calls of an answer of the model, which is to be stored with their returns.
    pub(super) fn of_answer(assistant: StoredMessage, timezone: &str) -> Self {
        let mut draft = Self::following(&assistant, timezone);
        assistant.tool_calls.iter().cloned().for_each(|call| draft.push(call));
        draft.said.push(assistant);
        draft
    }

    /// Calls that are in the history already: those of this request. The run is the one that carries them out. The
    /// request may have been made in another conversation, of which this one is a fork.
    pub(super) fn of_request(
        request: &StoredMessage,
        conversation: Option<ConversationId>,
        run: Option<RunId>,
        timezone: &str,
    ) -> Self {
        let mut draft = Self::following(request, timezone);
        draft.returns.conversation_id = conversation;
        draft.returns.run_id = run;
        draft
    }

    fn following(message: &StoredMessage, timezone: &str) -> Self {
        let mut returns = StoredMessage::new(message.agent_id, MessageRole::Tool, Vec::new());
        returns.conversation_id = message.conversation_id;
        returns.model.clone_from(&message.model);
        returns.step_id = message.step_id;
        returns.run_id = message.run_id;
        Self { said: Vec::new(), returns, calls: Vec::new(), timezone: timezone.to_owned() }
    }

    /// Adds a call that is to be carried out.
    pub(super) fn push(&mut self, call: FunctionToolCall) {
        self.calls.push(DraftCall { call, state: CallState::Waiting });
    }

    /// Adds a call that the client's own tool has answered.
    pub(super) fn push_returned(&mut self, call: FunctionToolCall, mut value: StoredToolReturn) {
        let output = value.func_response.as_ref().map(ToolReturnValue::shown_as_text).unwrap_or_default();
        if let Some(ToolReturnValue::Text(text)) = value.func_response {
            let packaged = package_tool_result(value.status == ToolStatus::Success, &text.into(), &self.time());
            value.func_response = Some(ToolReturnValue::Text(packaged));
        }
        self.calls.push(DraftCall { call, state: CallState::Returned { value, by: By::ClientTool { output } } });
    }

    /// Adds a call that the client has denied.
    pub(super) fn push_denied(&mut self, call: FunctionToolCall, outcome: ToolOutcome) {
        let value = self.stored(&call, outcome);
        self.calls.push(DraftCall { call, state: CallState::Returned { value, by: By::Denial } });
    }

    pub(super) fn calls(&self) -> &[DraftCall] {
        &self.calls
    }

    /// The calls that are still to be carried out, with their places.
    pub(super) fn waiting(&self) -> impl Iterator<Item = (usize, &FunctionToolCall)> {
        let waiting = |(place, call): (usize, &'_ DraftCall)| matches!(call.state, CallState::Waiting).then_some(place);
        let places: Vec<usize> = self.calls.iter().enumerate().filter_map(waiting).collect();
        places.into_iter().filter_map(|place| Some((place, &self.calls.get(place)?.call)))
    }

    /// Notes that the calls at these places start.
    pub(super) fn start(&mut self, places: &[usize]) {
        for place in places {
            if let Some(call) = self.calls.get_mut(*place) {
                call.state = CallState::Started;
            }
        }
    }

    /// Replaces the arguments of a call, here and in what the model is said to have said.
    pub(super) fn set_arguments(&mut self, place: usize, arguments: &str) {
        let Some(DraftCall { call, .. }) = self.calls.get_mut(place) else { return };
        arguments.clone_into(&mut call.function.arguments);
        let said = self.said.iter_mut().flat_map(|message| &mut message.tool_calls);
        for said in said.filter(|said| said.id == call.id) {
            said.clone_from(call);
        }
    }

    /// Writes into the call, in the older style, whether the turn goes on.
    pub(super) fn note_whether_it_goes_on(&mut self, style: Style, goes_on: bool) {
        let Some(call) = self.calls.first() else { return };
        let arguments = tool_arguments(&call.call.function.arguments).unwrap_or_default();
        if let Some(written) = style.written(&arguments, goes_on) {
            self.set_arguments(0, &written);
        }
    }

    /// Notes how a call ended that a tool has carried out.
    pub(super) fn ran(&mut self, place: usize, outcome: ToolOutcome) {
        let output = python_text(&outcome.value);
        self.end(place, outcome, By::Tool { output });
    }

    /// Notes that a call was not carried out, or not to its end, who says so, and what the model is told.
    pub(super) fn refuse(&mut self, place: usize, by: By, outcome: ToolOutcome) {
        self.end(place, outcome, by);
    }

    fn end(&mut self, place: usize, outcome: ToolOutcome, by: By) {
        let Some(call) = self.calls.get(place).map(|call| call.call.clone()) else { return };
        let value = self.stored(&call, outcome);
        if let Some(call) = self.calls.get_mut(place) {
            call.state = CallState::Returned { value, by };
        }
    }

    /// Answers every call that has not returned. `outcome` gets the call and whether it may have been half run.
    pub(super) fn settle(&mut self, outcome: impl Fn(&FunctionToolCall, bool) -> ToolOutcome) {
        for place in 0..self.calls.len() {
            let Some(DraftCall { call, state }) = self.calls.get(place) else { continue };
            if !matches!(state, CallState::Returned { .. }) {
                let started = matches!(state, CallState::Started);
                let outcome = outcome(call, started);
                self.refuse(place, if started { By::Nobody } else { By::Server }, outcome);
            }
        }
    }

    /// Answers the calls that had started when their process went away. Those that had not can still be carried out.
    pub(super) fn settle_started(&mut self) {
        for place in 0..self.calls.len() {
            if let Some(DraftCall { call, state: CallState::Started }) = self.calls.get(place) {
                let outcome = interrupted(call, true);
                self.refuse(place, By::Nobody, outcome);
            }
        }
    }

    /// Takes every call that is to be carried out for one that has returned this.
    pub(super) fn pretend(&mut self, output: &str) {
        let places: Vec<usize> = self.waiting().map(|(place, _)| place).collect();
        places.into_iter().for_each(|place| self.ran(place, ToolOutcome::success(output.into())));
    }

    /// Whether the client has answered a call: then the model is to hear of it.
    pub(super) fn is_answered_by_client(&self) -> bool {
        let by_client = |by: &By| matches!(by, By::ClientTool { .. } | By::Denial);
        self.calls.iter().any(|call| matches!(&call.state, CallState::Returned { by, .. } if by_client(by)))
    }

    fn stored(&self, call: &FunctionToolCall, outcome: ToolOutcome) -> StoredToolReturn {
        let packaged = package_tool_result(outcome.ok, &outcome.value, &self.time());
        StoredToolReturn {
            tool_call_id: Some(call.id.clone()),
            status: if outcome.ok { ToolStatus::Success } else { ToolStatus::Error },
            stdout: Some(outcome.stdout),
            stderr: Some(outcome.stderr),
            func_response: Some(ToolReturnValue::Text(packaged)),
        }
    }

    fn time(&self) -> String {
        local_time(Timestamp::now(), &self.timezone)
    }

    /// What goes into the history: what was said, and the returns.
    pub(super) fn into_messages(self) -> Vec<StoredMessage> {
        let Self { mut said, returns: mut message, calls, .. } = self;
        message.name = calls.first().map(|call| call.call.function.name.clone());
        message.tool_call_id = calls.first().map(|call| call.call.id.clone());
        let values = calls.into_iter().filter_map(|call| match call.state {
            CallState::Returned { value, .. } => Some(value),
            CallState::Waiting | CallState::Started => None,
        });
        message.tool_returns = values.collect();
        message.content = message.tool_returns.iter().flat_map(content_of).collect();
        said.push(message);
        said
    }
}

/// What a return is in the content of its message: a text, or the parts that a client's tool gave.
fn content_of(value: &StoredToolReturn) -> Vec<ContentPart> {
    match &value.func_response {
        Some(value) => vec![ContentPart::text(value.shown_as_text())],
        None => Vec::new(),
    }
}

/// What the model reads of a call whose process went away.
pub(super) fn interrupted(call: &FunctionToolCall, started: bool) -> ToolOutcome {
    let text = if started {
        "The server stopped while this tool ran. It may have done its work, or a part of it, or nothing; find out \
         before you call it again."
    } else {
        "The server stopped before this tool was called. Nothing was done; call it again if it is still needed."
    };
    ToolOutcome::failure(&call.function.name, "Interrupted", text)
}

/// What the model reads of a call in a run that was cancelled.
pub(super) fn cancelled(call: &FunctionToolCall, started: bool) -> ToolOutcome {
    let text = if started {
        "The run was cancelled while this tool ran. It may have done its work, or a part of it, or nothing."
    } else {
        "The run was cancelled before this tool was called. Nothing was done."
    };
    ToolOutcome::failure(&call.function.name, "Cancelled", text)
}

#[cfg(test)]
mod tests {
    use muisti_orm::schema::AgentId;

    use super::*;

    fn draft(calls: &[&str]) -> Draft {
        let mut assistant = StoredMessage::new(AgentId::random(), MessageRole::Assistant, Vec::new());
        assistant.tool_calls = calls.iter().map(|id| FunctionToolCall::new(*id, "f", "{}")).collect();
        Draft::of_answer(assistant, "UTC")
    }

    fn after_a_crash(draft: &Draft) -> Draft {
        serde_json::from_str(&serde_json::to_string(draft).unwrap()).unwrap()
    }

    #[test]
    fn every_call_gets_exactly_one_return_in_call_order() {
        let mut draft = draft(&["a", "b", "c"]);
        draft.start(&[0, 1]);
        draft.ran(0, ToolOutcome::success("done".into()));
        let mut draft = after_a_crash(&draft);
        draft.settle(interrupted);
        let messages = draft.into_messages();
        let [assistant, message] = messages.as_slice() else { panic!("{messages:?}") };
        let answered: Vec<_> = message.returned_call_ids().collect();
        assert_eq!(answered, ["a", "b", "c"]);
        assert_eq!(assistant.tool_calls.len(), 3);
        let text = message.text();
        assert!(text.contains("done") && text.contains("while this tool ran") && text.contains("before this tool"));
        assert_eq!(message.tool_returns[0].status, ToolStatus::Success);
        assert_eq!(message.tool_returns[1].status, ToolStatus::Error);
    }

    #[test]
    fn after_a_crash_only_what_never_began_is_still_to_be_done() {
        let mut draft = draft(&["a", "b", "c"]);
        draft.start(&[0]);
        draft.ran(0, ToolOutcome::success("done".into()));
        draft.start(&[1]);
        let mut draft = after_a_crash(&draft);
        draft.settle_started();
        let left: Vec<_> = draft.waiting().map(|(place, call)| (place, call.id.as_str())).collect();
        assert_eq!(left, [(2, "c")]);
    }

    #[test]
    fn what_had_started_broke_off_and_nothing_else_did() {
        let mut draft = draft(&["a", "b", "c", "d"]);
        draft.start(&[0, 1]);
        draft.ran(0, ToolOutcome::failure("f", "ValueError", "No."));
        let mut draft = after_a_crash(&draft);
        draft.settle_started();
        draft.refuse(2, By::Rules, ToolOutcome::refused("Not now."));
        draft.refuse(3, By::Server, ToolOutcome::refused("What is that?"));
        let fates: Vec<_> = draft.calls().iter().map(DraftCall::fate).collect();
        assert_eq!(fates, [Fate::Failed, Fate::BrokenOff, Fate::Forbidden, Fate::NotMade]);
        assert!(!draft.is_answered_by_client());
    }

    #[test]
    fn changed_arguments_are_what_the_model_is_said_to_have_sent() {
        let mut draft = draft(&["a", "b"]);
        draft.set_arguments(1, r#"{"x":1}"#);
        assert_eq!(draft.said[0].tool_calls[1].function.arguments, r#"{"x":1}"#);
        assert_eq!(draft.said[0].tool_calls[0].function.arguments, "{}");
    }
}
