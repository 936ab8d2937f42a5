//! The built-in system prompts, one for each type of agent.

use crate::schema::AgentType;

const LETTA_V1: &str = include_str!("system/letta_v1_agent.md");
const MEMGPT: &str = include_str!("system/memgpt.md");
const SLEEPTIME: &str = include_str!("system/sleeptime_agent.md");
const REACT: &str = include_str!("system/react_agent.md");
const WORKFLOW: &str = include_str!("system/workflow_agent.md");
const VOICE_CONVO: &str = include_str!("system/voice_convo_agent.md");
const VOICE_SLEEPTIME: &str = include_str!("system/voice_sleeptime_agent.md");

/// The system prompt that an agent of this type gets when none is given; `split_thread_agent` has none.
///
/// None of them places the memory, so it is put after them. All but the two for voice are wrapped in
/// `<base_instructions>`, by which the context overview tells them from what follows.
#[must_use]
pub fn default_system(agent_type: AgentType) -> Option<&'static str> {
    let text = match agent_type {
        AgentType::LettaV1Agent => LETTA_V1,
        AgentType::MemgptAgent | AgentType::MemgptV2Agent => MEMGPT,
        AgentType::SleeptimeAgent => SLEEPTIME,
        AgentType::ReactAgent => REACT,
        AgentType::WorkflowAgent => WORKFLOW,
        AgentType::VoiceConvoAgent => VOICE_CONVO,
        AgentType::VoiceSleeptimeAgent => VOICE_SLEEPTIME,
        AgentType::SplitThreadAgent | AgentType::Unknown => return None,
    };
    Some(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_voice_prompts_are_wrapped_in_base_instructions() {
        for agent_type in [
            AgentType::LettaV1Agent,
            AgentType::MemgptAgent,
            AgentType::MemgptV2Agent,
            AgentType::SleeptimeAgent,
            AgentType::ReactAgent,
            AgentType::WorkflowAgent,
        ] {
            let text = default_system(agent_type).unwrap();
            assert!(text.starts_with("<base_instructions>\n") && text.ends_with("\n</base_instructions>"));
            assert!(!text.contains("{CORE_MEMORY}"));
        }
        for agent_type in [AgentType::VoiceConvoAgent, AgentType::VoiceSleeptimeAgent] {
            let text = default_system(agent_type).unwrap();
            assert!(!text.contains("<base_instructions>") && text.trim() == text);
        }
        assert_eq!(default_system(AgentType::SplitThreadAgent), None);
    }

    #[test]
    fn every_section_that_is_opened_is_closed() {
        for text in [LETTA_V1, MEMGPT, SLEEPTIME, REACT, WORKFLOW] {
            for line in text.lines() {
                if let Some(tag) = line.strip_prefix('<').and_then(|rest| rest.strip_suffix('>')) {
                    let tag = tag.trim_start_matches('/');
                    assert_eq!(text.matches(&format!("<{tag}>")).count(), 1, "{tag}");
                    assert_eq!(text.matches(&format!("</{tag}>")).count(), 1, "{tag}");
                }
            }
        }
    }
}
