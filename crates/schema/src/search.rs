//! Searching messages.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    AgentId, AssistantContent, ConversationId, MessageId, MessageRole, StoredMessage, Timestamp, UserContent,
    tagged::tagged_struct,
};

/// The results of a search when the request names no limit.
pub const DEFAULT_SEARCH_LIMIT: i64 = 50;

wire_enum! {
    /// How a message search ranks: by meaning, by words, or by both.
    closed enum SearchMode ("MessageSearchMode", "search_mode") {
        Vector = "vector",
        Fts = "fts",
        Hybrid = "hybrid",
    }
}

const fn hybrid() -> SearchMode {
    SearchMode::Hybrid
}

const fn limit() -> i64 {
    DEFAULT_SEARCH_LIMIT
}

/// A search in the messages of all agents, answered with messages as clients see them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchAllMessagesRequest {
    /// What to look for.
    pub query: String,
    /// How to rank.
    #[serde(default = "hybrid")]
    #[schema(required = false, default = "hybrid")]
    pub search_mode: SearchMode,
    /// Only messages of this agent.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// Only messages of this conversation; `default` for those of default histories.
    #[serde(default)]
    pub conversation_id: Option<String>,
    /// How many results to return at most.
    #[serde(default = "limit")]
    #[schema(required = false, default = 50, minimum = 1, maximum = 100)]
    pub limit: i64,
    /// Only messages made after this time.
    #[serde(default)]
    pub start_date: Option<Timestamp>,
    /// Only messages made up to this time.
    #[serde(default)]
    pub end_date: Option<Timestamp>,
}

/// A search in the messages of all agents, answered with stored messages and their ranks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MessageSearchRequest {
    /// What to look for; null for the newest messages.
    #[serde(default)]
    pub query: Option<String>,
    /// How to rank.
    #[serde(default = "hybrid")]
    #[schema(required = false, default = "hybrid")]
    pub search_mode: SearchMode,
    /// Only messages of these roles.
    #[serde(default)]
    pub roles: Option<Vec<MessageRole>>,
    /// Only messages of this agent.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// Only messages of agents of this project.
    #[serde(default)]
    pub project_id: Option<String>,
    /// Not used; kept for old clients.
    #[serde(default)]
    pub template_id: Option<String>,
    /// Only messages of this conversation; `default` for those of default histories.
    #[serde(default)]
    pub conversation_id: Option<String>,
    /// How many results to return at most.
    #[serde(default = "limit")]
    #[schema(required = false, default = 50, minimum = 1, maximum = 100)]
    pub limit: i64,
    /// Only messages made after this time.
    #[serde(default)]
    pub start_date: Option<Timestamp>,
    /// Only messages made up to this time.
    #[serde(default)]
    pub end_date: Option<Timestamp>,
}

/// A stored message that a search found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MessageSearchResult {
    /// The text that was searched.
    pub embedded_text: String,
    /// The message.
    pub message: StoredMessage,
    /// The rank by words, from 1.
    #[serde(default)]
    pub fts_rank: Option<i64>,
    /// The rank by meaning, from 1.
    #[serde(default)]
    pub vector_rank: Option<i64>,
    /// Both ranks in one score: higher is better.
    pub rrf_score: f64,
}

/// Where a message that a search found stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FoundBase {
    /// The id of the message.
    pub message_id: MessageId,
    /// Its agent.
    #[serde(default)]
    pub agent_id: Option<AgentId>,
    /// Its conversation; null in a default history.
    #[serde(default)]
    pub conversation_id: Option<ConversationId>,
    /// When it was made.
    pub created_at: Timestamp,
}

tagged_struct! {
    "message_type" = "system_message", as "SystemMessageListResult", base: FoundBase;
    /// A system message that a search found.
    pub struct FoundSystemMessage {
        /// The text.
        pub content: String,
    }
}

tagged_struct! {
    "message_type" = "user_message", as "UserMessageListResult", base: FoundBase;
    /// A user message that a search found.
    pub struct FoundUserMessage {
        /// The text, or text and images.
        pub content: UserContent [inline],
    }
}

tagged_struct! {
    "message_type" = "reasoning_message", as "ReasoningMessageListResult", base: FoundBase;
    /// Reasoning that a search found.
    pub struct FoundReasoningMessage {
        /// The reasoning.
        pub reasoning: String,
    }
}

tagged_struct! {
    "message_type" = "assistant_message", as "AssistantMessageListResult", base: FoundBase;
    /// An assistant message that a search found.
    pub struct FoundAssistantMessage {
        /// The text.
        pub content: AssistantContent [inline],
    }
}

tagged_union! {
    /// A message that a search found, as clients see it.
    enum FoundMessage ("MessageListResult", by "message_type") {
        /// A system message.
        System (FoundSystemMessage) = "system_message",
        /// A user message.
        User (FoundUserMessage) = "user_message",
        /// Reasoning.
        Reasoning (FoundReasoningMessage) = "reasoning_message",
        /// An assistant message.
        Assistant (FoundAssistantMessage) = "assistant_message",
    }
}
