//! Which embedding model turns texts into vectors, and how it is called.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    EmbeddingEndpointType,
    de::{Check, Configuration, is_known},
};

/// The chunk size when none is given, in tokens.
pub const DEFAULT_EMBEDDING_CHUNK_SIZE: i64 = 300;

/// An embedding model with its endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingConfig {
    /// The protocol of the endpoint.
    pub embedding_endpoint_type: EmbeddingEndpointType,
    /// The base URL of the endpoint.
    pub embedding_endpoint: Option<String>,
    /// The provider's name for the model.
    pub embedding_model: String,
    /// The length of a vector.
    pub embedding_dim: i64,
    /// The length of the pieces that texts are cut into, in tokens.
    #[serde(default = "default_chunk_size")]
    #[schema(default = 300)]
    pub embedding_chunk_size: Option<i64>,
    /// `provider/model`.
    pub handle: Option<String>,
    /// How many texts one call may carry.
    #[serde(default = "default_batch_size")]
    #[schema(default = 32)]
    pub batch_size: i64,
    /// Azure: the endpoint of the resource.
    pub azure_endpoint: Option<String>,
    /// Azure: the version of the API.
    pub azure_version: Option<String>,
    /// Azure: the name of the deployment.
    pub azure_deployment: Option<String>,
}

impl EmbeddingConfig {
    /// A configuration with the defaults for all but what must be known.
    #[must_use]
    pub fn new(endpoint_type: EmbeddingEndpointType, model: impl Into<String>, dim: i64) -> Self {
        Self {
            embedding_endpoint_type: endpoint_type,
            embedding_endpoint: None,
            embedding_model: model.into(),
            embedding_dim: dim,
            embedding_chunk_size: default_chunk_size(),
            handle: None,
            batch_size: default_batch_size(),
            azure_endpoint: None,
            azure_version: None,
            azure_deployment: None,
        }
    }
}

impl Configuration for EmbeddingConfig {
    const CHECKS: &'static [(&'static str, Check)] = &[("embedding_endpoint_type", is_known::<EmbeddingEndpointType>)];
}

const fn default_chunk_size() -> Option<i64> {
    Some(DEFAULT_EMBEDDING_CHUNK_SIZE)
}

const fn default_batch_size() -> i64 {
    32
}
