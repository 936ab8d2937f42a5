//! Turns that were taken elsewhere, to be stored as an agent's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::RunId;

/// A call of a model that some other program made, as that program saw it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CaptureRequest {
    /// The model provider.
    pub provider: String,
    /// The model.
    pub model: String,
    /// What was asked: messages with a `role` and `content`, of which those of the user are stored.
    pub request_messages: Vec<Value>,
    /// What the provider answered.
    pub response_dict: Value,
}

/// What was stored of a foreign turn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaptureResponse {
    /// Always true.
    pub success: bool,
    /// How many messages were stored.
    pub messages_created: usize,
    /// The runs of other agents that this has started.
    pub run_ids: Vec<RunId>,
}
