//! Changes to an agent.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::{
    BlockId, CompactionSettingsInput, EmbeddingConfig, IdentityId, LlmConfig, MessageId, ModelSettings, ResponseFormat,
    SourceId, StopReason, Timestamp, ToolId, ToolRule, de,
};

update! {
    /// Changes to an agent. Null changes nothing, but for `max_tokens`.
    UpdateAgent {
        /// The name.
        name: String,
        /// Its tools; replaced as a whole.
        tool_ids: Vec<ToolId>,
        /// Its folders; `folder_ids` wins. Replaced as a whole.
        source_ids: Vec<SourceId>,
        /// Its folders; replaced as a whole.
        folder_ids: Vec<SourceId>,
        /// Its blocks; replaced as a whole.
        block_ids: Vec<BlockId>,
        /// Words to find it by; replaced as a whole.
        tags: Vec<String>,
        /// The system prompt.
        system: String,
        /// The rules for its tools; replaced as a whole.
        tool_rules: Vec<ToolRule>,
        /// The messages that the model sees, oldest first.
        message_ids: Vec<MessageId>,
        /// What it is for.
        description: String,
        /// Data of the client's own; replaced as a whole.
        metadata: Map<String, Value>,
        /// The environment variables of its tools; `secrets` wins. Replaced as a whole.
        tool_exec_environment_variables: BTreeMap<String, String>,
        /// The environment variables of its tools; replaced as a whole.
        secrets: BTreeMap<String, String>,
        /// The project that it belongs to.
        project_id: String,
        /// The template that it was made from.
        template_id: String,
        /// The template that this template was made from.
        base_template_id: String,
        /// Whom it works for; replaced as a whole.
        identity_ids: Vec<IdentityId>,
        /// Whether it forgets the conversation after each request.
        message_buffer_autoclear: bool,
        /// The handle of the chat model: `provider/model`.
        model: String,
        /// The handle of the embedding model: `provider/model`.
        embedding: String,
        /// The chat model's parameters; only what is sent changes.
        model_settings: ModelSettings,
        /// How its conversation is shortened; only what is sent changes.
        compaction_settings: CompactionSettingsInput,
        /// How many tokens fit into one call.
        context_window_limit: i64,
        /// Whether a model that can think does, and others say their thoughts.
        reasoning: bool,
        /// The chat model, in full; wins over `model`.
        llm_config: LlmConfig [deserialize_with = "de::strict_patch"],
        /// The embedding model, in full; `embedding` wins.
        embedding_config: EmbeddingConfig [deserialize_with = "de::strict_patch"],
        /// Whether the model may call several tools at once.
        parallel_tool_calls: bool,
        /// The form that its answers have.
        response_format: ResponseFormat,
        /// How many tokens an answer may have; null removes the limit.
        max_tokens: i64,
        /// Whether a background agent tends its memory.
        enable_sleeptime: bool,
        /// When its last run ended.
        last_run_completion: Timestamp,
        /// How long its last run took, in milliseconds.
        last_run_duration_ms: i64,
        /// Why its last run stopped.
        last_stop_reason: StopReason [deserialize_with = "de::known_patch"],
        /// The time zone in which it tells the time: an IANA name.
        timezone: String,
        /// How many files it may have open.
        max_files_open: i64,
        /// How many characters of each open file it sees.
        per_file_view_window_char_limit: i64,
        /// Whether lists leave it out.
        hidden: bool,
    }
}
