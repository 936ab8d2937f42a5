//! An agent's memory as one object.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{AgentType, Block, FileBlock};

/// The blocks and open files that an agent has before it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
pub struct Memory {
    /// The type of the agent, which decides how the memory is rendered.
    pub agent_type: Option<AgentType>,
    /// Whether the memory is kept in a git repository.
    #[serde(default)]
    #[schema(default = false)]
    pub git_enabled: bool,
    /// The blocks.
    #[serde(default)]
    #[schema(required)]
    pub blocks: Vec<Block>,
    /// The files of the attached folders.
    #[serde(default)]
    pub file_blocks: Vec<FileBlock>,
    /// Obsolete.
    #[serde(default)]
    #[schema(default = "")]
    pub prompt_template: String,
}
