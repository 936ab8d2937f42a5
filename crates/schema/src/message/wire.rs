//! Messages as clients see them: in answers, in streams, in lists.

use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ApprovalEntry, ToolReturn};
use crate::{
    AssistantContent, CompactionStats, MessageDate, RunId, StepId, ToolStatus, UserContent, tagged::tagged_struct,
};

wire_enum! {
    /// The kind of a message as clients see it.
    closed enum MessageType ("MessageType", "message_type") {
        SystemMessage = "system_message",
        UserMessage = "user_message",
        AssistantMessage = "assistant_message",
        ReasoningMessage = "reasoning_message",
        HiddenReasoningMessage = "hidden_reasoning_message",
        ToolCallMessage = "tool_call_message",
        ToolReturnMessage = "tool_return_message",
        ApprovalRequestMessage = "approval_request_message",
        ApprovalResponseMessage = "approval_response_message",
        SummaryMessage = "summary_message",
        EventMessage = "event_message",
    }
}

/// What all messages have. Every member is always written, null when it does not apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageBase {
    /// The id of the stored message, which several wire messages may share; `ping-<uuid4>` for pings, a bare uuid
    /// for events.
    pub id: String,
    /// When it was made.
    pub date: MessageDate,
    /// The name of the sender.
    #[serde(default)]
    pub name: Option<String>,
    /// The id that the client gave the message, or one made from the stored message's id and the place in it.
    #[serde(default)]
    pub otid: Option<String>,
    /// The id of the sender, an identity or an agent.
    #[serde(default)]
    pub sender_id: Option<String>,
    /// The step that made the message.
    #[serde(default)]
    pub step_id: Option<StepId>,
    /// True for messages of a failed step, otherwise null.
    #[serde(default, serialize_with = "true_or_null")]
    pub is_err: Option<bool>,
    /// The place in the stored stream of a background run, from 1.
    #[serde(default)]
    pub seq_id: Option<i64>,
    /// The run that made the message.
    #[serde(default)]
    pub run_id: Option<RunId>,
}

impl MessageBase {
    /// A base with nothing but an id and a date.
    pub fn new(id: impl Into<String>, date: impl Into<MessageDate>) -> Self {
        Self {
            id: id.into(),
            date: date.into(),
            name: None,
            otid: None,
            sender_id: None,
            step_id: None,
            is_err: None,
            seq_id: None,
            run_id: None,
        }
    }
}

/// False is not a value that clients know.
#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn true_or_null<S: Serializer>(value: &Option<bool>, serializer: S) -> Result<S::Ok, S::Error> {
    value.filter(|is_err| *is_err).serialize(serializer)
}

tagged_struct! {
    "message_type" = "system_message", as "SystemMessage", base: MessageBase;
    /// The system prompt, or another instruction to the model.
    pub struct SystemMessage {
        /// The text.
        pub content: String,
    }
}

tagged_struct! {
    "message_type" = "user_message", as "UserMessage", base: MessageBase;
    /// What the user said, or what the server told the model in the user's place.
    pub struct UserMessage {
        /// The text, or text and images.
        pub content: UserContent [inline],
    }
}

tagged_struct! {
    "message_type" = "reasoning_message", as "ReasoningMessage", base: MessageBase;
    /// What the model thought.
    pub struct ReasoningMessage {
        /// Whether the model reasons by itself.
        #[serde(default)]
        pub source: ReasoningSource [inline],
        /// The reasoning; in token streaming the new piece of it.
        pub reasoning: String,
        /// What the provider wants back with the reasoning.
        #[serde(default)]
        pub signature: Option<String>,
    }
}

/// Where reasoning comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReasoningSource {
    /// A model that reasons by itself.
    ReasonerModel,
    /// A model that was asked to write down its thoughts.
    #[default]
    NonReasonerModel,
}

tagged_struct! {
    "message_type" = "hidden_reasoning_message", as "HiddenReasoningMessage", base: MessageBase;
    /// A sign that the model thought what is not shown.
    pub struct HiddenReasoningMessage {
        /// Why it is not shown.
        pub state: HiddenReasoningState [inline],
        /// The encrypted reasoning, if the provider gave it.
        #[serde(default)]
        pub hidden_reasoning: Option<String>,
    }
}

