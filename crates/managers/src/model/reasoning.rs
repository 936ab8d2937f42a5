//! What the switch "reasoning" of a request means for each family of models.

use crate::error::{Error, Result};
use crate::schema::{AgentType, Effort, LlmConfig, ModelEndpointType, ReasoningEffort, Verbosity};

/// The thinking budget, in tokens, of a model that needs one and was given none.
const DEFAULT_BUDGET: i64 = 1024;

/// Sets the fields about reasoning as an agent of this type and this model needs them.
///
/// The current agent type has the model's own reasoning or none. The older types can also have a model think
/// aloud in an argument of every tool call (`put_inner_thoughts_in_kwargs`).
pub fn normalise(config: &mut LlmConfig, agent_type: AgentType, reasoning: bool) {
    if agent_type == AgentType::LettaV1Agent {
        current(config, reasoning);
    } else if reasoning {
        legacy_on(config);
    } else {
        legacy_off(config);
    }
}

/// Brings a configuration into the form in which it is stored, however it came about.
///
/// # Errors
/// 400 for an effort that the model does not have.
pub fn settle(config: &mut LlmConfig) -> Result<()> {
    config.normalise();
    config.check_effort().map_err(|error| Error::InvalidArgument(error.to_string()))
}

fn current(config: &mut LlmConfig, reasoning: bool) {
    config.put_inner_thoughts_in_kwargs = Some(false);
    if config.is_openai_reasoner() {
        openai(config);
    } else if config.is_anthropic_reasoner() || is_gemini_flash(config) {
        config.enable_reasoner = reasoning;
        think_with_budget(config);
    } else if config.is_zai_reasoner()
        || config.is_openrouter_reasoner()
        || config.model_endpoint_type == ModelEndpointType::Baseten
    {
        config.enable_reasoner = reasoning;
    } else if always_thinks(config) {
        config.enable_reasoner = true;
        budget(config);
    } else {
        config.enable_reasoner = false;
        config.max_reasoning_tokens = 0;
    }
}

fn legacy_on(config: &mut LlmConfig) {
    config.enable_reasoner = true;
    if config.is_openai_reasoner() {
        openai(config);
    } else if config.is_anthropic_reasoner() {
        config.put_inner_thoughts_in_kwargs = Some(false);
        think_with_budget(config);
    } else if config.is_gemini_reasoner() {
        config.put_inner_thoughts_in_kwargs = Some(true);
        budget(config);
    } else {
        let native = config.is_zai_reasoner() || config.is_openrouter_reasoner();
        config.put_inner_thoughts_in_kwargs = Some(!native);
    }
}

fn legacy_off(config: &mut LlmConfig) {
    if config.is_openai_reasoner() {
        if config.supports_no_effort() {
            config.reasoning_effort = Some(ReasoningEffort::None);
        }
        openai(config);
    } else if always_thinks(config) {
        config.enable_reasoner = true;
        config.put_inner_thoughts_in_kwargs = Some(true);
        budget(config);
    } else {
        config.enable_reasoner = false;
        config.put_inner_thoughts_in_kwargs = Some(false);
    }
}

/// Gemini models whose thinking can be turned off.
fn is_gemini_flash(config: &LlmConfig) -> bool {
    config.is_gemini_reasoner() && config.model.starts_with("gemini-2.5-flash")
}

/// Gemini models whose thinking cannot be turned off.
fn always_thinks(config: &LlmConfig) -> bool {
    config.model.starts_with("gemini-2.5-pro") || config.model.starts_with("gemini-3")
}

/// OpenAI's reasoners cannot be stopped from reasoning, only be told how much.
fn openai(config: &mut LlmConfig) {
    config.enable_reasoner = true;
    config.put_inner_thoughts_in_kwargs = Some(false);
    let effort = if config.supports_no_effort() {
        ReasoningEffort::None
    } else if config.is_gpt_5() && !config.lacks_minimal_effort() {
        ReasoningEffort::Minimal
    } else {
        ReasoningEffort::Medium
    };
    config.reasoning_effort.get_or_insert(effort);
    if config.is_gpt_5() {
        config.verbosity.get_or_insert(Verbosity::Medium);
    }
}

fn think_with_budget(config: &mut LlmConfig) {
    if config.enable_reasoner && !config.thinks_adaptively() {
        budget(config);
    }
    if config.supports_effort() {
        config.effort.get_or_insert(Effort::Medium);
    }
}

