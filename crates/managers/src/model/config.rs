//! From a model and what a request says about it to the configuration that an agent keeps.

use super::reasoning;
use crate::{
    error::{Error, FieldError, Result},
    llm::{EmbeddingModelInfo, ModelInfo},
    schema::{
        AgentType, CreateAgent, EmbeddingConfig, EmbeddingEndpointType, LlmConfig, ModelEndpointType, ModelSettings,
        Patch, UpdateAgent,
    },
};

/// The configuration of a model before any request has its say.
pub fn from_info(info: &ModelInfo) -> LlmConfig {
    let mut config = LlmConfig::new(info.endpoint_type(), info.name.clone(), info.context_window);
    config.model_endpoint = Some(info.endpoint.clone());
    config.provider_name = Some(info.provider_name.clone());
    config.provider_category = Some(info.provider_category);
    config.handle = Some(info.handle.clone());
    config.max_tokens = info.max_tokens;
    config.frequency_penalty = info.frequency_penalty;
    config.compatibility_type = info.compatibility_type.as_deref().and_then(|kind| kind.parse().ok());
    config
}

/// The configuration of an embedding model, its texts cut into chunks of this many tokens.
pub fn from_embedding_info(info: &EmbeddingModelInfo, chunk_size: Option<i64>) -> EmbeddingConfig {
    // Servers whose wire has no name of its own among embedding endpoints speak OpenAI's.
    let endpoint_type = info.provider_kind.endpoint_type().as_str().parse().unwrap_or(EmbeddingEndpointType::Openai);
    let mut config = EmbeddingConfig::new(endpoint_type, info.name.clone(), info.dimensions);
    config.embedding_endpoint = Some(info.endpoint.clone());
    config.handle = Some(info.handle.clone());
    config.embedding_chunk_size = chunk_size.or(config.embedding_chunk_size);
    config
}

/// The configuration of a new agent: the model's, or the one that was sent whole, with the request's overrides.
///
/// `resolved` is the model of the handle; not needed when the request has an `llm_config`. `max_window` caps
/// the context window when the request does not set one.
///
/// # Errors
/// 400 for limits or an effort that do not fit, or when there is neither model nor configuration.
pub fn create(request: &CreateAgent, resolved: Option<&ModelInfo>, max_window: i64) -> Result<LlmConfig> {
    let mut config = match (&request.llm_config, resolved) {
        (Some(sent), _) => sent.clone(),
        (None, Some(info)) => {
            check_positive("context_window_limit", request.context_window_limit)?;
            check_positive("max_tokens", request.max_tokens)?;
            let mut config = from_info(info);
            config.context_window =
                request.context_window_limit.unwrap_or_else(|| config.context_window.min(max_window));
            config.max_tokens = request.max_tokens.or(at_most_half(config.max_tokens, config.context_window));
            if let Some(thinking) = request.max_reasoning_tokens {
                check_thinking(thinking, request.max_tokens)?;
                config.max_reasoning_tokens = thinking;
            }
            if let Some(enabled) = request.enable_reasoner {
                config.enable_reasoner = enabled;
                if enabled && config.model_endpoint_type == ModelEndpointType::Anthropic {
                    config.put_inner_thoughts_in_kwargs = Some(false);
                }
            }
            config
        }
        (None, None) => {
            return Err(Error::InvalidArgument("Must specify either model or llm_config in request".to_owned()));
        }
    };
    if let Some(settings) = &request.model_settings {
        settings.apply(&mut config);
    }
    config.parallel_tool_calls = request.parallel_tool_calls.or(config.parallel_tool_calls);
    config.normalise();
    let reasoning = request.reasoning.unwrap_or_else(|| reasons(&config));
    reasoning::normalise(&mut config, request.agent_type, reasoning);
    reasoning::settle(&mut config)?;
    Ok(config)
}

