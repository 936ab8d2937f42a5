//! From stored messages to what clients see. One stored message becomes none, one, or several.

use std::collections::HashSet;

use serde_json::Value;

use super::{
    ApprovalEntry, ApprovalRequestMessage, ApprovalResponseMessage, ApprovalReturn, AssistantMessage, FunctionToolCall,
    HiddenReasoningMessage, HiddenReasoningState, MessageBase, MessageType, ReasoningMessage, ReasoningSource,
    StoredApproval, StoredMessage, StoredToolReturn, SummaryMessage, SystemMessage, ToolCallMessage, ToolReturn,
    ToolReturnMessage, UserMessage, WireMessage, open_summary, open_user_message, otid, unpack_tool_result,
};
use crate::{ContentPart, MessageRole, ToolReturnPart, ToolReturnValue, ToolStatus, UserContent, UserPart};

/// How stored messages are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireOptions {
    /// Whether an agent speaks in plain text (true: the current loop) or thinks in it (false: the older agent types).
    pub text_is_assistant: bool,
    /// Whether calls of the message tool are shown as what the agent says.
    pub use_assistant_message: bool,
    /// The name of the message tool.
    pub assistant_message_tool_name: String,
    /// The argument of the message tool that holds what the agent says.
    pub assistant_message_tool_kwarg: String,
    /// The kinds of messages to show; none, or an empty list: all.
    pub include_types: Option<Vec<MessageType>>,
    /// Whether summaries are shown as summary messages rather than as user messages with an envelope, even when
    /// `include_types` does not name them.
    pub summary_messages: bool,
    /// Whether the wire messages of one stored message come in reverse order, for lists that are newest first.
    pub reversed: bool,
}

impl Default for WireOptions {
    /// As for an agent of the current loop: text is what the agent says, and no tool is special.
    fn default() -> Self {
        Self {
            text_is_assistant: true,
            use_assistant_message: false,
            assistant_message_tool_name: crate::DEFAULT_MESSAGE_TOOL.to_owned(),
            assistant_message_tool_kwarg: crate::DEFAULT_MESSAGE_TOOL_KWARG.to_owned(),
            include_types: None,
            summary_messages: false,
            reversed: false,
        }
    }
}

impl WireOptions {
    /// Whether messages of this kind are shown.
    #[must_use]
    pub fn includes(&self, kind: MessageType) -> bool {
        self.include_types.as_ref().is_none_or(|kinds| kinds.is_empty() || kinds.contains(&kind))
    }

    fn shows_summary_messages(&self) -> bool {
        self.summary_messages
            || self.include_types.as_ref().is_some_and(|kinds| kinds.contains(&MessageType::SummaryMessage))
    }

    fn is_message_tool(&self, call: &FunctionToolCall) -> bool {
        self.use_assistant_message && call.function.name == self.assistant_message_tool_name
    }
}

/// Shows a list of stored messages, in their order.
///
/// With the message tool shown as what the agent says, what that tool returned is left out.
#[must_use]
pub fn to_wire_list(messages: &[StoredMessage], options: &WireOptions) -> Vec<WireMessage> {
    let hidden: HashSet<&str> = messages
        .iter()
        .filter(|message| {
            message.role == MessageRole::Assistant
                && message.tool_calls.iter().any(|call| options.is_message_tool(call))
        })
        .flat_map(|message| message.tool_calls.iter().map(|call| call.id.as_str()))
        .collect();
    let is_hidden = |message: &StoredMessage| {
        message.role == MessageRole::Tool
            && (message.returned_call_ids().any(|id| hidden.contains(id))
                // The call may stand on an earlier page.
                || options.use_assistant_message
                    && message.tool_returns.len() <= 1
                    && message.name.as_ref() == Some(&options.assistant_message_tool_name))
    };
    messages.iter().filter(|message| !is_hidden(message)).flat_map(|message| message.to_wire(options)).collect()
}

impl StoredMessage {
    /// What clients see of this message.
    #[must_use]
    pub fn to_wire(&self, options: &WireOptions) -> Vec<WireMessage> {
        let mut wire = match self.role {
            MessageRole::Assistant => self.assistant(options),
            MessageRole::Approval if self.is_approval_request() => self.approval_request(options),
            MessageRole::Approval => vec![self.approval_response().into()],
            MessageRole::Tool | MessageRole::Function => vec![self.tool_return().into()],
            MessageRole::User => vec![self.user().into()],
            MessageRole::System => vec![SystemMessage { base: self.base(), content: self.text() }.into()],
            MessageRole::Summary => vec![self.summary(options)],
        };
        wire.retain(|message| options.includes(message.message_type()));
        if options.reversed {
            wire.reverse();
        }
        wire
    }

    /// The ids of the calls that a tool message answers.
    pub fn returned_call_ids(&self) -> impl Iterator<Item = &str> {
        let single = if self.tool_returns.is_empty() { self.tool_call_id.as_deref() } else { None };
        self.tool_returns.iter().filter_map(|tool| tool.tool_call_id.as_deref()).chain(single)
    }