/// Why reasoning is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HiddenReasoningState {
    /// The provider has encrypted it.
    Redacted,
    /// The provider keeps it to itself.
    Omitted,
}

tagged_struct! {
    "message_type" = "assistant_message", as "AssistantMessage", base: MessageBase;
    /// What the agent says to the user.
    pub struct AssistantMessage {
        /// The text; in token streaming the new piece of it.
        pub content: AssistantContent [inline],
    }
}

/// A tool call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ToolCall {
    /// The name of the tool.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
    /// The id of the call.
    pub tool_call_id: String,
}

/// A piece of a tool call, in token streaming.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ToolCallDelta {
    /// The name of the tool, in the first piece.
    #[serde(default)]
    pub name: Option<String>,
    /// The next piece of the arguments' JSON text.
    #[serde(default)]
    pub arguments: Option<String>,
    /// The id of the call, in every piece.
    #[serde(default)]
    pub tool_call_id: Option<String>,
}

/// A whole tool call, or in token streaming a piece of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ToolCallOrDelta {
    /// The whole call.
    Call(ToolCall),
    /// A piece of it.
    Delta(ToolCallDelta),
}

/// All tool calls of a turn, or in token streaming a piece of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum ToolCalls {
    /// Whole calls.
    List(Vec<ToolCall>),
    /// A piece of one.
    Delta(ToolCallDelta),
}

/// A piece of a tool call without the members that are null.
#[derive(Serialize)]
struct SparseDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_call_id: &'a Option<String>,
}

impl<'a> From<&'a ToolCallDelta> for SparseDelta<'a> {
    fn from(delta: &'a ToolCallDelta) -> Self {
        Self { name: &delta.name, arguments: &delta.arguments, tool_call_id: &delta.tool_call_id }
    }
}

fn sparse_call<S: Serializer>(call: &ToolCallOrDelta, serializer: S) -> Result<S::Ok, S::Error> {
    match call {
        ToolCallOrDelta::Call(call) => call.serialize(serializer),
        ToolCallOrDelta::Delta(delta) => SparseDelta::from(delta).serialize(serializer),
    }
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn sparse_calls<S: Serializer>(calls: &Option<ToolCalls>, serializer: S) -> Result<S::Ok, S::Error> {
    match calls {
        Some(ToolCalls::Delta(delta)) => SparseDelta::from(delta).serialize(serializer),
        calls => calls.serialize(serializer),
    }
}

tagged_struct! {
    "message_type" = "tool_call_message", as "ToolCallMessage", base: MessageBase;
    /// The model calls tools. A piece of a call is written without the members that it has no value for.
    pub struct ToolCallMessage {
        /// The first call, for old clients.
        #[serde(serialize_with = "sparse_call")]
        pub tool_call: ToolCallOrDelta [inline, deprecated],
        /// All calls; in token streaming the same piece as `tool_call`, not a list.
        #[serde(default, serialize_with = "sparse_calls")]
        pub tool_calls: Option<ToolCalls> [inline],
    }
}

tagged_struct! {
    "message_type" = "tool_return_message", as "ToolReturnMessage", base: MessageBase;
    /// What tools returned. The members beside `tool_returns` repeat the first return, for old clients.
    pub struct ToolReturnMessage {
        /// The first return as text.
        pub tool_return: String [deprecated],
        /// How the first call ended.
        pub status: ToolStatus [inline, deprecated],
        /// The id of the first call.
        pub tool_call_id: String [deprecated],
        /// What the first tool printed.
        #[serde(default)]
        pub stdout: Option<Vec<String>> [deprecated],
        /// What the first tool printed as errors.
        #[serde(default)]
        pub stderr: Option<Vec<String>> [deprecated],
        /// All returns.
        #[serde(default)]
        pub tool_returns: Option<Vec<ToolReturn>>,
    }
}

tagged_struct! {
    "message_type" = "approval_request_message", as "ApprovalRequestMessage", base: MessageBase;
    /// Tool calls that wait for the client: for its approval, or for its own result. Unlike in a tool call message, a
    /// piece of a call is written with all its members.
    pub struct ApprovalRequestMessage {
        /// The first call, for old clients.
        pub tool_call: ToolCallOrDelta [inline, deprecated],
        /// All calls; in token streaming the same piece as `tool_call`, not a list.
        #[serde(default)]
        pub tool_calls: Option<ToolCalls> [inline],
    }
}

tagged_struct! {
    "message_type" = "approval_response_message", as "ApprovalResponseMessage", base: MessageBase;
    /// The client's answer to an approval request.
    pub struct ApprovalResponseMessage {
        /// One answer for each call.
        #[serde(default)]
        pub approvals: Option<Vec<ApprovalEntry>> [inline],
        /// The first approval, for old clients.
        #[serde(default)]
        pub approve: Option<bool> [deprecated],
        /// The id of the call that the first approval is about, for old clients.
        #[serde(default)]
        pub approval_request_id: Option<String> [deprecated],
        /// The reason of the first approval, for old clients.
        #[serde(default)]
        pub reason: Option<String> [deprecated],
    }
}

tagged_struct! {
    "message_type" = "summary_message", as "SummaryMessage", base: MessageBase;
    /// A summary that stands for earlier messages.
    pub struct SummaryMessage {
        /// The summary.
        pub summary: String,
        /// What the summary saved.
        #[serde(default)]
        pub compaction_stats: Option<CompactionStats>,
    }
}

tagged_struct! {
    "message_type" = "event_message", as "EventMessage", base: MessageBase;
    /// Something that happened during a run. Never stored.
    pub struct EventMessage {
        /// What happened.
        pub event_type: EventType [inline],
        /// More about it.
        pub event_data: Map<String, Value> [value_type = Object],
    }
}

/// What can happen during a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EventType {
    /// Earlier messages are about to be replaced by a summary.
    Compaction,
}

