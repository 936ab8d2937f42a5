//! Messages as they are stored: the model's view of a conversation, one row a turn.

use serde::{Deserialize, Serialize, Serializer};
use utoipa::ToSchema;

use super::{ApprovalEntry, ApprovalReturn, ToolCall, ToolReturn};
use crate::{
    AgentId, ContentPart, ConversationId, MessageId, MessageRole, RunId, StepId, Timestamp, ToolReturnValue,
    ToolStatus, UserId, tagged::tagged_struct,
};

/// A stored message. What clients see is made from it with [`StoredMessage::to_wire`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = Message)]
pub struct StoredMessage {
    /// The id.
    pub id: MessageId,
    /// The place among all messages of the server, in the order in which they were stored; 0 before.
    #[serde(skip)]
    pub sequence_id: i64,
    /// The agent that the message belongs to.
    pub agent_id: AgentId,
    /// The conversation that it was made in; null in the agent's default history.
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
    /// Who it comes from.
    pub role: MessageRole,
    /// What it says, in order.
    #[serde(default, deserialize_with = "crate::de::null_as_default")]
    pub content: Vec<ContentPart>,
    /// The name of the sender; of the first executed tool in tool messages.
    #[serde(default)]
    pub name: Option<String>,
    /// The model that wrote it; null for input.
    #[serde(default)]
    pub model: Option<String>,
    /// The tool calls of an assistant message, or those that an approval request asks about. Null when none.
    #[serde(default, serialize_with = "null_when_empty", deserialize_with = "crate::de::null_as_default")]
    #[schema(value_type = Option<Vec<FunctionToolCall>>)]
    pub tool_calls: Vec<FunctionToolCall>,
    /// The first call that a tool message answers or an approval request asks about.
    #[serde(default)]
    pub tool_call_id: Option<String>,
    /// What the tools of a tool message returned. Null when none.
    #[serde(default, serialize_with = "null_when_empty", deserialize_with = "crate::de::null_as_default")]
    #[schema(value_type = Option<Vec<StoredToolReturn>>)]
    pub tool_returns: Vec<StoredToolReturn>,
    /// The client's answers to an approval request. Null when none.
    #[serde(default, serialize_with = "null_when_empty", deserialize_with = "crate::de::null_as_default")]
    #[schema(value_type = Option<Vec<StoredApproval>>, inline)]
    pub approvals: Vec<StoredApproval>,
    /// The first of the client's approvals.
    #[serde(default)]
    pub approve: Option<bool>,
    /// The request that the client answers.
    #[serde(default)]
    pub approval_request_id: Option<String>,
    /// The reason of the first of the client's approvals.
    #[serde(default)]
    pub denial_reason: Option<String>,
    /// The id that the client gave the message.
    #[serde(default)]
    pub otid: Option<String>,
    /// The id of the sender, an identity or an agent.
    #[serde(default)]
    pub sender_id: Option<String>,
    /// The group that the message belongs to.
    #[serde(default)]
    pub group_id: Option<String>,
    /// The item of a batch that the message belongs to.
    #[serde(default)]
    pub batch_item_id: Option<String>,
    /// The step that made it.
    #[serde(default)]
    pub step_id: Option<StepId>,
    /// The run that made it.
    #[serde(default)]
    pub run_id: Option<RunId>,
    /// Whether it belongs to a failed step.
    #[serde(default)]
    pub is_err: Option<bool>,
    /// When it was made.
    #[serde(default = "Timestamp::now")]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[serde(default)]
    pub updated_at: Option<Timestamp>,
    /// Who made it.
    #[serde(default)]
    pub created_by_id: Option<UserId>,
    /// Who last changed it.
    #[serde(default)]
    pub last_updated_by_id: Option<UserId>,
}

fn null_when_empty<S: Serializer, T: Serialize>(list: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    (!list.is_empty()).then_some(list).serialize(serializer)
}

impl StoredMessage {
    /// A new message of the default history with a random id, made now.
    pub fn new(agent_id: AgentId, role: MessageRole, content: Vec<ContentPart>) -> Self {
        Self {
            id: MessageId::random(),
            sequence_id: 0,
            agent_id,
            conversation_id: None,
            role,
            content,
            name: None,
            model: None,
            tool_calls: Vec::new(),
            tool_call_id: None,
            tool_returns: Vec::new(),
            approvals: Vec::new(),
            approve: None,
            approval_request_id: None,
            denial_reason: None,
            otid: None,
            sender_id: None,
            group_id: None,
            batch_item_id: None,
            step_id: None,
            run_id: None,
            is_err: None,
            created_at: Timestamp::now(),
            updated_at: None,
            created_by_id: None,
            last_updated_by_id: None,
        }
    }

    /// Whether it asks the client about tool calls.
    pub const fn is_approval_request(&self) -> bool {
        matches!(self.role, MessageRole::Approval) && !self.tool_calls.is_empty()
    }

    /// The text of its text parts, one after the other.
    pub fn text(&self) -> String {
        self.content.iter().filter_map(ContentPart::as_text).collect()
    }

    /// The text, if it consists of exactly one text part.
    pub fn single_text(&self) -> Option<&str> {
        match self.content.as_slice() {
            [part] => part.as_text(),
            _ => None,
        }
    }

