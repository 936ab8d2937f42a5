//! What fills the context window of an agent's model, part by part.

use super::{AgentManager, find};
use crate::{
    Actor,
    agent_loop::message_tokens,
    error::{Error, Result},
    llm::TokenCounter,
    orm::{self, Conn, HistoryId, agents::AgentRow},
    prompt,
    schema::{
        AgentId, ContextWindowOverview, ConversationId, FunctionDefinition, FunctionTool, MessageRole, StoredMessage,
        Timestamp, Tool,
    },
};

/// The sections of a system message that follow the instructions.
const SECTIONS: [&str; 5] =
    ["memory_blocks", "memory_filesystem", "tool_usage_rules", "directories", "memory_metadata"];

impl AgentManager<'_> {
    /// What the agent's model would be sent now. The system message is rendered anew for it and not stored; tokens are
    /// counted where the model's vocabulary is known, else estimated as a quarter of the bytes.
    ///
    /// # Errors
    /// 404 for the agent, and for a conversation that it does not have.
    pub async fn context_window(
        &self,
        actor: &Actor,
        id: AgentId,
        conversation: Option<ConversationId>,
    ) -> Result<ContextWindowOverview> {
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| {
            let agent = find(conn, organization, id)?;
            let history = HistoryId { agent_id: id, conversation_id: conversation };
            let context = orm::histories::context(conn, organization, &history)?;
            let context = context.ok_or_else(|| match conversation {
                Some(conversation) => Error::missing("Conversation", conversation),
                None => Error::missing("Agent", id),
            })?;
            let system = prompt::compile_in(conn, organization, &agent, conversation, Timestamp::now())?;
            let messages = orm::messages::by_ids(conn, organization, &context)?;
            let tools = orm::tools::attached_to(conn, id)?;
            let stored = orm::messages::count_of_agent(conn, id)?;
            let num_archival_memory = orm::passages::count_of_agent(conn, id)?;
            let overview = overview(&agent, &system, messages, &tools, stored);
            Ok::<_, Error>(ContextWindowOverview { num_archival_memory, ..overview })
        };
        self.0.db().read(read).await
    }
}

fn overview(
    agent: &AgentRow,
    system: &str,
    messages: Vec<StoredMessage>,
    tools: &[Tool],
    stored: i64,
) -> ContextWindowOverview {
    let config = &agent.llm_config;
    let counter = TokenCounter::of(&config.model);
    let count = |text: &str| counter.count(text);
    let parts = Parts::of(system);
    let instructions = parts.instructions.unwrap_or(&agent.system);
    let core_memory = parts.core_memory.unwrap_or_default();
    let metadata = parts.metadata.unwrap_or_default();
    let summary = messages.get(1).filter(|message| message.role == MessageRole::Summary).map(StoredMessage::text);
    let definitions: Vec<FunctionTool> = tools.iter().filter_map(definition).collect();
    let said = messages.get(if summary.is_some() { 2.. } else { 1.. }).unwrap_or_default();
    let mut overview = ContextWindowOverview {
        context_window_size_max: config.context_window,
        context_window_size_current: 0,
        num_messages: number(messages.len()),
        num_archival_memory: 0,
        num_recall_memory: stored,
        num_tokens_external_memory_summary: count(metadata),
        external_memory_summary: metadata.to_owned(),
        num_tokens_system: count(instructions),
        system_prompt: instructions.to_owned(),
        num_tokens_core_memory: count(core_memory),
        core_memory: core_memory.to_owned(),
        num_tokens_memory_filesystem: parts.filesystem.map_or(0, count),
        memory_filesystem: parts.filesystem.map(str::to_owned),
        num_tokens_tool_usage_rules: parts.rules.map_or(0, count),
        tool_usage_rules: parts.rules.map(str::to_owned),
        num_tokens_directories: parts.directories.map_or(0, count),
        directories: parts.directories.map(str::to_owned),
        num_tokens_summary_memory: summary.as_deref().map_or(0, count),
        summary_memory: summary,
        num_tokens_functions_definitions: definitions_tokens(counter, &definitions),
        functions_definitions: Some(definitions),
        num_tokens_messages: said.iter().map(|row| message_tokens(counter, config.context_window, row)).sum(),
        messages,
    };
    overview.context_window_size_current = overview.num_tokens_external_memory_summary
        + overview.num_tokens_system
        + overview.num_tokens_core_memory
        + overview.num_tokens_memory_filesystem
        + overview.num_tokens_tool_usage_rules
        + overview.num_tokens_directories
        + overview.num_tokens_summary_memory
        + overview.num_tokens_functions_definitions
        + overview.num_tokens_messages;
    overview
}

