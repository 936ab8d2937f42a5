//! Tools of agents.

use super::{MODEL, record::Record};
use crate::schema::{Tool, ToolId};

crate::attached::attached!(tools, tools_agents, tool_id: ToolId => Tool);
