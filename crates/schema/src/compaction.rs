//! How a conversation that has grown too long is shortened, and what came of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{CompactionMode, ModelSettings, Patch, de};

/// The characters of a summary that are kept when nothing else is said.
pub const DEFAULT_CLIP_CHARS: i64 = 50_000;

/// The part of the context that a sliding window removes when nothing else is said.
pub const DEFAULT_SLIDING_WINDOW_PERCENTAGE: f64 = 0.3;

/// How an agent's conversation is shortened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CompactionSettings {
    /// The handle of the model that writes the summary.
    pub model: Option<String>,
    /// Settings of that model.
    #[serde(deserialize_with = "de::lenient_option")]
    pub model_settings: Option<ModelSettings>,
    /// What the model is told to do; null for the built-in text of the mode.
    pub prompt: Option<String>,
    /// Whether the model is made to acknowledge the prompt before it sees the messages.
    pub prompt_acknowledgement: bool,
    /// The summary is cut to this many characters; null for no limit.
    pub clip_chars: Option<i64>,
    /// What is summarised, and by whom.
    #[serde(deserialize_with = "de::lenient_default")]
    pub mode: CompactionMode,
    /// `sliding_window`: the part of the context that is summarised, from 0 to 1.
    pub sliding_window_percentage: f64,
}

impl Default for CompactionSettings {
    fn default() -> Self {
        Self {
            model: None,
            model_settings: None,
            prompt: None,
            prompt_acknowledgement: false,
            clip_chars: Some(DEFAULT_CLIP_CHARS),
            mode: CompactionMode::SlidingWindow,
            sliding_window_percentage: DEFAULT_SLIDING_WINDOW_PERCENTAGE,
        }
    }
}

/// Compaction settings in a request: only what was sent is changed.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct CompactionSettingsInput {
    /// The handle of the model that writes the summary.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>)]
    pub model: Patch<String>,
    /// Settings of that model.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<ModelSettings>)]
    pub model_settings: Patch<ModelSettings>,
    /// What the model is told to do; null for the built-in text of the mode.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<String>)]
    pub prompt: Patch<String>,
    /// Whether the model is made to acknowledge the prompt before it sees the messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = bool, required = false, default = false)]
    pub prompt_acknowledgement: Option<bool>,
    /// The summary is cut to this many characters; null for no limit.
    #[serde(skip_serializing_if = "Patch::is_absent")]
    #[schema(value_type = Option<i64>, default = 50000)]
    pub clip_chars: Patch<i64>,
    /// What is summarised, and by whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = CompactionMode, required = false, default = "sliding_window")]
    pub mode: Option<CompactionMode>,
    /// `sliding_window`: the part of the context that is summarised, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = f64, required = false)]
    pub sliding_window_percentage: Option<f64>,
}

impl CompactionSettingsInput {
    /// Writes what was sent over `settings`.
    pub fn apply(self, settings: &mut CompactionSettings) {
        if let Some(model) = self.model.change() {
            settings.model = model;
        }
        if let Some(model_settings) = self.model_settings.change() {
            settings.model_settings = model_settings.map(ModelSettings::with_defaults);
        }
        if let Some(prompt) = self.prompt.change() {
            settings.prompt = prompt;
        }
        if let Some(clip_chars) = self.clip_chars.change() {
            settings.clip_chars = clip_chars;
        }
        settings.prompt_acknowledgement = self.prompt_acknowledgement.unwrap_or(settings.prompt_acknowledgement);
        settings.mode = self.mode.unwrap_or(settings.mode);
        settings.sliding_window_percentage =
            self.sliding_window_percentage.unwrap_or(settings.sliding_window_percentage);
    }
}

/// What one compaction did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompactionStats {
    /// Why it happened: `context_window_exceeded`, `post_step_context_check`, …
    pub trigger: String,
    /// The tokens in the context before.
    pub context_tokens_before: Option<i64>,
    /// The tokens in the context after, as estimated.
    pub context_tokens_after: Option<i64>,
    /// The tokens that fit.
    pub context_window: i64,
    /// The messages in the context before.
    pub messages_count_before: i64,
    /// The messages in the context after.
    pub messages_count_after: i64,
}

/// The answer to a request to compact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CompactionResponse {
    /// The summary that stands for the removed messages.
    pub summary: String,
    /// The messages in the context before.
    pub num_messages_before: i64,
    /// The messages in the context after.
    pub num_messages_after: i64,
}