tagged_union! {
    /// A message as clients see it.
    enum WireMessage ("LettaMessageUnion", by "message_type") {
        /// The system prompt, or another instruction to the model.
        System (SystemMessage) = "system_message",
        /// What the user said.
        User (UserMessage) = "user_message",
        /// What the model thought.
        Reasoning (ReasoningMessage) = "reasoning_message",
        /// A sign that the model thought what is not shown.
        HiddenReasoning (HiddenReasoningMessage) = "hidden_reasoning_message",
        /// The model calls tools.
        ToolCall (ToolCallMessage) = "tool_call_message",
        /// What tools returned.
        ToolReturn (ToolReturnMessage) = "tool_return_message",
        /// What the agent says to the user.
        Assistant (AssistantMessage) = "assistant_message",
        /// Tool calls that wait for the client.
        ApprovalRequest (ApprovalRequestMessage) = "approval_request_message",
        /// The client's answer to an approval request.
        ApprovalResponse (ApprovalResponseMessage) = "approval_response_message",
        /// A summary that stands for earlier messages.
        Summary (SummaryMessage) = "summary_message",
        /// Something that happened during a run.
        Event (EventMessage) = "event_message",
    }
}

macro_rules! each_variant {
    ($self:expr, $message:ident => $value:expr) => {
        match $self {
            WireMessage::System($message) => $value,
            WireMessage::User($message) => $value,
            WireMessage::Reasoning($message) => $value,
            WireMessage::HiddenReasoning($message) => $value,
            WireMessage::ToolCall($message) => $value,
            WireMessage::ToolReturn($message) => $value,
            WireMessage::Assistant($message) => $value,
            WireMessage::ApprovalRequest($message) => $value,
            WireMessage::ApprovalResponse($message) => $value,
            WireMessage::Summary($message) => $value,
            WireMessage::Event($message) => $value,
        }
    };
}

impl WireMessage {
    /// What all messages have.
    pub const fn base(&self) -> &MessageBase {
        each_variant!(self, message => &message.base)
    }

    /// What all messages have, to be changed.
    pub const fn base_mut(&mut self) -> &mut MessageBase {
        each_variant!(self, message => &mut message.base)
    }

    /// The kind of the message.
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::System(_) => MessageType::SystemMessage,
            Self::User(_) => MessageType::UserMessage,
            Self::Reasoning(_) => MessageType::ReasoningMessage,
            Self::HiddenReasoning(_) => MessageType::HiddenReasoningMessage,
            Self::ToolCall(_) => MessageType::ToolCallMessage,
            Self::ToolReturn(_) => MessageType::ToolReturnMessage,
            Self::Assistant(_) => MessageType::AssistantMessage,
            Self::ApprovalRequest(_) => MessageType::ApprovalRequestMessage,
            Self::ApprovalResponse(_) => MessageType::ApprovalResponseMessage,
            Self::Summary(_) => MessageType::SummaryMessage,
            Self::Event(_) => MessageType::EventMessage,
        }
    }
}

