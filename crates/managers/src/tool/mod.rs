//! Tools: which there are, which an agent has, and what a call of one does.

mod arguments;
pub mod base;
pub(crate) mod clip;
mod conversation_search;
mod define;
mod execute;
mod import;
mod manager;
pub mod memory;
mod result;
mod run;
mod search;

pub use arguments::check as check_arguments;
pub(crate) use arguments::is_type;
pub use define::ToolOrigin;
pub use execute::{ToolContext, ToolExecutor};
pub(crate) use import::import;
pub use manager::{ToolManager, ToolQuery};
pub use result::ToolOutcome;