    fn base(&self) -> MessageBase {
        MessageBase {
            id: self.id.to_string(),
            date: self.created_at.into(),
            name: self.name.clone(),
            otid: self.otid.clone(),
            sender_id: self.sender_id.clone(),
            step_id: self.step_id,
            is_err: self.is_err.filter(|is_err| *is_err),
            seq_id: None,
            run_id: self.run_id,
        }
    }

    /// The base of the wire message at `index` of this one.
    fn base_at(&self, index: usize) -> MessageBase {
        MessageBase { otid: Some(otid(self.id, index)), ..self.base() }
    }

    fn assistant(&self, options: &WireOptions) -> Vec<WireMessage> {
        let mut wire = self.content_parts(options);
        let mut group = Vec::new();
        for call in &self.tool_calls {
            if !options.is_message_tool(call) {
                group.push(call.into());
                continue;
            }
            let Some(text) = message_argument(call, &options.assistant_message_tool_kwarg) else { continue };
            let calls = ToolCallMessage::of_calls(self.base_at(wire.len()), std::mem::take(&mut group));
            wire.extend(calls.map(Into::into));
            wire.push(AssistantMessage { base: self.base_at(wire.len()), content: text.into() }.into());
        }
        let calls = ToolCallMessage::of_calls(self.base_at(wire.len()), group);
        wire.extend(calls.map(Into::into));
        wire
    }

    fn approval_request(&self, options: &WireOptions) -> Vec<WireMessage> {
        let mut wire = self.content_parts(options);
        let base = MessageBase { otid: Some(self.otid.clone().unwrap_or_else(|| self.id.to_string())), ..self.base() };
        let calls = self.tool_calls.iter().map(Into::into).collect();
        wire.extend(ApprovalRequestMessage::of_calls(base, calls).map(Into::into));
        wire
    }

    fn content_parts(&self, options: &WireOptions) -> Vec<WireMessage> {
        let mut wire = Vec::new();
        let mut parts = self.content.iter().peekable();
        while let Some(part) = parts.next() {
            let base = self.base_at(wire.len());
            match part {
                ContentPart::Text(text) if options.text_is_assistant => {
                    let mut content = text.text.clone();
                    while let Some(ContentPart::Text(next)) = parts.next_if(|part| matches!(part, ContentPart::Text(_)))
                    {
                        content.push_str(&next.text);
                    }
                    if !content.is_empty() {
                        wire.push(AssistantMessage { base, content: content.into() }.into());
                    }
                }
                ContentPart::Text(text) => {
                    let source = ReasoningSource::NonReasonerModel;
                    wire.push(ReasoningMessage { base, source, reasoning: text.text.clone(), signature: None }.into());
                }
                ContentPart::Reasoning(first) => {
                    let (mut reasoning, mut signature) = (first.reasoning.clone(), first.signature.clone());
                    while let Some(ContentPart::Reasoning(next)) =
                        parts.next_if(|part| matches!(part, ContentPart::Reasoning(_)))
                    {
                        reasoning.push_str(&next.reasoning);
                        signature = next.signature.clone().or(signature);
                    }
                    let source = ReasoningSource::ReasonerModel;
                    wire.push(ReasoningMessage { base, source, reasoning, signature }.into());
                }
                ContentPart::SummarizedReasoning(summarized) => {
                    let texts = summarized.summary.iter().map(|part| part.text.as_str());
                    let reasoning = texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n");
                    if !reasoning.is_empty() {
                        let source = ReasoningSource::ReasonerModel;
                        let signature = summarized.encrypted_content.clone();
                        wire.push(ReasoningMessage { base, source, reasoning, signature }.into());
                    }
                }
                ContentPart::RedactedReasoning(redacted) => {
                    let hidden_reasoning = Some(redacted.data.clone());
                    let state = HiddenReasoningState::Redacted;
                    wire.push(HiddenReasoningMessage { base, state, hidden_reasoning }.into());
                }
                ContentPart::OmittedReasoning(_) => {
                    let state = HiddenReasoningState::Omitted;
                    wire.push(HiddenReasoningMessage { base, state, hidden_reasoning: None }.into());
                }
                ContentPart::Image(_) | ContentPart::ToolCall(_) | ContentPart::ToolReturn(_) => {}
            }
        }
        wire
    }

