//! The system message of an agent: its system prompt with its memory, its tool rules and facts about itself.
//!
//! There is one renderer, with the same inputs when an agent is made and whenever its prompt is rebuilt, so
//! that a rebuild with nothing changed yields the same text and the provider's prompt cache stays warm.

mod blocks;
mod directories;
mod rebuild;
mod rules;
mod system;
pub mod time;

pub use blocks::LINE_NUMBER_BANNER;
pub use rebuild::{compile_in, compile_now, rebuild, rebuild_history, same_but_time};
pub use rules::render_rule;
pub use system::default_system;

use crate::agent::defaults::FileLimits;
use crate::orm::agents::AgentRow;
use crate::schema::{
    AgentId, AgentType, Block, ConversationId, FileBlock, ModelEndpointType, Source, Timestamp, ToolRule,
};

/// Where a system prompt may say that its memory goes. Without it, the memory goes to the end.
const PLACEHOLDER: &str = "{CORE_MEMORY}";

/// All that the system message shows.
#[derive(Debug, Clone)]
pub struct PromptInput<'a> {
    /// The agent.
    pub agent_id: AgentId,
    /// Its type, which decides the layout of the memory.
    pub agent_type: AgentType,
    /// The conversation that the message is for, if it is not the agent's default history.
    pub conversation_id: Option<ConversationId>,
    /// The system prompt as the agent has it.
    pub system: &'a str,
    /// The memory blocks in the order of attachment.
    pub blocks: &'a [Block],
    /// The folders in the order of attachment.
    pub folders: &'a [Source],
    /// The files of the folders as the agent sees them.
    pub files: &'a [FileBlock],
    /// How many files may be open at once, if it is known.
    pub max_files_open: Option<i64>,
    /// The tool rules in the order stored.
    pub tool_rules: &'a [ToolRule],
    /// What the model's endpoint speaks; some models get line numbers.
    pub endpoint_type: Option<ModelEndpointType>,
    /// The timezone of the agent.
    pub timezone: &'a str,
    /// When the memory shown was last brought up to date.
    pub recompiled_at: Timestamp,
    /// How many messages are stored but not in the context.
    pub recall_count: i64,
    /// How many passages the attached archives hold.
    pub archival_count: i64,
}

impl<'a> PromptInput<'a> {
    /// What the default history of the agent shows.
    #[must_use]
    pub fn of(agent: &'a AgentRow, blocks: &'a [Block], recompiled_at: Timestamp) -> Self {
        Self {
            agent_id: agent.id,
            agent_type: agent.agent_type,
            conversation_id: None,
            system: &agent.system,
            blocks,
            folders: &[],
            files: &[],
            max_files_open: Some(FileLimits::of(agent).max_files_open),
            tool_rules: &agent.tool_rules,
            endpoint_type: Some(agent.llm_config.model_endpoint_type),
            timezone: agent.timezone.as_deref().unwrap_or("UTC"),
            recompiled_at,
            recall_count: 0,
            archival_count: 0,
        }
    }
}

/// The text of the system message.
#[must_use]
pub fn compile(input: &PromptInput<'_>) -> String {
    let memory = memory(input);
    if input.system.contains(PLACEHOLDER) {
        input.system.replace(PLACEHOLDER, &memory)
    } else {
        format!("{}\n\n{memory}", input.system)
    }
}

/// The sections that stand for the memory, an empty line between each two.
fn memory(input: &PromptInput<'_>) -> String {
    let sections =
        [blocks::render(input), rules::render(input.tool_rules), directories::render(input), Some(metadata(input))];
    sections.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

fn metadata(input: &PromptInput<'_>) -> String {
    let conversation = input.conversation_id.map_or_else(|| "default".to_owned(), |id| id.to_string());
    let mut text = format!(
        "<memory_metadata>\n- AGENT_ID: {}\n- CONVERSATION_ID: {conversation}\n- System prompt last recompiled: {}\n",
        input.agent_id,
        time::local_time(input.recompiled_at, input.timezone),
    );
    let recall = input.recall_count.max(0);
    let (messages, are) = if recall == 1 { ("message", "is") } else { ("messages", "are") };
    text += &format!("- {recall} earlier {messages} between you and the user {are} kept in recall memory\n");
    if input.archival_count > 0 {
        let (memories, are) = if input.archival_count == 1 { ("memory", "is") } else { ("memories", "are") };
        text += &format!(
            "- {} {memories} {are} stored in archival memory, which your tools can search\n",
            input.archival_count
        );
    }
    text + "</memory_metadata>"
}

#[cfg(test)]
mod tests;
