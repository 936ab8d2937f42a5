//! Whether the server is well.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The answer of a server that is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// The version of the API that the server speaks.
    pub version: String,
    /// `ok`.
    pub status: String,
}
