//! Tools: which there are, which an agent has, and what a call of one does.

mod arguments;
pub mod base;
mod conversation_search;
mod execute;
mod manager;
pub mod memory;
mod result;

pub use arguments::check as check_arguments;
pub use execute::{ToolContext, ToolExecutor};
pub use manager::{ToolManager, ToolQuery};
pub use result::ToolOutcome;