/// The configuration of an agent after an update; `None` when the update does not touch it.
///
/// `resolved` is the model of the handle in the request, when there is one. Everything but the model starts
/// anew with another model, as its settings are those of another model; changed limits alone keep the rest.
///
/// # Errors
/// 400 for an effort that the model does not have, 422 for limits that are none.
pub fn update(
    current: &LlmConfig,
    agent_type: AgentType,
    request: &UpdateAgent,
    resolved: Option<&ModelInfo>,
    max_window: i64,
) -> Result<Option<LlmConfig>> {
    let settings = request.model_settings.as_value();
    let parallel_tool_calls = request.parallel_tool_calls.as_value().copied();
    let mut reasoning = request.reasoning.as_value().copied();

    let mut config = if let Some(sent) = request.llm_config.as_value() {
        sent.clone()
    } else {
        let window = request.context_window_limit.as_value().copied();
        check_positive("context_window_limit", window)?;
        check_positive("max_tokens", request.max_tokens.as_value().copied())?;
        let mut config = match resolved {
            Some(info) => {
                let mut config = from_info(info);
                config.context_window = config.context_window.min(max_window);
                if settings.is_some() {
                    config.max_tokens = current.max_tokens;
                }
                if reasoning.is_none() {
                    reasoning = Some(match agent_type {
                        AgentType::LettaV1Agent => reasons(&config),
                        _ => reasons(current),
                    });
                }
                config
            }
            None => current.clone(),
        };
        config.context_window = window.unwrap_or(config.context_window);
        match request.max_tokens {
            Patch::Absent if window.is_some() || resolved.is_some() => {
                config.max_tokens = at_most_half(config.max_tokens, config.context_window);
            }
            Patch::Absent => {}
            Patch::Null => config.max_tokens = None,
            Patch::Value(max_tokens) => config.max_tokens = Some(max_tokens),
        }
        config
    };
    if let Some(settings) = settings {
        settings.apply(&mut config);
    }
    config.parallel_tool_calls = parallel_tool_calls.or(config.parallel_tool_calls);
    config.normalise();
    if let Some(reasoning) = reasoning {
        reasoning::normalise(&mut config, agent_type, reasoning);
    }
    if config == *current {
        return Ok(None);
    }
    reasoning::settle(&mut config)?;
    Ok(Some(config))
}

/// The configuration of a model that a conversation has for itself. The window is as large as wanted, as far as the
/// model has one that large.
///
/// # Errors
/// 400 for an effort that the model does not have.
pub fn of_conversation(
    info: &ModelInfo,
    agent_type: AgentType,
    window: i64,
    settings: Option<&ModelSettings>,
) -> Result<LlmConfig> {
    let mut config = from_info(info);
    config.context_window = config.context_window.min(window);
    config.max_tokens = at_most_half(config.max_tokens, config.context_window);
    if let Some(settings) = settings {
        settings.apply(&mut config);
    }
    config.normalise();
    let reasoning = reasons(&config);
    reasoning::normalise(&mut config, agent_type, reasoning);
    reasoning::settle(&mut config)?;
    Ok(config)
}

/// A limit for answers that nobody has set, within a window: servers refuse a request whose answer alone may fill it.
pub fn at_most_half(max_tokens: Option<i64>, window: i64) -> Option<i64> {
    max_tokens.map(|most| if window > 0 { most.min((window / 2).max(1)) } else { most })
}

/// Whether the agent reasons in any way.
fn reasons(config: &LlmConfig) -> bool {
    config.enable_reasoner || config.put_inner_thoughts_in_kwargs == Some(true)
}

fn check_positive(field: &str, value: Option<i64>) -> Result<()> {
    match value {
        Some(value) if value < 1 => Err(Error::Unprocessable(vec![FieldError::body(
            field,
            format!("{field} is {value}, but it must be at least 1."),
        )])),
        _ => Ok(()),
    }
}

