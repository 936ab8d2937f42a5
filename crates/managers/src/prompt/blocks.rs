//! Memory blocks as the model sees them.

use super::PromptInput;
use crate::schema::{AgentType, Block, ModelEndpointType};

/// What stands over line-numbered values. The memory tools refuse text that contains it.
pub const LINE_NUMBER_BANNER: &str =
    "# NOTE: The line numbers and arrows below are for viewing only. Never use them in the arguments of memory edits.";

/// The section with the blocks, if this agent is shown any.
pub(super) fn render(input: &PromptInput<'_>) -> Option<String> {
    if matches!(input.agent_type, AgentType::ReactAgent | AgentType::WorkflowAgent) {
        return None;
    }
    let numbered = has_line_numbers(input.agent_type, input.endpoint_type);
    if input.blocks.is_empty() && !numbered {
        return None;
    }
    let mut text =
        String::from("<memory_blocks>\nThese memory blocks are in your core memory, and always in front of you:\n\n");
    for block in input.blocks {
        push_block(&mut text, block, numbered);
    }
    Some(text + "</memory_blocks>")
}

/// Anthropic's models edit more precisely when they see line numbers; others copy them into their edits.
fn has_line_numbers(agent_type: AgentType, endpoint_type: Option<ModelEndpointType>) -> bool {
    let edits = matches!(agent_type, AgentType::SleeptimeAgent | AgentType::MemgptV2Agent | AgentType::LettaV1Agent);
    edits && endpoint_type == Some(ModelEndpointType::Anthropic)
}

/// Writes one block and the empty line after it.
fn push_block(text: &mut String, block: &Block, numbered: bool) {
    let label = &block.label;
    let description = block.description.as_deref().unwrap_or_default();
    *text += &format!("<{label}>\n<description>\n{description}\n</description>\n<metadata>\n");
    if block.read_only {
        *text += "- read_only=true\n";
    }
    let chars = block.value.chars().count();
    *text += &format!("- chars_current={chars}\n- chars_limit={}\n</metadata>\n", block.limit);
    if numbered {
        *text += &format!("<warning>\n{LINE_NUMBER_BANNER}\n</warning>\n<value>\n");
        if !block.value.is_empty() {
            for (line, number) in block.value.split('\n').zip(1..) {
                *text += &format!("{number}→ {line}\n");
            }
        }
        *text += "</value>\n";
    } else {
        *text += &format!("<value>\n{}\n</value>\n", block.value);
    }
    *text += &format!("</{label}>\n\n");
}
