//! Folders of files, which the older routes call sources.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{EmbeddingConfig, FileId, FileProcessingStatus, SourceId, Timestamp, UserId, VectorDbProvider, de};

/// A folder as the older routes and agents show it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// The name; unique in the organization.
    pub name: String,
    /// What is in it.
    pub description: Option<String>,
    /// How agents are to use it.
    pub instructions: Option<String>,
    /// Data of the client's own.
    pub metadata: Option<Map<String, Value>>,
    /// The id.
    pub id: SourceId,
    /// The model that embeds its files.
    pub embedding_config: EmbeddingConfig,
    /// Where the vectors are kept.
    #[serde(default = "native")]
    #[schema(default = "native")]
    pub vector_db_provider: VectorDbProvider,
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

const fn native() -> VectorDbProvider {
    VectorDbProvider::Native
}

/// A folder of files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Folder {
    /// The name; unique in the organization.
    pub name: String,
    /// What is in it.
    pub description: Option<String>,
    /// How agents are to use it.
    pub instructions: Option<String>,
    /// Data of the client's own.
    pub metadata: Option<Map<String, Value>>,
    /// The id.
    pub id: SourceId,
    /// The model that embeds its files.
    pub embedding_config: EmbeddingConfig,
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
    /// When it was made.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

impl From<Source> for Folder {
    fn from(source: Source) -> Self {
        let Source {
            name,
            description,
            instructions,
            metadata,
            id,
            embedding_config,
            vector_db_provider: _,
            created_by_id,
            last_updated_by_id,
            created_at,
            updated_at,
        } = source;
        Self {
            name,
            description,
            instructions,
            metadata,
            id,
            embedding_config,
            created_by_id,
            last_updated_by_id,
            created_at,
            updated_at,
        }
    }
}

/// A folder to be made.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceCreate {
    /// The name; unique in the organization.
    pub name: String,
    /// What is in it.
    pub description: Option<String>,
    /// How agents are to use it.
    pub instructions: Option<String>,
    /// Data of the client's own.
    pub metadata: Option<Map<String, Value>>,
    /// The handle of the model that embeds its files.
    pub embedding: Option<String>,
    /// The length of the pieces that files are cut into, in tokens.
    pub embedding_chunk_size: Option<i64>,
    /// The model that embeds its files, in full.
    #[serde(default, deserialize_with = "de::strict_option")]
    pub embedding_config: Option<EmbeddingConfig>,
}

update! {
    /// Changes to a folder.
    strict SourceUpdate {
        /// The name.
        name: String,
        /// What is in it.
        description: String,
        /// How agents are to use it.
        instructions: String,
        /// Data of the client's own; replaced as a whole.
        metadata: Map<String, Value>,
        /// The model that embeds its files.
        embedding_config: EmbeddingConfig [deserialize_with = "de::strict_patch"],
    }
}

/// A file of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileMetadata {
    /// The folder.
    #[schema(deprecated)]
    pub source_id: SourceId,
    /// The name that agents see.
    pub file_name: Option<String>,
    /// The name at upload.
    pub original_file_name: Option<String>,
    /// Where it is stored.
    pub file_path: Option<String>,
    /// The MIME type.
    pub file_type: Option<String>,
    /// The size in bytes.
    pub file_size: Option<i64>,
    /// When the file was made, as its uploader says.
    pub file_creation_date: Option<String>,
    /// When the file was last changed, as its uploader says.
    pub file_last_modified_date: Option<String>,
    /// How far it has been processed.
    #[serde(default = "pending")]
    #[schema(default = "pending")]
    pub processing_status: FileProcessingStatus,
    /// Why processing failed.
    pub error_message: Option<String>,
    /// How many pieces it has.
    pub total_chunks: Option<i64>,
    /// How many of them are embedded.
    pub chunks_embedded: Option<i64>,
    /// The text, if it was asked for.
    pub content: Option<String>,
    /// The id.
    pub id: FileId,
    /// When it was uploaded.
    pub created_at: Option<Timestamp>,
    /// When it was last changed.
    pub updated_at: Option<Timestamp>,
}

const fn pending() -> FileProcessingStatus {
    FileProcessingStatus::Pending
}

/// The size of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileStats {
    /// The file.
    pub file_id: FileId,
    /// Its name.
    pub file_name: String,
    /// Its size in bytes.
    pub file_size: Option<i64>,
}

/// The size of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceStats {
    /// The folder.
    #[schema(deprecated)]
    pub source_id: SourceId,
    /// Its name.
    #[schema(deprecated)]
    pub source_name: String,
    /// How many files it has.
    #[serde(default)]
    #[schema(default = 0)]
    pub file_count: i64,
    /// Their size in bytes.
    #[serde(default)]
    #[schema(default = 0)]
    pub total_size: i64,
    /// The files.
    #[serde(default)]
    pub files: Vec<FileStats>,
}

/// The size of all folders of an organization.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct OrganizationSourcesStats {
    /// How many folders there are.
    #[serde(default)]
    #[schema(default = 0)]
    pub total_sources: i64,
    /// How many files they have.
    #[serde(default)]
    #[schema(default = 0)]
    pub total_files: i64,
    /// Their size in bytes.
    #[serde(default)]
    #[schema(default = 0)]
    pub total_size: i64,
    /// The folders.
    #[serde(default)]
    pub sources: Vec<SourceStats>,
}
