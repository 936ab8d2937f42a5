//! Identities: the people and organizations that agents work for.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::{AgentId, BlockId, IdentityId, IdentityPropertyType, IdentityType, de};

/// A person or organization that agents work for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Identity {
    /// The id.
    pub id: IdentityId,
    /// The client's own key; unique within the project.
    pub identifier_key: String,
    /// The name.
    pub name: String,
    /// Whom it stands for.
    pub identity_type: IdentityType,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// The agents that work for it.
    #[serde(default)]
    #[schema(required, deprecated)]
    pub agent_ids: Vec<AgentId>,
    /// Its blocks.
    #[serde(default)]
    #[schema(required, deprecated)]
    pub block_ids: Vec<BlockId>,
    /// What else is known of it.
    #[serde(default)]
    pub properties: Vec<IdentityProperty>,
}

/// Something that is known of an identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityProperty {
    /// What.
    pub key: String,
    /// The value.
    pub value: PropertyValue,
    /// The type that the value is meant to have.
    pub r#type: IdentityPropertyType,
}

/// A text, number, truth value or object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PropertyValue {
    /// A text.
    Text(String),
    /// A truth value.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// An object.
    Object(Map<String, Value>),
}

/// An identity to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityCreate {
    /// The client's own key.
    pub identifier_key: String,
    /// The name.
    pub name: String,
    /// Whom it stands for.
    #[serde(deserialize_with = "de::known")]
    pub identity_type: IdentityType,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// The agents that work for it.
    #[schema(deprecated)]
    pub agent_ids: Option<Vec<AgentId>>,
    /// Its blocks.
    #[schema(deprecated)]
    pub block_ids: Option<Vec<BlockId>>,
    /// What else is known of it.
    pub properties: Option<Vec<IdentityProperty>>,
}

/// An identity to be made, or to replace the one with the same key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct IdentityUpsert {
    /// The client's own key.
    pub identifier_key: String,
    /// The name.
    pub name: String,
    /// Whom it stands for.
    #[serde(deserialize_with = "de::known")]
    pub identity_type: IdentityType,
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// The agents that work for it.
    #[schema(deprecated)]
    pub agent_ids: Option<Vec<AgentId>>,
    /// Its blocks.
    #[schema(deprecated)]
    pub block_ids: Option<Vec<BlockId>>,
    /// What else is known of it.
    pub properties: Option<Vec<IdentityProperty>>,
}

update! {
    /// Changes to an identity.
    strict IdentityUpdate {
        /// The client's own key.
        identifier_key: String,
        /// The name.
        name: String,
        /// Whom it stands for.
        identity_type: IdentityType [deserialize_with = "de::known_patch"],
        /// Agents that work for it, beside those that do.
        agent_ids: Vec<AgentId>,
        /// Blocks of it, beside those that it has.
        block_ids: Vec<BlockId>,
        /// What else is known of it; each replaces what has the same key.
        properties: Vec<IdentityProperty>,
    }
}
