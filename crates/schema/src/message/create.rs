//! Messages as clients send them.

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;
use utoipa::{PartialSchema, ToSchema, openapi};

use crate::{
    MessageContent, ToolReturnValue, ToolStatus,
    tagged::{Components, tagged_struct},
};

tagged_struct! {
    "type" = "message", as "MessageCreate";
    /// A message to the agent.
    pub struct MessageCreate {
        /// Who says it.
        pub role: InputRole [inline],
        /// What is said. Must not be empty.
        pub content: MessageContent [inline],
        /// The client's own id of the message; made by the server when missing. The same id is the same message.
        #[serde(default)]
        pub otid: Option<String>,
        /// The group that the message belongs to.
        #[serde(default)]
        pub group_id: Option<String>,
        /// The name of the sender.
        #[serde(default)]
        pub name: Option<String>,
        /// The id of the sender, an identity or an agent.
        #[serde(default)]
        pub sender_id: Option<String>,
        /// The item of a batch that the message belongs to.
        #[serde(default)]
        pub batch_item_id: Option<String>,
    }
}

wire_enum! {
    /// Who may speak in a request.
    closed enum InputRole ("InputRole", "role") {
        User = "user",
        System = "system",
        Assistant = "assistant",
    }
}

tagged_struct! {
    "type" = "approval", as "ApprovalCreate";
    /// The answer to an approval request.
    pub struct ApprovalCreate {
        /// The client's own id of the message; made by the server when missing.
        #[serde(default)]
        pub otid: Option<String>,
        /// The group that the message belongs to.
        #[serde(default)]
        pub group_id: Option<String>,
        /// One answer for each pending call.
        #[serde(default)]
        pub approvals: Option<Vec<ApprovalEntry>> [inline],
        /// The answer of old clients, about a single call.
        #[serde(default)]
        pub approve: Option<bool> [deprecated],
        /// The call, or the request's message, that an old client answers.
        #[serde(default)]
        pub approval_request_id: Option<String> [deprecated],
        /// The reason that an old client gives.
        #[serde(default)]
        pub reason: Option<String> [deprecated],
    }
}

impl ApprovalCreate {
    /// The answers, one for each call; those of old clients in today's form.
    pub fn entries(&self) -> Vec<ApprovalEntry> {
        match (self.approvals.as_deref(), self.approve, &self.approval_request_id) {
            (None | Some([]), Some(approve), Some(id)) => {
                vec![ApprovalReturn { tool_call_id: id.clone(), approve, reason: self.reason.clone() }.into()]
            }
            (approvals, ..) => approvals.unwrap_or_default().to_vec(),
        }
    }
}

tagged_struct! {
    "type" = "tool_return", as "ToolReturnCreate";
    /// The results of tools that the client runs. Handled like an approval with these as its entries.
    pub struct ToolReturnCreate {
        /// The client's own id of the message; made by the server when missing.
        #[serde(default)]
        pub otid: Option<String>,
        /// The group that the message belongs to.
        #[serde(default)]
        pub group_id: Option<String>,
        /// One result for each pending call.
        pub tool_returns: Vec<ToolReturn>,
    }
}

tagged_struct! {
    "type" = "approval", as "ApprovalReturn";
    /// Whether one tool call may be made.
    pub struct ApprovalReturn {
        /// The id of the call.
        pub tool_call_id: String,
        /// Whether it may be made.
        pub approve: bool,
        /// Why not, for the model to read.
        #[serde(default)]
        pub reason: Option<String>,
    }
}

tagged_struct! {
    "type" = "tool", as "letta__schemas__letta_message__ToolReturn";
    /// The result of one tool call.
    pub struct ToolReturn {
        /// The result: text, or text and images.
        pub tool_return: ToolReturnValue [inline],
        /// How the call ended.
        pub status: ToolStatus [inline],
        /// The id of the call.
        pub tool_call_id: String,
        /// What the tool printed.
        #[serde(default)]
        pub stdout: Option<Vec<String>>,
        /// What the tool printed as errors.
        #[serde(default)]
        pub stderr: Option<Vec<String>>,
    }
}

tagged_union! {
    /// The answer about one pending tool call.
    enum ApprovalEntry ("ApprovalEntry", by "type") {
        /// Whether the server may make the call.
        Approval (ApprovalReturn) = "approval",
        /// What the client's own tool returned.
        Tool (ToolReturn) = "tool",
    }
}

impl ApprovalEntry {
    /// The id of the call that this answers.
    pub fn tool_call_id(&self) -> &str {
        match self {
            Self::Approval(approval) => &approval.tool_call_id,
            Self::Tool(tool) => &tool.tool_call_id,
        }
    }
}

/// A message in a request.
///
/// Told apart by `type`; where that is missing, by the members that only one kind has, else it is a message.
#[derive(Debug, Clone, PartialEq)]
pub enum InputMessage {
    /// A message to the agent.
    Message(MessageCreate),
    /// The answer to an approval request.
    Approval(ApprovalCreate),
    /// The results of tools that the client runs.
    ToolReturn(ToolReturnCreate),
}

