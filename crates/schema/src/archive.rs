//! Archives: stores of passages that agents search.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{ArchiveId, EmbeddingConfig, Timestamp, UserId, VectorDbProvider, de};

/// A store of passages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Archive {
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
    /// The name.
    pub name: String,
    /// What is in it.
    pub description: Option<String>,
    /// Where the vectors are kept.
    #[serde(default = "native")]
    #[schema(default = "native")]
    pub vector_db_provider: VectorDbProvider,
    /// The model that embeds its passages; null when they are searched by words alone.
    pub embedding_config: Option<EmbeddingConfig>,
    /// Data of the client's own.
    pub metadata: Option<Map<String, Value>>,
    /// The id.
    pub id: ArchiveId,
}

const fn native() -> VectorDbProvider {
    VectorDbProvider::Native
}

/// An archive to be made.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct ArchiveCreateRequest {
    /// The name.
    pub name: String,
    /// The model that embeds its passages, in full.
    #[serde(default, deserialize_with = "de::strict_option")]
    #[schema(deprecated)]
    pub embedding_config: Option<EmbeddingConfig>,
    /// The handle of the model that embeds its passages.
    pub embedding: Option<String>,
    /// What is in it.
    pub description: Option<String>,
}

update! {
    /// Changes to an archive.
    ArchiveUpdateRequest {
        /// The name.
        name: String,
        /// What is in it.
        description: String,
    }
}
