//! What an agent gets when its request leaves it out: tools, tool rules, limits for files.

use crate::{
    orm::agents::AgentRow,
    schema::{AgentType, Tool, ToolRule},
};

/// The tools of an agent type, and whether the type keeps `send_message` out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BaseTools {
    /// The names of the tools that are attached.
    pub names: &'static [&'static str],
    /// Whether the agent speaks by its plain answer, so that `send_message` is not attached even when asked for.
    pub answers_directly: bool,
}

/// The base tools of a new agent.
pub const fn base_tools(agent_type: AgentType, enable_sleeptime: bool) -> BaseTools {
    let names: &[&str] = match agent_type {
        AgentType::VoiceSleeptimeAgent => &["store_memories", "rethink_user_memory", "finish_rethinking_memory"],
        AgentType::VoiceConvoAgent => &["send_message", "search_memory"],
        AgentType::SleeptimeAgent => &["memory_replace", "memory_insert", "memory_rethink", "memory_finish_edits"],
        _ if enable_sleeptime => &["send_message", "conversation_search", "archival_memory_search"],
        AgentType::MemgptV2Agent => &["send_message", "conversation_search", "memory_replace", "memory_insert"],
        AgentType::ReactAgent | AgentType::WorkflowAgent => &[],
        AgentType::LettaV1Agent | AgentType::Unknown => {
            let names = &["conversation_search", "memory_replace", "memory_insert"];
            return BaseTools { names, answers_directly: true };
        }
        AgentType::MemgptAgent | AgentType::SplitThreadAgent => &[
            "send_message",
            "conversation_search",
            "core_memory_append",
            "core_memory_replace",
            "memory",
            "memory_apply_patch",
        ],
    };
    BaseTools { names, answers_directly: false }
}

/// The tools by which agents speak to each other. In production the one that needs the other agent in the same
/// process is left out.
pub const fn multi_agent_tools(production: bool) -> &'static [&'static str] {
    const ALL: &[&str] = &[
        "send_message_to_agent_and_wait_for_reply",
        "send_message_to_agents_matching_tags",
        "send_message_to_agent_async",
    ];
    match ALL {
        [rest @ .., _] if production => rest,
        all => all,
    }
}

/// Whether the rules that come with the base tools are added.
///
/// `asked` is the request's flag. Strong models do without them: they know by themselves when to go on.
pub fn wants_base_rules(asked: Option<bool>, agent_type: AgentType, model: &str) -> bool {
    const STRONG: &[&str] = &["claude-4-sonnet", "claude-3-5-sonnet", "gpt-5", "gemini-2.5-pro"];
    asked.unwrap_or_else(|| {
        let strong = STRONG.iter().any(|name| model.contains(name)) && !model.contains("mini");
        !strong || agent_type == AgentType::SleeptimeAgent
    })
}

/// The rules that come with the base tools among these, in the order of the tools.
pub fn base_rules<'a>(tools: impl IntoIterator<Item = &'a Tool>) -> Vec<ToolRule> {
    let rule = |tool: &Tool| match tool.name.as_str() {
        name @ ("send_message" | "send_message_to_agent_async" | "memory_finish_edits") => {
            Some(ToolRule::exit_loop(name))
        }
        name @ ("conversation_search"
        | "archival_memory_insert"
        | "archival_memory_search"
        | "core_memory_append"
        | "core_memory_replace"
        | "memory"
        | "memory_apply_patch"
        | "memory_replace"
        | "memory_insert"
        | "memory_rethink") => Some(ToolRule::continue_loop(name)),
        _ => None,
    };
    tools.into_iter().filter_map(rule).collect()
}

/// The rules that a person must approve those of these tools that are so by default.
pub fn approval_rules<'a>(tools: impl IntoIterator<Item = &'a Tool>) -> impl Iterator<Item = ToolRule> {
    tools
        .into_iter()
        .filter(|tool| tool.default_requires_approval == Some(true))
        .map(|tool| ToolRule::requires_approval(tool.name.as_str()))
}

/// How many files may be open at once, and how many characters of each are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileLimits {
    /// Open files.
    pub max_files_open: i64,
    /// Characters of one file.
    pub per_file_view_window_char_limit: i64,
}

impl FileLimits {
    /// Those of this agent: its own, or what suits its model.
    #[must_use]
    pub fn of(agent: &AgentRow) -> Self {
        let suitable = file_limits(agent.llm_config.context_window);
        Self {
            max_files_open: agent.max_files_open.unwrap_or(suitable.max_files_open),
            per_file_view_window_char_limit: agent
                .per_file_view_window_char_limit
                .unwrap_or(suitable.per_file_view_window_char_limit),
        }
    }
}

/// The limits that suit a context window of so many tokens; 0 when it is not known.
pub const fn file_limits(context_window: i64) -> FileLimits {
    let (max_files_open, per_file_view_window_char_limit) = match context_window {
        ..=0 => (5, 50_000),
        1..=8_000 => (3, 5_000),
        8_001..=32_000 => (5, 15_000),
        32_001..=128_000 => (10, 25_000),
        128_001..=200_000 => (10, 40_000),
        _ => (15, 40_000),
    };
    FileLimits { max_files_open, per_file_view_window_char_limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_agent_answers_directly_and_has_three_memory_tools() {
        let tools = base_tools(AgentType::LettaV1Agent, false);
        assert_eq!(tools.names, ["conversation_search", "memory_replace", "memory_insert"]);
        assert!(tools.answers_directly);
    }

    #[test]
    fn archival_tools_come_only_with_a_sleeptime_companion() {
        for agent_type in [AgentType::LettaV1Agent, AgentType::MemgptAgent, AgentType::MemgptV2Agent] {
            assert!(!base_tools(agent_type, false).names.iter().any(|name| name.starts_with("archival")));
            assert!(base_tools(agent_type, true).names.contains(&"archival_memory_search"));
        }
        assert_eq!(base_tools(AgentType::SleeptimeAgent, true), base_tools(AgentType::SleeptimeAgent, false));
    }

    #[test]
    fn production_has_no_tool_for_agents_in_the_same_process() {
        assert!(multi_agent_tools(false).contains(&"send_message_to_agent_async"));
        assert!(!multi_agent_tools(true).contains(&"send_message_to_agent_async"));
        assert_eq!(multi_agent_tools(true).len(), 2);
    }

    #[test]
    fn strong_models_do_without_base_rules_unless_asked() {
        let v2 = AgentType::MemgptV2Agent;
        assert!(wants_base_rules(None, v2, "gpt-4o"));
        assert!(!wants_base_rules(None, v2, "gpt-5"));
        assert!(wants_base_rules(None, v2, "gpt-5-mini"));
        assert!(wants_base_rules(None, v2, "gemini-2.5-pro"));
        assert!(wants_base_rules(None, AgentType::SleeptimeAgent, "gpt-5"));
        assert!(wants_base_rules(Some(true), v2, "gpt-5"));
        assert!(!wants_base_rules(Some(false), v2, "gpt-4o"));
    }

    #[test]
    fn file_limits_grow_with_the_context_window() {
        let limits = |window| {
            let limits = file_limits(window);
            (limits.max_files_open, limits.per_file_view_window_char_limit)
        };
        assert_eq!(limits(0), (5, 50_000));
        assert_eq!(limits(8_000), (3, 5_000));
        assert_eq!(limits(8_001), (5, 15_000));
        assert_eq!(limits(32_000), (5, 15_000));
        assert_eq!(limits(128_000), (10, 25_000));
        assert_eq!(limits(200_000), (10, 40_000));
        assert_eq!(limits(200_001), (15, 40_000));
    }
}
