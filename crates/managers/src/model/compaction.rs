//! Compaction settings of an agent: which model summarises, and with which prompt.

use crate::{
    error::{Error, FieldError, Result},
    schema::{CompactionMode, CompactionSettings, CompactionSettingsInput, LlmConfig},
};

/// The built-in instructions for the summary that a mode makes.
pub const fn default_prompt(mode: CompactionMode) -> &'static str {
    match mode {
        CompactionMode::All => include_str!("compaction/all.md"),
        CompactionMode::SlidingWindow => include_str!("compaction/sliding_window.md"),
        CompactionMode::SelfCompactAll => include_str!("compaction/self_compact_all.md"),
        CompactionMode::SelfCompactSlidingWindow => include_str!("compaction/self_compact_sliding_window.md"),
    }
}

/// Checks what was sent.
///
/// # Errors
/// 422 for values with which no summary could be made.
pub fn check(sent: Option<&CompactionSettingsInput>) -> Result<()> {
    let Some(sent) = sent else { return Ok(()) };
    let mut faults = Vec::new();
    let mut refuse = |field: &str, message: String| {
        let location = ["body", "compaction_settings", field].map(str::to_owned).to_vec();
        faults.push(FieldError { kind: "value_error", location, message });
    };
    if let Some(chars) = sent.clip_chars.as_value().filter(|chars| **chars < 1) {
        refuse("clip_chars", format!("clip_chars is {chars}, but it must be at least 1, or null for no limit."));
    }
    if let Some(part) = sent.sliding_window_percentage.filter(|part| !(0.0..=1.0).contains(part)) {
        refuse(
            "sliding_window_percentage",
            format!("sliding_window_percentage is {part}, but it must be from 0 to 1."),
        );
    }
    if sent.prompt.as_value().is_some_and(|prompt| prompt.trim().is_empty()) {
        refuse("prompt", "prompt is empty. Leave it out, or set it to null, for the built-in one.".to_owned());
    }
    if faults.is_empty() { Ok(()) } else { Err(Error::Unprocessable(faults)) }
}

/// The settings of a new agent: what was sent, the rest filled in from the agent's model.
pub fn create(sent: Option<CompactionSettingsInput>, config: &LlmConfig) -> CompactionSettings {
    let mut settings = CompactionSettings::default();
    if let Some(sent) = sent {
        sent.apply(&mut settings);
    }
    settings.model = settings.model.or_else(|| default_model(config));
    settings.prompt.get_or_insert_with(|| default_prompt(settings.mode).to_owned());
    settings
}

/// The settings after an update of the agent; `None` when they stay as they are.
///
/// Fields that were not sent keep their values. A new mode brings its own prompt, unless one was sent with it.
/// When the agent's provider changes, a summarising model that was the old provider's default follows.
pub fn update(
    stored: Option<&CompactionSettings>,
    sent: Option<CompactionSettingsInput>,
    before: &LlmConfig,
    after: &LlmConfig,
) -> Option<CompactionSettings> {
    let old = match (stored, sent.is_some()) {
        (Some(stored), _) => stored.clone(),
        (None, true) => create(None, before),
        (None, false) => return None,
    };
    let mut new = old.clone();
    let (mut model_sent, mut settings_sent, mut prompt_sent) = (false, false, false);
    if let Some(sent) = sent {
        model_sent = sent.model.as_value().is_some();
        settings_sent = sent.model_settings.as_value().is_some();
        prompt_sent = sent.prompt.as_value().is_some();
        sent.apply(&mut new);
    }
    if new.mode != old.mode && !prompt_sent {
        new.prompt = None;
    }
    let follows = old.model.is_none() || old.model == default_model(before) || old.model == before.handle;
    if provider(before) != provider(after) && follows && !model_sent {
        new.model = default_model(after);
        if !settings_sent {
            new.model_settings = None;
        }
    }
    new.model = new.model.or_else(|| default_model(after));
    new.prompt.get_or_insert_with(|| default_prompt(new.mode).to_owned());
    (stored != Some(&new)).then_some(new)
}

/// The settings of one compaction: the agent's, or those of a new agent with its model, with what was sent over them.
pub fn effective(
    stored: Option<&CompactionSettings>,
    sent: Option<&CompactionSettingsInput>,
    config: &LlmConfig,
) -> CompactionSettings {
    let base = stored.cloned().unwrap_or_else(|| create(None, config));
    update(Some(&base), sent.cloned(), config, config).unwrap_or(base)
}

fn provider(config: &LlmConfig) -> &str {
    config.provider_name.as_deref().unwrap_or(config.model_endpoint_type.as_str())
}