fn budget(config: &mut LlmConfig) {
    if config.max_reasoning_tokens == 0 {
        config.max_reasoning_tokens = DEFAULT_BUDGET;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ModelEndpointType::{Anthropic, Baseten, GoogleAi, Openai, Zai};

    fn normalised(endpoint: ModelEndpointType, model: &str, agent_type: AgentType, reasoning: bool) -> LlmConfig {
        let mut config = LlmConfig::new(endpoint, model, 100_000);
        normalise(&mut config, agent_type, reasoning);
        config
    }

    /// Model, reasoning asked for, then: enabled, inner thoughts, budget.
    type Case = (ModelEndpointType, &'static str, bool, (bool, bool, i64));

    fn check(agent_type: AgentType, cases: &[Case]) {
        for &(endpoint, model, reasoning, expected) in cases {
            let config = normalised(endpoint, model, agent_type, reasoning);
            let inner = config.put_inner_thoughts_in_kwargs.unwrap();
            let got = (config.enable_reasoner, inner, config.max_reasoning_tokens);
            assert_eq!(got, expected, "{agent_type} {model} reasoning={reasoning}");
        }
    }

    #[test]
    fn the_current_agent_reasons_with_the_model_s_own_reasoning_or_not_at_all() {
        check(
            AgentType::LettaV1Agent,
            &[
                (Openai, "gpt-4o-mini", true, (false, false, 0)),
                (Openai, "gpt-4o-mini", false, (false, false, 0)),
                (Openai, "o3-mini", true, (true, false, 0)),
                (Openai, "o3-mini", false, (true, false, 0)),
                (Anthropic, "claude-3-5-sonnet", true, (false, false, 0)),
                (Anthropic, "claude-3-7-sonnet-20250219", true, (true, false, 1024)),
                (Anthropic, "claude-sonnet-4-20250514", false, (false, false, 0)),
                (Anthropic, "claude-opus-4-6", true, (true, false, 0)),
                (Anthropic, "claude-sonnet-4-6", true, (true, false, 0)),
                (GoogleAi, "gemini-2.0-flash", true, (false, false, 0)),
                (GoogleAi, "gemini-2.5-flash", true, (true, false, 1024)),
                (GoogleAi, "gemini-2.5-flash", false, (false, false, 0)),
                (GoogleAi, "gemini-2.5-pro", false, (true, false, 1024)),
                (GoogleAi, "gemini-3-flash-preview", false, (true, false, 1024)),
                (Zai, "glm-4.6", true, (true, false, 0)),
                (Zai, "glm-4.6", false, (false, false, 0)),
                (Baseten, "zai-org/GLM-5", true, (true, false, 0)),
            ],
        );
    }

    #[test]
    fn the_older_agents_think_in_tool_arguments_where_the_model_has_no_reasoning() {
        check(
            AgentType::MemgptV2Agent,
            &[
                (Openai, "gpt-4o-mini", true, (true, true, 0)),
                (Openai, "gpt-4o-mini", false, (false, false, 0)),
                (Openai, "o3-mini", true, (true, false, 0)),
                (Openai, "o3-mini", false, (true, false, 0)),
                (Anthropic, "claude-3-5-sonnet", true, (true, true, 0)),
                (Anthropic, "claude-3-7-sonnet", true, (true, false, 1024)),
                (Anthropic, "claude-3-7-sonnet", false, (false, false, 0)),
                (GoogleAi, "gemini-2.0-flash", true, (true, true, 0)),
                (GoogleAi, "gemini-2.5-flash", true, (true, true, 1024)),
                (GoogleAi, "gemini-2.5-flash", false, (false, false, 0)),
                (GoogleAi, "gemini-2.5-pro", true, (true, true, 1024)),
                (GoogleAi, "gemini-2.5-pro", false, (true, true, 1024)),
                (GoogleAi, "gemini-3-pro", false, (true, true, 1024)),
                (Zai, "glm-4.6", true, (true, false, 0)),
                (Zai, "glm-4.6", false, (false, false, 0)),
                (Baseten, "zai-org/GLM-5", true, (true, true, 0)),
            ],
        );
    }

    #[test]
    fn openai_reasoners_get_the_least_effort_that_they_have() {
        for (model, effort) in [
            ("gpt-5", ReasoningEffort::Minimal),
            ("gpt-5-mini", ReasoningEffort::Minimal),
            ("gpt-5-codex", ReasoningEffort::Medium),
            ("gpt-5.1", ReasoningEffort::None),
            ("gpt-5.4", ReasoningEffort::None),
            ("o3", ReasoningEffort::Medium),
        ] {
            let config = normalised(Openai, model, AgentType::LettaV1Agent, true);
            assert_eq!(config.reasoning_effort, Some(effort), "{model}");
            assert_eq!(config.verbosity.is_some(), model.starts_with("gpt-5"), "{model}");
        }
    }

    #[test]
    fn turning_reasoning_off_for_an_older_agent_overrides_a_chosen_effort_where_none_exists() {
        let mut config = LlmConfig::new(Openai, "gpt-5.1", 1000);
        config.reasoning_effort = Some(ReasoningEffort::High);
        normalise(&mut config, AgentType::MemgptAgent, false);
        assert_eq!(config.reasoning_effort, Some(ReasoningEffort::None));
    }

    #[test]
    fn an_effort_that_the_model_refuses_is_an_error_however_it_came_in() {
        let mut config = LlmConfig::new(Openai, "gpt-5-codex", 1000);
        config.reasoning_effort = Some(ReasoningEffort::Minimal);
        let error = settle(&mut config).unwrap_err().to_string();
        assert!(error.starts_with("INVALID_ARGUMENT: Model 'gpt-5-codex' does not support 'minimal'"), "{error}");
    }
}