fn check_thinking(thinking: i64, max_tokens: Option<i64>) -> Result<()> {
    if thinking < 0 {
        return Err(Error::Unprocessable(vec![FieldError::body(
            "max_reasoning_tokens",
            format!("max_reasoning_tokens is {thinking}, but it must not be negative."),
        )]));
    }
    match max_tokens {
        Some(max_tokens) if thinking <= max_tokens => Ok(()),
        Some(max_tokens) => Err(Error::InvalidArgument(format!(
            "Max reasoning tokens ({thinking}) must be less than max tokens ({max_tokens})"
        ))),
        None => Err(Error::InvalidArgument(format!(
            "Max reasoning tokens ({thinking}) must be less than max tokens (not set). Set max_tokens too."
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{llm::ProviderKind, schema::ProviderCategory};
    use serde_json::{Value, json};

    fn model(name: &str) -> ModelInfo {
        ModelInfo {
            handle: format!("openai/{name}"),
            aliases: Vec::new(),
            name: name.to_owned(),
            provider_name: "openai".to_owned(),
            provider_category: ProviderCategory::Base,
            provider_kind: ProviderKind::OpenAi,
            endpoint: "https://api.openai.com/v1".to_owned(),
            context_window: 1_047_576,
            max_tokens: Some(16_384),
            frequency_penalty: Some(1.0),
            compatibility_type: None,
            tools: None,
        }
    }

    fn created(request: Value, name: &str) -> Result<LlmConfig> {
        create(&serde_json::from_value(request).unwrap(), Some(&model(name)), 128_000)
    }

    fn updated(current: &LlmConfig, request: Value, name: Option<&str>) -> Option<LlmConfig> {
        let resolved = name.map(model);
        update(current, AgentType::LettaV1Agent, &serde_json::from_value(request).unwrap(), resolved.as_ref(), 128_000)
            .unwrap()
    }

    #[test]
    fn a_plain_agent_shows_the_settings_that_clients_expect() {
        let config = created(json!({"model": "openai/gpt-4o-mini"}), "gpt-4o-mini").unwrap();
        assert_eq!(
            serde_json::to_value(ModelSettings::of(&config)).unwrap(),
            json!({"max_output_tokens": 16384, "parallel_tool_calls": true, "strict": false,
                "provider_type": "openai", "temperature": 1.0, "reasoning": {"reasoning_effort": "minimal"},
                "response_format": null})
        );
        assert_eq!(config.context_window, 128_000);
        assert_eq!(config.handle.as_deref(), Some("openai/gpt-4o-mini"));
        assert_eq!(config.provider_category, Some(ProviderCategory::Base));
    }

    #[test]
    fn the_window_is_capped_unless_the_request_sets_it() {
        let config = created(json!({"context_window_limit": 500_000}), "gpt-4.1").unwrap();
        assert_eq!(config.context_window, 500_000);
        assert!(matches!(created(json!({"context_window_limit": 0}), "gpt-4.1"), Err(Error::Unprocessable(_))));
    }

    #[test]
    fn an_answer_that_nobody_has_limited_leaves_half_of_the_window_to_the_question() {
        let limits = |config: LlmConfig| (config.context_window, config.max_tokens);
        let small = json!({"context_window_limit": 8_192});
        assert_eq!(limits(created(small.clone(), "gpt-4o").unwrap()), (8_192, Some(4_096)));
        let sent = json!({"context_window_limit": 8_192, "max_tokens": 8_000});
        assert_eq!(limits(created(sent, "gpt-4o").unwrap()), (8_192, Some(8_000)));
        let large = created(json!({}), "gpt-4o").unwrap();
        assert_eq!(limits(updated(&large, small.clone(), None).unwrap()), (8_192, Some(4_096)));
        let moved = json!({"model": "openai/gpt-4.1", "context_window_limit": 8_192});
        assert_eq!(limits(updated(&large, moved, Some("gpt-4.1")).unwrap()), (8_192, Some(4_096)));
        let settings = json!({"context_window_limit": 8_192,
            "model_settings": {"provider_type": "openai", "max_output_tokens": 6_000}});
        assert_eq!(limits(updated(&large, settings, None).unwrap()), (8_192, Some(6_000)));
    }

    #[test]
    fn settings_come_after_the_limits_and_parallel_calls_after_both() {
        let request = json!({
            "max_tokens": 100,
            "model_settings": {"provider_type": "openai", "max_output_tokens": 200, "temperature": 0.5,
                "parallel_tool_calls": true},
            "parallel_tool_calls": false
        });
        let config = created(request, "gpt-4o").unwrap();
        assert_eq!((config.max_tokens, config.temperature), (Some(200), 0.5));
        assert_eq!(config.parallel_tool_calls, Some(false));
    }

    #[test]
    fn settings_without_an_output_limit_keep_the_model_s() {
        let config = created(json!({"model_settings": {"provider_type": "openai", "strict": true}}), "gpt-4o").unwrap();
        assert_eq!((config.max_tokens, config.strict), (Some(16_384), true));
    }

    #[test]
    fn thinking_needs_room_in_the_answer() {
        assert!(created(json!({"max_tokens": 2000, "max_reasoning_tokens": 2000}), "o3").is_ok());
        for request in [json!({"max_reasoning_tokens": 1}), json!({"max_tokens": 5, "max_reasoning_tokens": 6})] {
            let error = created(request, "o3").unwrap_err().to_string();
            assert!(error.starts_with("INVALID_ARGUMENT: Max reasoning tokens ("), "{error}");
        }
    }

    #[test]
    fn a_configuration_sent_whole_ignores_the_single_limits() {
        let request = json!({
            "llm_config": {"model": "m", "model_endpoint_type": "openai", "context_window": 4096},
            "context_window_limit": 1, "max_tokens": 1
        });
        let config = create(&serde_json::from_value(request).unwrap(), None, 128_000).unwrap();
        assert_eq!((config.context_window, config.max_tokens), (4096, None));
    }

    #[test]
    fn without_model_and_configuration_nothing_can_be_made() {
        let request: CreateAgent = serde_json::from_value(json!({})).unwrap();
        let error = create(&request, None, 1).unwrap_err().to_string();
        assert_eq!(error, "INVALID_ARGUMENT: Must specify either model or llm_config in request");
    }

    #[test]
    fn an_update_of_other_fields_leaves_the_model_alone() {
        let config = created(json!({}), "gpt-4o-mini").unwrap();
        assert_eq!(updated(&config, json!({"name": "x", "model": null, "model_settings": null}), None), None);
    }

    #[test]
    fn changed_limits_keep_the_rest_of_the_configuration() {
        let request = json!({"model_settings": {"provider_type": "openai", "temperature": 0.3}});
        let config = created(request, "gpt-4o").unwrap();
        let new = updated(&config, json!({"context_window_limit": 9000, "max_tokens": 7}), None).unwrap();
        assert_eq!((new.context_window, new.max_tokens, new.temperature), (9000, Some(7), 0.3));
        assert_eq!(updated(&config, json!({"max_tokens": null}), None).unwrap().max_tokens, None);
    }

    #[test]
    fn another_model_starts_with_its_own_settings() {
        let config =
            created(json!({"model_settings": {"provider_type": "openai", "temperature": 0.3}}), "gpt-4o").unwrap();
        let new = updated(&config, json!({"model": "openai/o3"}), Some("o3")).unwrap();
        assert_eq!((new.temperature, new.enable_reasoner, new.context_window), (1.0, true, 128_000));
        assert!(!config.enable_reasoner);
    }

    #[test]
    fn another_model_with_settings_keeps_the_old_output_limit_unless_one_is_sent() {
        let config = created(json!({"max_tokens": 77}), "gpt-4o").unwrap();
        let change = |settings: Value| {
            updated(&config, json!({"model": "openai/gpt-4.1", "model_settings": settings}), Some("gpt-4.1")).unwrap()
        };
        assert_eq!(change(json!({"provider_type": "openai"})).max_tokens, Some(77));
        assert_eq!(change(json!({"provider_type": "openai", "max_output_tokens": 5})).max_tokens, Some(5));
    }

    #[test]
    fn a_conversation_s_model_has_the_wanted_window_where_it_fits() {
        let settings: ModelSettings =
            serde_json::from_value(json!({"provider_type": "openai", "temperature": 0.2})).unwrap();
        let config = of_conversation(&model("gpt-4.1"), AgentType::LettaV1Agent, 9000, Some(&settings)).unwrap();
        assert_eq!((config.model.as_str(), config.context_window), ("gpt-4.1", 9000));
        assert_eq!((config.temperature, config.max_tokens), (0.2, Some(4_500)));
        let small = ModelInfo { context_window: 4096, ..model("small") };
        assert_eq!(of_conversation(&small, AgentType::LettaV1Agent, 9000, None).unwrap().context_window, 4096);
    }

    #[test]
    fn settings_alone_change_only_what_they_name() {
        let config = created(json!({}), "gpt-4o").unwrap();
        let new =
            updated(&config, json!({"model_settings": {"provider_type": "openai", "temperature": 0.1}}), None).unwrap();
        assert_eq!(new, LlmConfig { temperature: 0.1, ..config });
    }
}