impl ToolCallMessage {
    /// A message of whole calls; none for no calls.
    pub fn of_calls(base: MessageBase, calls: Vec<ToolCall>) -> Option<Self> {
        let first = calls.first()?.clone();
        Some(Self { base, tool_call: ToolCallOrDelta::Call(first), tool_calls: Some(ToolCalls::List(calls)) })
    }

    /// A message of one piece of a call.
    pub fn of_delta(base: MessageBase, delta: ToolCallDelta) -> Self {
        Self { base, tool_call: ToolCallOrDelta::Delta(delta.clone()), tool_calls: Some(ToolCalls::Delta(delta)) }
    }
}

impl ApprovalRequestMessage {
    /// A request about whole calls; none for no calls.
    pub fn of_calls(base: MessageBase, calls: Vec<ToolCall>) -> Option<Self> {
        let first = calls.first()?.clone();
        Some(Self { base, tool_call: ToolCallOrDelta::Call(first), tool_calls: Some(ToolCalls::List(calls)) })
    }

    /// One piece of a call.
    pub fn of_delta(base: MessageBase, delta: ToolCallDelta) -> Self {
        Self { base, tool_call: ToolCallOrDelta::Delta(delta.clone()), tool_calls: Some(ToolCalls::Delta(delta)) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Timestamp;

    fn base() -> MessageBase {
        MessageBase::new("message-1", Timestamp::parse("2025-11-22T02:37:37Z").unwrap())
    }

    fn base_json() -> Value {
        json!({"id": "message-1", "date": "2025-11-22T02:37:37+00:00", "name": null, "otid": null, "sender_id": null,
            "step_id": null, "is_err": null, "seq_id": null, "run_id": null})
    }

    fn with_base(own: Value) -> Value {
        let mut message = base_json();
        let (Value::Object(all), Value::Object(own)) = (&mut message, own) else { panic!() };
        all.extend(own);
        message
    }

    #[test]
    fn every_base_member_is_written_and_false_errors_are_null() {
        let mut base = base();
        base.is_err = Some(false);
        let message = WireMessage::from(AssistantMessage { base, content: "Hel".into() });
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(json, with_base(json!({"message_type": "assistant_message", "content": "Hel"})));
        assert_eq!(message.message_type().as_str(), "assistant_message");
    }

    #[test]
    fn pieces_of_calls_omit_nulls_in_tool_calls_and_keep_them_in_approval_requests() {
        let delta = ToolCallDelta { arguments: Some("{\"a".into()), tool_call_id: Some("c1".into()), name: None };
        let call = serde_json::to_value(ToolCallMessage::of_delta(base(), delta.clone())).unwrap();
        let sparse = json!({"arguments": "{\"a", "tool_call_id": "c1"});
        assert_eq!(
            call,
            with_base(json!({"message_type": "tool_call_message", "tool_call": sparse, "tool_calls": sparse}))
        );
        let request = serde_json::to_value(ApprovalRequestMessage::of_delta(base(), delta)).unwrap();
        let full = json!({"name": null, "arguments": "{\"a", "tool_call_id": "c1"});
        assert_eq!(
            request,
            with_base(json!({"message_type": "approval_request_message", "tool_call": full, "tool_calls": full}))
        );
        for json in [call, request] {
            let message: WireMessage = serde_json::from_value(json.clone()).unwrap();
            assert_eq!(serde_json::to_value(message).unwrap(), json);
        }
    }

    #[test]
    fn whole_calls_are_a_list_beside_the_first() {
        let call = |id: &str| ToolCall { name: "f".into(), arguments: "{}".into(), tool_call_id: id.into() };
        let message = ToolCallMessage::of_calls(base(), vec![call("1"), call("2")]).unwrap();
        let json = serde_json::to_value(WireMessage::from(message.clone())).unwrap();
        assert_eq!(json["tool_call"], json!({"name": "f", "arguments": "{}", "tool_call_id": "1"}));
        assert_eq!(json["tool_calls"][1]["tool_call_id"], "2");
        assert_eq!(serde_json::from_value::<WireMessage>(json).unwrap(), message.into());
    }
}