    fn approval_response(&self) -> ApprovalResponseMessage {
        let mut approvals: Vec<ApprovalEntry> = self.approvals.iter().map(Into::into).collect();
        if let (true, Some(approve), Some(id)) = (approvals.is_empty(), self.approve, &self.approval_request_id) {
            let reason = self.denial_reason.clone();
            approvals.push(ApprovalReturn { tool_call_id: id.clone(), approve, reason }.into());
        }
        let first = approvals.iter().find_map(|entry| match entry {
            ApprovalEntry::Approval(approval) => Some(approval.clone()),
            ApprovalEntry::Tool(_) => None,
        });
        let (approve, approval_request_id, reason) = match first {
            Some(ApprovalReturn { tool_call_id, approve, reason }) => (Some(approve), Some(tool_call_id), reason),
            None => (self.approve, self.approval_request_id.clone(), self.denial_reason.clone()),
        };
        ApprovalResponseMessage { base: self.base(), approvals: Some(approvals), approve, approval_request_id, reason }
    }

    fn tool_return(&self) -> ToolReturnMessage {
        let fallback = || StoredToolReturn {
            tool_call_id: self.tool_call_id.clone(),
            status: ToolStatus::Success,
            stdout: None,
            stderr: None,
            func_response: Some(self.text().into()),
        };
        let tool_returns: Vec<ToolReturn> = if self.tool_returns.is_empty() {
            vec![ToolReturn::of_stored(&fallback())]
        } else {
            self.tool_returns.iter().map(ToolReturn::of_stored).collect()
        };
        let first = tool_returns.first().cloned().unwrap_or_else(|| ToolReturn::of_stored(&fallback()));
        ToolReturnMessage {
            base: self.base_at(0),
            tool_return: first.tool_return.shown_as_text(),
            status: first.status,
            tool_call_id: first.tool_call_id,
            stdout: first.stdout,
            stderr: first.stderr,
            tool_returns: Some(tool_returns),
        }
    }

    fn user(&self) -> UserMessage {
        let content = match self.single_text() {
            Some(text) => open_user_message(text).unwrap_or_else(|| text.to_owned()).into(),
            None => UserContent::Parts(
                self.content
                    .iter()
                    .filter_map(|part| match part {
                        ContentPart::Text(text) => Some(UserPart::Text(text.clone())),
                        ContentPart::Image(image) => Some(UserPart::Image(image.clone())),
                        _ => None,
                    })
                    .collect(),
            ),
        };
        UserMessage { base: self.base(), content }
    }

    fn summary(&self, options: &WireOptions) -> WireMessage {
        let base = if self.otid.is_some() { self.base() } else { self.base_at(0) };
        let text = self.text();
        if !options.shows_summary_messages() {
            return UserMessage { base, content: text.into() }.into();
        }
        let (summary, compaction_stats) = open_summary(&text);
        SummaryMessage { base, summary, compaction_stats }.into()
    }
}

/// What the message tool is asked to say; none if the argument is missing or the arguments are not JSON.
fn message_argument(call: &FunctionToolCall, kwarg: &str) -> Option<String> {
    let arguments: Value = serde_json::from_str(&call.function.arguments).ok()?;
    match arguments.get(kwarg)? {
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

impl ToolReturn {
    /// What clients see of a stored result: text without its packaging, and parts as they are.
    fn of_stored(stored: &StoredToolReturn) -> Self {
        let (tool_return, status) = match &stored.func_response {
            Some(ToolReturnValue::Text(text)) => match unpack_tool_result(text) {
                Some(result) => {
                    let status = if result.ok { ToolStatus::Success } else { ToolStatus::Error };
                    (result.into_text().into(), status)
                }
                None => (text.clone().into(), stored.status),
            },
            Some(parts) => (parts.clone(), stored.status),
            None => (String::new().into(), stored.status),
        };
        Self {
            tool_return,
            status,
            tool_call_id: stored.tool_call_id.clone().unwrap_or_default(),
            stdout: stored.stdout.clone(),
            stderr: stored.stderr.clone(),
        }
    }
}

impl ToolReturnValue {
    /// The result for clients that know only text: the texts a line each, then a note about the images.
    #[must_use]
    pub fn shown_as_text(&self) -> String {
        let parts = match self {
            Self::Text(text) => return text.clone(),
            Self::Parts(parts) => parts,
        };
        let mut lines: Vec<String> = Vec::new();
        let mut images = 0_usize;
        for part in parts {
            match part {
                ToolReturnPart::Text(text) => lines.push(text.text.clone()),
                ToolReturnPart::Image(_) => images += 1,
            }
        }
        match images {
            0 => {}
            1 => lines.push("[Image omitted]".to_owned()),
            _ => lines.push(format!("[{images} images omitted]")),
        }
        lines.join("\n")
    }
}

impl From<&StoredApproval> for ApprovalEntry {
    fn from(approval: &StoredApproval) -> Self {
        match approval {
            StoredApproval::Approval(approval) => Self::Approval(approval.clone()),
            StoredApproval::Tool(tool) => Self::Tool(ToolReturn {
                tool_return: tool.func_response.clone().unwrap_or_else(|| "".into()),
                status: tool.status,
                tool_call_id: tool.tool_call_id.clone().unwrap_or_default(),
                stdout: tool.stdout.clone(),
                stderr: tool.stderr.clone(),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