impl InputMessage {
    /// A message of plain content from the user.
    pub fn user(content: impl Into<MessageContent>) -> Self {
        Self::Message(MessageCreate {
            role: InputRole::User,
            content: content.into(),
            otid: None,
            group_id: None,
            name: None,
            sender_id: None,
            batch_item_id: None,
        })
    }

    /// The client's own id of the message.
    pub fn otid(&self) -> Option<&str> {
        match self {
            Self::Message(message) => message.otid.as_deref(),
            Self::Approval(approval) => approval.otid.as_deref(),
            Self::ToolReturn(tool) => tool.otid.as_deref(),
        }
    }
}

impl Serialize for InputMessage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Message(message) => message.serialize(serializer),
            Self::Approval(approval) => approval.serialize(serializer),
            Self::ToolReturn(tool) => tool.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for InputMessage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let Value::Object(object) = &value else {
            return Err(de::Error::custom("a message must be an object with a role and content"));
        };
        let has = |key: &str| object.get(key).is_some_and(|value| !value.is_null());
        let kind = match object.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(other) if !other.is_null() => {
                return Err(de::Error::custom(format_args!("the type of a message must be a string, not {other}")));
            }
            _ if has("tool_returns") => "tool_return",
            _ if has("approvals") || object.contains_key("approval_request_id") || object.contains_key("approve") => {
                "approval"
            }
            _ => "message",
        };
        let message = match kind {
            "message" => serde_json::from_value(value).map(Self::Message),
            "approval" => serde_json::from_value(value).map(Self::Approval),
            "tool_return" => serde_json::from_value(value).map(Self::ToolReturn),
            other => {
                let expected = "message, approval or tool_return";
                return Err(de::Error::custom(format_args!("unknown message type '{other}', expected {expected}")));
            }
        };
        message.map_err(de::Error::custom)
    }
}

impl PartialSchema for InputMessage {
    fn schema() -> openapi::RefOr<openapi::Schema> {
        openapi::schema::OneOfBuilder::new()
            .item(openapi::Ref::from_schema_name(MessageCreate::name()))
            .item(openapi::Ref::from_schema_name(ApprovalCreate::name()))
            .item(openapi::Ref::from_schema_name(ToolReturnCreate::name()))
            .into()
    }
}

impl ToSchema for InputMessage {
    fn schemas(components: &mut Components) {
        fn add<T: ToSchema>(components: &mut Components) {
            components.push((T::name().into_owned(), T::schema()));
            T::schemas(components);
        }
        add::<MessageCreate>(components);
        add::<ApprovalCreate>(components);
        add::<ToolReturnCreate>(components);
    }
}

impl From<InputRole> for crate::MessageRole {
    fn from(role: InputRole) -> Self {
        match role {
            InputRole::User => Self::User,
            InputRole::System => Self::System,
            InputRole::Assistant => Self::Assistant,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(json: Value) -> Result<InputMessage, serde_json::Error> {
        serde_json::from_value(json)
    }

    #[test]
    fn without_a_type_the_members_decide() {
        let message = read(json!({"role": "user", "content": "Hi"})).unwrap();
        assert_eq!(message, InputMessage::user("Hi"));
        assert!(matches!(read(json!({"type": null, "role": "user", "content": "Hi"})), Ok(InputMessage::Message(_))));
        for approval in [json!({"approve": true, "approval_request_id": "c1"}), json!({"approvals": []})] {
            assert!(matches!(read(approval), Ok(InputMessage::Approval(_))));
        }
        assert!(matches!(read(json!({"tool_returns": []})), Ok(InputMessage::ToolReturn(_))));
    }

    #[test]
    fn the_old_form_of_an_approval_is_one_entry() {
        let read = |json| match read(json) {
            Ok(InputMessage::Approval(approval)) => approval.entries(),
            other => panic!("{other:?}"),
        };
        let denial = json!({"type": "approval", "approve": false, "approval_request_id": "c1", "reason": "No."});
        let expected = ApprovalReturn { tool_call_id: "c1".into(), approve: false, reason: Some("No.".into()) };
        assert_eq!(read(denial), [expected.into()]);
        let both = json!({"approve": false, "approval_request_id": "c1",
            "approvals": [{"type": "tool", "tool_call_id": "c2", "status": "success", "tool_return": "42"}]});
        assert_eq!(read(both).first().map(ApprovalEntry::tool_call_id), Some("c2"));
        assert!(read(json!({"type": "approval", "approve": true})).is_empty());
    }

    #[test]
    fn what_is_wrong_with_a_message_is_said() {
        for (json, part) in [
            (json!("Hi"), "must be an object"),
            (json!({"type": "telegram"}), "'telegram'"),
            (json!({"role": "user"}), "content"),
            (json!({"role": "tool", "content": "Hi"}), "user, system, assistant"),
            (json!({"role": "user", "content": 3}), "a string or a list of content parts"),
        ] {
            let error = read(json).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
