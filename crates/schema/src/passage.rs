//! Passages: the texts of archives and files that agents search.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{AgentId, ArchiveId, EmbeddingConfig, FileId, PassageId, SourceId, TagMatchMode, Timestamp, UserId, de};

/// A text in an archive or a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Passage {
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// Whether it has been deleted.
    #[serde(default)]
    #[schema(default = false)]
    pub is_deleted: bool,
    /// The archive that it is in.
    pub archive_id: Option<ArchiveId>,
    /// The folder of the file that it is from.
    #[schema(deprecated)]
    pub source_id: Option<SourceId>,
    /// The file that it is from.
    pub file_id: Option<FileId>,
    /// The name of that file.
    pub file_name: Option<String>,
    /// Data of the client's own.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub metadata: Map<String, Value>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// The id.
    pub id: PassageId,
    /// The text.
    pub text: String,
    /// The vector; null when there is none or it was not asked for.
    #[schema(required)]
    pub embedding: Option<Vec<f32>>,
    /// The model that made the vector.
    #[schema(required)]
    pub embedding_config: Option<EmbeddingConfig>,
}

/// A text to be put into an archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PassageCreateRequest {
    /// The text.
    pub text: String,
    /// Data of the client's own.
    pub metadata: Option<Map<String, Value>>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// When it was made, as ISO 8601; null is now.
    pub created_at: Option<String>,
}

/// Texts to be put into an archive, all or none.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct PassageBatchCreateRequest {
    /// The texts.
    pub passages: Vec<PassageCreateRequest>,
}

/// A text to be put into an agent's archive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct CreateArchivalMemory {
    /// The text.
    pub text: String,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// When it was made; null is now.
    pub created_at: Option<Timestamp>,
}

/// What passages are looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PassageSearchRequest {
    /// The words; null lists all.
    pub query: Option<String>,
    /// Only passages that this agent can search.
    pub agent_id: Option<AgentId>,
    /// Only passages of this archive.
    pub archive_id: Option<ArchiveId>,
    /// Only passages with these tags.
    pub tags: Option<Vec<String>>,
    /// Whether one of the tags is enough.
    #[serde(default = "any")]
    #[schema(default = "any")]
    pub tag_match_mode: TagMatchMode,
    /// How many results, from 1 to 100.
    #[serde(default = "fifty", deserialize_with = "de::up_to_100")]
    #[schema(default = 50, minimum = 1, maximum = 100)]
    pub limit: i64,
    /// Only passages made at this time or later.
    pub start_date: Option<Timestamp>,
    /// Only passages made at this time or earlier.
    pub end_date: Option<Timestamp>,
}

const fn any() -> TagMatchMode {
    TagMatchMode::Any
}

const fn fifty() -> i64 {
    50
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PassageSearchResult {
    /// The passage.
    pub passage: Passage,
    /// The score that decided its place.
    pub score: f64,
    /// How it was found.
    #[serde(default)]
    pub metadata: Map<String, Value>,
}

/// The passages that an agent's search found.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ArchivalMemorySearchResponse {
    /// The passages, best first.
    pub results: Vec<ArchivalMemorySearchResult>,
    /// How many there are.
    pub count: i64,
}

/// A passage as an agent's search shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ArchivalMemorySearchResult {
    /// The id.
    pub id: PassageId,
    /// When it was made, in the agent's time zone.
    pub timestamp: String,
    /// The text.
    pub content: String,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
}
