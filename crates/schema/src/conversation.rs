//! Conversations: histories of an agent beside its default one.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AgentId, BlockId, ConversationId, InputRole, MessageContent, MessageId, ModelSettings, Patch, Timestamp, UserId,
};

/// A conversation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Conversation {
    /// The id.
    pub id: ConversationId,
    /// The agent.
    pub agent_id: AgentId,
    /// What it is about.
    #[serde(default)]
    pub summary: Option<String>,
    /// What it is about, at more length.
    #[serde(default)]
    pub description: Option<String>,
    /// Whether it was put aside: lists leave it out unless they are asked for it.
    #[serde(default)]
    #[schema(required = false)]
    pub archived: bool,
    /// When it was put aside.
    #[serde(default)]
    pub archived_at: Option<Timestamp>,
    /// The messages that the model sees, in order.
    #[serde(default)]
    #[schema(required = false)]
    pub in_context_message_ids: Vec<MessageId>,
    /// The blocks that stand in place of the agent's.
    #[serde(default)]
    #[schema(required = false)]
    pub isolated_block_ids: Vec<BlockId>,
    /// The handle of its own model.
    #[serde(default)]
    pub model: Option<String>,
    /// The settings of its own model.
    #[serde(default)]
    #[schema(inline)]
    pub model_settings: Option<ModelSettings>,
    /// Its own limit of the context window, in tokens.
    #[serde(default)]
    pub context_window_limit: Option<i64>,
    /// When the last message was sent.
    #[serde(default)]
    pub last_message_at: Option<Timestamp>,
    /// When it was made.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
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

/// A new conversation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CreateConversation {
    /// What it is about.
    pub summary: Option<String>,
    /// What it is about, at more length.
    pub description: Option<String>,
    /// Whether lists leave it out, for good.
    #[schema(required = false, default = false)]
    pub hidden: Option<bool>,
    /// Labels of the agent's blocks of which the conversation gets copies of its own.
    pub isolated_block_labels: Option<Vec<String>>,
    /// The handle of its own model.
    pub model: Option<String>,
    /// The settings of its own model.
    #[schema(inline)]
    pub model_settings: Option<ModelSettings>,
    /// Its own limit of the context window, in tokens.
    #[schema(minimum = 1)]
    pub context_window_limit: Option<i64>,
    /// What was said before, elsewhere: the conversation begins with it. At most 1000 messages, the oldest first.
    pub messages: Option<Vec<PastMessage>>,
}

/// A message of a conversation that took place elsewhere.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PastMessage {
    /// Who said it.
    #[schema(inline)]
    pub role: InputRole,
    /// What was said. Must not be empty; images must be in the message itself.
    #[schema(inline)]
    pub content: MessageContent,
    /// When it was said; now when missing.
    #[serde(default)]
    pub created_at: Option<Timestamp>,
    /// The name of the sender.
    #[serde(default)]
    pub name: Option<String>,
    /// The client's own id of the message; made by the server when missing. A history takes in the same id once.
    #[serde(default)]
    pub otid: Option<String>,
}

/// Messages to take into a history.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
pub struct ImportMessages {
    /// The agent, for its default history.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// The messages, at most 1000, the oldest first.
    pub messages: Vec<PastMessage>,
}

/// A change of a conversation. Null means no change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct UpdateConversation {
    /// What it is about.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>)]
    pub summary: Patch<String>,
    /// What it is about, at more length.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>)]
    pub description: Patch<String>,
    /// Whether it is put aside.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<bool>)]
    pub archived: Patch<bool>,
    /// The handle of its own model.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>)]
    pub model: Patch<String>,
    /// The settings of its own model.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<ModelSettings>, inline)]
    pub model_settings: Patch<ModelSettings>,
    /// Its own limit of the context window, in tokens.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub context_window_limit: Patch<i64>,
    /// When the last message was sent.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<Timestamp>)]
    pub last_message_at: Patch<Timestamp>,
}