    /// Records the client's answers to an approval request, also in the members that old clients read.
    pub fn set_approvals(&mut self, entries: Vec<ApprovalEntry>) {
        let first = entries.iter().find_map(|entry| match entry {
            ApprovalEntry::Approval(approval) => Some(approval.clone()),
            ApprovalEntry::Tool(_) => None,
        });
        if let Some(ApprovalReturn { tool_call_id, approve, reason }) = first {
            self.approve = Some(approve);
            self.approval_request_id = Some(tool_call_id);
            self.denial_reason = reason;
        }
        self.approvals = entries.into_iter().map(Into::into).collect();
    }
}

tagged_struct! {
    always "type" = "function", as "ChatCompletionMessageFunctionToolCall-Output";
    /// A tool call in the form that most model providers use.
    pub struct FunctionToolCall {
        /// The id of the call.
        pub id: String,
        /// The function and its arguments.
        pub function: FunctionCall,
    }
}

/// The function of a tool call and its arguments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Function_Output)]
pub struct FunctionCall {
    /// The name of the tool.
    pub name: String,
    /// The arguments as JSON text.
    pub arguments: String,
}

impl FunctionToolCall {
    /// A call of `name` with arguments as JSON text.
    pub fn new(id: impl Into<String>, name: impl Into<String>, arguments: impl Into<String>) -> Self {
        Self { id: id.into(), function: FunctionCall { name: name.into(), arguments: arguments.into() } }
    }
}

impl From<&FunctionToolCall> for ToolCall {
    fn from(call: &FunctionToolCall) -> Self {
        Self {
            name: call.function.name.clone(),
            arguments: call.function.arguments.clone(),
            tool_call_id: call.id.clone(),
        }
    }
}

impl From<ToolCall> for FunctionToolCall {
    fn from(call: ToolCall) -> Self {
        Self::new(call.tool_call_id, call.name, call.arguments)
    }
}

/// What one tool returned, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(as = letta__schemas__message__ToolReturn)]
pub struct StoredToolReturn {
    /// The call that it answers.
    #[serde(default)]
    pub tool_call_id: Option<String>,
    /// How the call ended.
    pub status: ToolStatus,
    /// What the tool printed.
    #[serde(default)]
    pub stdout: Option<Vec<String>>,
    /// What the tool printed as errors.
    #[serde(default)]
    pub stderr: Option<Vec<String>>,
    /// The result: packaged text (see [`crate::package_tool_result`]), or text and images.
    #[serde(default)]
    #[schema(inline)]
    pub func_response: Option<ToolReturnValue>,
}

impl From<ToolReturn> for StoredToolReturn {
    fn from(tool: ToolReturn) -> Self {
        Self {
            tool_call_id: Some(tool.tool_call_id),
            status: tool.status,
            stdout: tool.stdout,
            stderr: tool.stderr,
            func_response: Some(tool.tool_return),
        }
    }
}

/// The client's answer about one pending tool call, as it is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum StoredApproval {
    /// Whether the server may make the call.
    Approval(ApprovalReturn),
    /// What the client's own tool returned, as the client sent it.
    Tool(StoredToolReturn),
}

impl From<ApprovalEntry> for StoredApproval {
    fn from(entry: ApprovalEntry) -> Self {
        match entry {
            ApprovalEntry::Approval(approval) => Self::Approval(approval),
            ApprovalEntry::Tool(tool) => Self::Tool(tool.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InputMessage;

    #[test]
    fn empty_lists_of_calls_are_null_and_come_back_empty() {
        let mut message = StoredMessage::new(AgentId::random(), MessageRole::Assistant, vec![ContentPart::text("Hi")]);
        let json = serde_json::to_value(&message).unwrap();
        assert!(json["tool_calls"].is_null() && json["approvals"].is_null());
        assert_eq!(serde_json::from_value::<StoredMessage>(json).unwrap(), message);
        message.tool_calls.push(FunctionToolCall::new("c1", "f", "{}"));
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(json["tool_calls"][0]["type"], "function");
        assert_eq!(serde_json::from_value::<StoredMessage>(json).unwrap(), message);
    }

    #[test]
    fn approvals_are_stored_with_the_members_of_old_clients() {
        let json = r#"{"approvals":[{"type":"tool","tool_call_id":"c1","status":"success","tool_return":"42"},
            {"type":"approval","tool_call_id":"c2","approve":false,"reason":"No."}]}"#;
        let InputMessage::Approval(approval) = serde_json::from_str(json).unwrap() else { panic!() };
        let mut message = StoredMessage::new(AgentId::random(), MessageRole::Approval, Vec::new());
        message.set_approvals(approval.entries());
        assert_eq!(message.approve, Some(false));
        assert_eq!(message.approval_request_id.as_deref(), Some("c2"));
        assert_eq!(message.denial_reason.as_deref(), Some("No."));
        let json = serde_json::to_value(&message).unwrap();
        assert_eq!(json["approvals"][0]["func_response"], "42");
        assert_eq!(serde_json::from_value::<StoredMessage>(json).unwrap(), message);
    }
}