/// The parts of a system message, each with its tags.
#[derive(Debug, Default, PartialEq)]
struct Parts<'a> {
    /// What comes before the sections; none when nothing does.
    instructions: Option<&'a str>,
    core_memory: Option<&'a str>,
    filesystem: Option<&'a str>,
    rules: Option<&'a str>,
    directories: Option<&'a str>,
    metadata: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(system: &'a str) -> Self {
        let core_memory = span(system, "memory_blocks");
        // A block may say anything, also what looks like a section.
        let (before, after) = core_memory.and_then(|memory| system.split_once(memory)).unwrap_or((system, ""));
        let section = |name| span(before, name).or_else(|| span(after, name));
        let first = SECTIONS.iter().filter_map(|name| system.find(&format!("<{name}>"))).min();
        let ahead = system.get(..first.unwrap_or(system.len())).map(str::trim_end).filter(|text| !text.is_empty());
        Self {
            instructions: span(before, "base_instructions").or(ahead),
            core_memory,
            filesystem: section("memory_filesystem"),
            rules: section("tool_usage_rules"),
            directories: section("directories"),
            metadata: section("memory_metadata"),
        }
    }
}

/// The first `<name>…</name>` of a text.
fn span<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let start = text.find(&open)?;
    let rest = text.get(start..)?;
    rest.get(..rest.find(&close)? + close.len())
}

fn definition(tool: &Tool) -> Option<FunctionTool> {
    let schema = tool.json_schema.as_ref()?;
    let text = |name: &str| schema.get(name).and_then(|value| value.as_str()).map(str::to_owned);
    Some(FunctionTool {
        function: FunctionDefinition {
            name: text("name").unwrap_or_else(|| tool.name.clone()),
            description: text("description"),
            parameters: schema.get("parameters").and_then(|value| value.as_object()).cloned(),
            strict: None,
        },
    })
}

/// The tokens of tools as the model is told of them.
fn definitions_tokens(counter: TokenCounter, definitions: &[FunctionTool]) -> i64 {
    match serde_json::to_string(definitions) {
        Ok(text) if !definitions.is_empty() => counter.count(&text),
        _ => 0,
    }
}

fn number(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_system_message_are_found_outside_of_blocks_only() {
        let system = "Be kind.\n\n<memory_blocks>\n<human>\n<directories>none</directories>\n</human>\n\
                      </memory_blocks>\n\n<memory_metadata>\n- x\n</memory_metadata>";
        let parts = Parts::of(system);
        assert_eq!(parts.instructions, Some("Be kind."));
        assert!(parts.core_memory.unwrap().ends_with("</human>\n</memory_blocks>"));
        assert_eq!(parts.directories, None);
        assert_eq!(parts.metadata, Some("<memory_metadata>\n- x\n</memory_metadata>"));
        let marked = Parts::of("A <base_instructions>b</base_instructions> c <memory_metadata></memory_metadata>");
        assert_eq!(marked.instructions, Some("<base_instructions>b</base_instructions>"));
        assert_eq!(Parts::of("<memory_metadata></memory_metadata>").instructions, None);
        assert_eq!(Parts::of("").instructions, None);
    }
}