/// The model that summarises for agents with this model: a small one of the same provider, where one is known.
fn default_model(config: &LlmConfig) -> Option<String> {
    match provider(config) {
        "anthropic" => Some("anthropic/claude-haiku-4-5".to_owned()),
        "openai" => Some("openai/gpt-5-mini".to_owned()),
        "google_ai" => Some("google_ai/gemini-2.5-flash".to_owned()),
        "letta" => Some("letta/auto".to_owned()),
        _ => config.handle.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ModelEndpointType, Patch};

    fn config(provider: &str, model: &str) -> LlmConfig {
        let mut config = LlmConfig::new(ModelEndpointType::Openai, model, 8192);
        config.provider_name = Some(provider.to_owned());
        config.handle = Some(format!("{provider}/{model}"));
        config
    }

    #[test]
    fn a_new_agent_gets_the_small_model_of_its_provider_and_the_prompt_of_the_mode() {
        let settings = create(None, &config("openai", "gpt-4o"));
        assert_eq!(settings.model.as_deref(), Some("openai/gpt-5-mini"));
        assert_eq!(settings.prompt.as_deref(), Some(default_prompt(CompactionMode::SlidingWindow)));
        assert_eq!(create(None, &config("ollama", "qwen3")).model.as_deref(), Some("ollama/qwen3"));
    }

    #[test]
    fn values_sent_at_creation_are_kept() {
        let sent = CompactionSettingsInput {
            model: Patch::Value("openai/gpt-4o".into()),
            prompt: Patch::Value("Be brief.".into()),
            mode: Some(CompactionMode::All),
            ..Default::default()
        };
        let settings = create(Some(sent), &config("openai", "gpt-4o"));
        assert_eq!((settings.model.as_deref(), settings.prompt.as_deref()), (Some("openai/gpt-4o"), Some("Be brief.")));
    }

    #[test]
    fn an_update_keeps_what_was_not_sent() {
        let openai = config("openai", "gpt-4o");
        let stored = CompactionSettings { clip_chars: Some(7), ..create(None, &openai) };
        let sent = CompactionSettingsInput { sliding_window_percentage: Some(0.5), ..Default::default() };
        let new = update(Some(&stored), Some(sent), &openai, &openai).unwrap();
        assert_eq!(new, CompactionSettings { sliding_window_percentage: 0.5, ..stored.clone() });
        assert_eq!(update(Some(&stored), None, &openai, &openai), None);
    }

    #[test]
    fn a_new_mode_brings_its_prompt_unless_one_is_sent() {
        let openai = config("openai", "gpt-4o");
        let stored = create(None, &openai);
        let mut sent = CompactionSettingsInput { mode: Some(CompactionMode::All), ..Default::default() };
        let new = update(Some(&stored), Some(sent.clone()), &openai, &openai).unwrap();
        assert_eq!(new.prompt.as_deref(), Some(default_prompt(CompactionMode::All)));
        sent.prompt = Patch::Value("Mine.".into());
        let new = update(Some(&stored), Some(sent), &openai, &openai).unwrap();
        assert_eq!(new.prompt.as_deref(), Some("Mine."));
    }

    #[test]
    fn what_is_sent_for_one_compaction_goes_over_the_agents_settings_field_by_field() {
        let openai = config("openai", "gpt-4o");
        let stored = CompactionSettings { clip_chars: Some(7), ..create(None, &openai) };
        assert_eq!(effective(Some(&stored), None, &openai), stored);
        assert_eq!(effective(None, None, &openai), create(None, &openai));
        let sent = CompactionSettingsInput { mode: Some(CompactionMode::All), ..Default::default() };
        let once = effective(Some(&stored), Some(&sent), &openai);
        let prompt = Some(default_prompt(CompactionMode::All).to_owned());
        assert_eq!(once, CompactionSettings { mode: CompactionMode::All, prompt, ..stored });
    }

    #[test]
    fn settings_with_which_no_summary_could_be_made_are_refused_by_name() {
        let read = |settings: serde_json::Value| serde_json::from_value::<CompactionSettingsInput>(settings).unwrap();
        for (field, value) in [
            ("clip_chars", serde_json::json!(0)),
            ("clip_chars", serde_json::json!(-3)),
            ("sliding_window_percentage", serde_json::json!(-1)),
            ("sliding_window_percentage", serde_json::json!(7)),
            ("prompt", serde_json::json!(" ")),
        ] {
            let error = check(Some(&read(serde_json::json!({ field: value })))).unwrap_err();
            let Error::Unprocessable(faults) = error else { panic!("{error}") };
            assert_eq!(faults[0].location, ["body", "compaction_settings", field]);
        }
        let fine = serde_json::json!({"clip_chars": null, "sliding_window_percentage": 1.0, "prompt": null});
        assert!(check(Some(&read(fine))).is_ok() && check(None).is_ok());
    }

    #[test]
    fn a_default_model_follows_the_provider_and_a_chosen_one_stays() {
        let (openai, anthropic) = (config("openai", "gpt-4o"), config("anthropic", "claude-sonnet-4"));
        let stored = create(None, &openai);
        let new = update(Some(&stored), None, &openai, &anthropic).unwrap();
        assert_eq!(new.model.as_deref(), Some("anthropic/claude-haiku-4-5"));

        let chosen = CompactionSettings { model: Some("openai/gpt-4.1".into()), ..stored.clone() };
        assert_eq!(update(Some(&chosen), None, &openai, &anthropic), None);
        assert_eq!(update(Some(&stored), None, &openai, &config("openai", "gpt-4.1")), None);
    }
}
