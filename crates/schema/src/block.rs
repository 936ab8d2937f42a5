//! Memory blocks: the labelled texts that an agent always has before it.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema},
};

use crate::{BlockId, FileId, SourceId, Timestamp, UserId, de, deployment};

/// The size of a block when none is given, in characters.
pub const DEFAULT_BLOCK_LIMIT: i64 = 100_000;

const fn default_limit() -> i64 {
    DEFAULT_BLOCK_LIMIT
}

/// A memory block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Block {
    /// The text.
    pub value: String,
    /// The size that the model is told, in characters. Not enforced.
    #[serde(default = "default_limit")]
    #[schema(default = 100000)]
    pub limit: i64,
    /// The project that the block belongs to.
    pub project_id: Option<String>,
    /// The name of the template, if it is one.
    pub template_name: Option<String>,
    /// Whether the block is a template.
    #[serde(default)]
    #[schema(default = false)]
    pub is_template: bool,
    /// The template that the block was made from.
    pub template_id: Option<String>,
    /// The template that this template was made from.
    pub base_template_id: Option<String>,
    /// The deployment that made the block.
    pub deployment_id: Option<String>,
    /// What the block is called in its template.
    pub entity_id: Option<String>,
    /// Whether the value survives a new version of the template.
    #[serde(default, deserialize_with = "de::null_as_default")]
    #[schema(default = false)]
    pub preserve_on_migration: bool,
    /// The name under which agents see the block; unique within an agent.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub label: String,
    /// Whether the agent's tools may not write to it.
    #[serde(default)]
    #[schema(default = false)]
    pub read_only: bool,
    /// What the block is for, in the words that the model reads.
    pub description: Option<String>,
    /// Data of the client's own.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub metadata: Map<String, Value>,
    /// Whether lists leave the block out.
    pub hidden: Option<bool>,
    /// The id.
    pub id: BlockId,
    /// Who made it.
    pub created_by_id: Option<UserId>,
    /// Who changed it last.
    pub last_updated_by_id: Option<UserId>,
    /// Words to find it by.
    #[serde(default, deserialize_with = "de::null_as_default")]
    pub tags: Vec<String>,
}

/// A block as the routes for blocks answer it: the same members as [`Block`], another component's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BlockResponse(pub Block);

impl From<Block> for BlockResponse {
    fn from(block: Block) -> Self {
        Self(block)
    }
}

impl PartialSchema for BlockResponse {
    fn schema() -> RefOr<Schema> {
        Block::schema()
    }
}

impl ToSchema for BlockResponse {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        Block::schemas(schemas);
    }
}

/// A file of a folder as an agent sees it, in the form of a read-only block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FileBlock {
    /// What all blocks have: the label is the file's name, the value what the agent sees of it.
    #[serde(flatten)]
    pub block: Block,
    /// The file.
    pub file_id: FileId,
    /// The folder.
    #[schema(deprecated)]
    pub source_id: SourceId,
    /// Whether the agent has the file open.
    pub is_open: bool,
    /// When the agent last opened, closed or searched it.
    pub last_accessed_at: Option<Timestamp>,
}

/// A block to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CreateBlock {
    /// The text; null is the empty text.
    #[serde(default, deserialize_with = "de::null_as_default")]
    #[schema(required)]
    pub value: String,
    /// The size that the model is told, in characters.
    #[serde(default = "default_limit")]
    #[schema(default = 100000)]
    pub limit: i64,
    /// The project that the block belongs to.
    pub project_id: Option<String>,
    /// The name of the template, if it is one.
    pub template_name: Option<String>,
    /// Whether the block is a template.
    #[serde(default)]
    #[schema(default = false)]
    pub is_template: bool,
    /// The template that the block was made from.
    pub template_id: Option<String>,
    /// The template that this template was made from.
    pub base_template_id: Option<String>,
    /// The deployment that made the block.
    pub deployment_id: Option<String>,
    /// What the block is called in its template.
    pub entity_id: Option<String>,
    /// Whether the value survives a new version of the template.
    #[serde(default, deserialize_with = "de::null_as_default")]
    #[schema(value_type = Option<bool>, default = false)]
    pub preserve_on_migration: bool,
    /// The name under which agents see the block.
    pub label: String,
    /// Whether the agent's tools may not write to it.
    #[serde(default)]
    #[schema(default = false)]
    pub read_only: bool,
    /// What the block is for, in the words that the model reads.
    pub description: Option<String>,
    /// Data of the client's own.
    #[serde(default, deserialize_with = "de::null_as_default")]
    #[schema(value_type = Option<Object>)]
    pub metadata: Map<String, Value>,
    /// Whether lists leave the block out.
    pub hidden: Option<bool>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
}

impl CreateBlock {
    /// A block with defaults for all but its label and value.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            value: value.into(),
            limit: DEFAULT_BLOCK_LIMIT,
            project_id: None,
            template_name: None,
            is_template: false,
            template_id: None,
            base_template_id: None,
            deployment_id: None,
            entity_id: None,
            preserve_on_migration: false,
            label: label.into(),
            read_only: false,
            description: None,
            metadata: Map::new(),
            hidden: None,
            tags: None,
        }
    }
}

/// A block that a template makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InternalTemplateBlockCreate {
    /// What every new block has. Its `template_id`, `base_template_id`, `deployment_id` and `entity_id` are required.
    #[serde(flatten, deserialize_with = "of_template")]
    pub block: CreateBlock,
}

impl PartialSchema for InternalTemplateBlockCreate {
    fn schema() -> RefOr<Schema> {
        deployment::made_from_template::<CreateBlock>("A block that a template makes.")
    }
}

impl ToSchema for InternalTemplateBlockCreate {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        deployment::parts::<CreateBlock>(schemas);
    }
}

/// Reads a block that says which template it is made from.
fn of_template<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CreateBlock, D::Error> {
    let block = CreateBlock::deserialize(deserializer)?;
    de::required("template_id", block.template_id.as_ref())?;
    de::required("base_template_id", block.base_template_id.as_ref())?;
    de::required("deployment_id", block.deployment_id.as_ref())?;
    de::required("entity_id", block.entity_id.as_ref())?;
    Ok(block)
}

update! {
    /// Changes to a block.
    BlockUpdate {
        /// The text.
        value: String,
        /// The size that the model is told, in characters.
        limit: i64,
        /// The project that the block belongs to.
        project_id: String,
        /// The name of the template, if it is one.
        template_name: String,
        /// Whether the block is a template.
        is_template: bool,
        /// The template that the block was made from.
        template_id: String,
        /// The template that this template was made from.
        base_template_id: String,
        /// The deployment that made the block.
        deployment_id: String,
        /// What the block is called in its template.
        entity_id: String,
        /// Whether the value survives a new version of the template.
        preserve_on_migration: bool,
        /// The name under which agents see the block.
        label: String,
        /// Whether the agent's tools may not write to it.
        read_only: bool,
        /// What the block is for, in the words that the model reads.
        description: String,
        /// Data of the client's own; replaced as a whole.
        metadata: Map<String, Value>,
        /// Whether lists leave the block out.
        hidden: bool,
        /// Words to find it by; replaced as a whole.
        tags: Vec<String>,
    }
}
