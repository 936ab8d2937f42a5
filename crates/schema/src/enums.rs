//! The string enums of the API.

use std::str::FromStr;

/// Why a text is not one of the values that it may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Invalid {kind} '{value}'. Must be one of: {}", expected.join(", "))]
pub struct UnknownValue {
    /// What the value is, as a field is called: `tool_type`, `role`, …
    pub kind: &'static str,
    /// What was given.
    pub value: String,
    /// What may be given.
    pub expected: &'static [&'static str],
}

impl UnknownValue {
    /// An error that names the values of `E`.
    #[must_use]
    pub fn new<E: WireEnum>(value: &str) -> Self {
        Self { kind: E::KIND, value: value.to_owned(), expected: E::TEXTS }
    }
}

/// What the string enums have in common.
pub trait WireEnum: Copy + Eq + FromStr<Err = UnknownValue> + 'static {
    /// What error messages call the value.
    const KIND: &'static str;
    /// Every value that a request may name, in the order of the API document.
    const ALL: &'static [Self];
    /// The texts of [`Self::ALL`].
    const TEXTS: &'static [&'static str];

    /// The text on the wire and in the database.
    fn as_str(self) -> &'static str;
}

wire_enum! {
    /// What an agent is built to do: which prompt, tools and loop it gets.
    open enum AgentType ("AgentType", "agent_type") {
        MemgptAgent = "memgpt_agent",
        MemgptV2Agent = "memgpt_v2_agent",
        LettaV1Agent = "letta_v1_agent",
        ReactAgent = "react_agent",
        WorkflowAgent = "workflow_agent",
        SplitThreadAgent = "split_thread_agent",
        SleeptimeAgent = "sleeptime_agent",
        VoiceConvoAgent = "voice_convo_agent",
        VoiceSleeptimeAgent = "voice_sleeptime_agent",
    }

    /// Why a run stopped.
    open enum StopReason ("StopReasonType", "stop_reason") {
        EndTurn = "end_turn",
        Error = "error",
        LlmApiError = "llm_api_error",
        InvalidLlmResponse = "invalid_llm_response",
        InvalidToolCall = "invalid_tool_call",
        MaxSteps = "max_steps",
        MaxTokensExceeded = "max_tokens_exceeded",
        NoToolCall = "no_tool_call",
        ToolRule = "tool_rule",
        Cancelled = "cancelled",
        InsufficientCredits = "insufficient_credits",
        RequiresApproval = "requires_approval",
        ContextWindowOverflowInSystemPrompt = "context_window_overflow_in_system_prompt",
    }

    /// Where a tool comes from, which decides how it is executed.
    open enum ToolType ("ToolType", "tool_type") {
        Custom = "custom",
        LettaCore = "letta_core",
        LettaMemoryCore = "letta_memory_core",
        LettaMultiAgentCore = "letta_multi_agent_core",
        LettaSleeptimeCore = "letta_sleeptime_core",
        LettaVoiceSleeptimeCore = "letta_voice_sleeptime_core",
        LettaBuiltin = "letta_builtin",
        LettaFilesCore = "letta_files_core",
        ExternalLangchain = "external_langchain",
        ExternalComposio = "external_composio",
        ExternalMcp = "external_mcp",
    }

    /// The kind of service that offers models. `muisti` is the built-in test provider.
    open enum ProviderType ("ProviderType", "provider_type") {
        Anthropic = "anthropic",
        Azure = "azure",
        Baseten = "baseten",
        Bedrock = "bedrock",
        Cerebras = "cerebras",
        ChatgptOauth = "chatgpt_oauth",
        Deepseek = "deepseek",
        Fireworks = "fireworks",
        GoogleAi = "google_ai",
        GoogleVertex = "google_vertex",
        Groq = "groq",
        HuggingFace = "hugging-face",
        Letta = "letta",
        LmstudioOpenai = "lmstudio_openai",
        Minimax = "minimax",
        Mistral = "mistral",
        Ollama = "ollama",
        Openai = "openai",
        Together = "together",
        Vllm = "vllm",
        Sglang = "sglang",
        Openrouter = "openrouter",
        Xai = "xai",
        Zai = "zai",
        ZaiCoding = "zai_coding",
        Muisti = "muisti",
    }

    /// The protocol that a chat model's endpoint speaks. `muisti` is the built-in test provider.
    open enum ModelEndpointType ("ModelEndpointType", "model_endpoint_type") {
        Openai = "openai",
        Anthropic = "anthropic",
        GoogleAi = "google_ai",
        GoogleVertex = "google_vertex",
        Azure = "azure",
        Groq = "groq",
        Ollama = "ollama",
        Webui = "webui",
        WebuiLegacy = "webui-legacy",
        Lmstudio = "lmstudio",
        LmstudioLegacy = "lmstudio-legacy",
        LmstudioChatcompletions = "lmstudio-chatcompletions",
        Llamacpp = "llamacpp",
        Koboldcpp = "koboldcpp",
        Vllm = "vllm",
        HuggingFace = "hugging-face",
        Minimax = "minimax",
        Mistral = "mistral",
        Together = "together",
        Bedrock = "bedrock",
        Deepseek = "deepseek",
        Xai = "xai",
        Zai = "zai",
        ZaiCoding = "zai_coding",
        Baseten = "baseten",
        Fireworks = "fireworks",
        Openrouter = "openrouter",
        ChatgptOauth = "chatgpt_oauth",
        Muisti = "muisti",
    }

    /// The protocol that an embedding model's endpoint speaks.
    open enum EmbeddingEndpointType ("EmbeddingEndpointType", "embedding_endpoint_type") {
        Openai = "openai",
        Anthropic = "anthropic",
        Bedrock = "bedrock",
        GoogleAi = "google_ai",
        GoogleVertex = "google_vertex",
        Azure = "azure",
        Groq = "groq",
        Ollama = "ollama",
        Webui = "webui",
        WebuiLegacy = "webui-legacy",
        Lmstudio = "lmstudio",
        LmstudioLegacy = "lmstudio-legacy",
        Llamacpp = "llamacpp",
        Koboldcpp = "koboldcpp",
        Vllm = "vllm",
        HuggingFace = "hugging-face",
        Mistral = "mistral",
        Together = "together",
        Pinecone = "pinecone",
    }

    /// How the agents of a group take turns.
    open enum ManagerType ("ManagerType", "manager_type") {
        RoundRobin = "round_robin",
        Supervisor = "supervisor",
        Dynamic = "dynamic",
        Sleeptime = "sleeptime",
        VoiceSleeptime = "voice_sleeptime",
        Swarm = "swarm",
    }

    /// Whom an identity stands for.
    open enum IdentityType ("IdentityType", "identity_type") {
        Org = "org",
        User = "user",
        Other = "other",
    }

    /// Where the vectors of an archive or a folder are kept.
    open enum VectorDbProvider ("VectorDBProvider", "vector_db_provider") {
        Native = "native",
        Tpuf = "tpuf",
        Pinecone = "pinecone",
    }
}

wire_enum! {
    /// Who a stored message comes from.
    closed enum MessageRole ("MessageRole", "role") {
        Assistant = "assistant",
        User = "user",
        Tool = "tool",
        Function = "function",
        System = "system",
        Approval = "approval",
        Summary = "summary",
    }

    /// How far a run has come.
    closed enum RunStatus ("RunStatus", "status") {
        Created = "created",
        Running = "running",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
    }

    /// How far a step has come.
    closed enum StepStatus ("StepStatus", "status") {
        Pending = "pending",
        Success = "success",
        Failed = "failed",
        Cancelled = "cancelled",
    }

    /// How far a job has come.
    closed enum JobStatus ("JobStatus", "status") {
        Created = "created",
        Running = "running",
        Completed = "completed",
        Failed = "failed",
        Pending = "pending",
        Cancelled = "cancelled",
        Expired = "expired",
    }

    /// What a job does.
    closed enum JobType ("JobType", "job_type") {
        Job = "job",
        Run = "run",
        Batch = "batch",
    }

    /// What a user thinks of a step.
    closed enum FeedbackType ("FeedbackType", "feedback") {
        Positive = "positive",
        Negative = "negative",
    }

    /// Whether a provider belongs to the server (`base`) or was added with the organization's own key (`byok`).
    closed enum ProviderCategory ("ProviderCategory", "provider_category") {
        Base = "base",
        Byok = "byok",
    }

    /// The type of an identity's property.
    closed enum IdentityPropertyType ("IdentityPropertyType", "type") {
        String = "string",
        Number = "number",
        Boolean = "boolean",
        Json = "json",
    }

    /// What to do with an uploaded file whose name is taken.
    closed enum DuplicateFileHandling ("DuplicateFileHandling", "duplicate_handling") {
        Skip = "skip",
        Error = "error",
        Suffix = "suffix",
        Replace = "replace",
    }

    /// How far a file has been processed.
    closed enum FileProcessingStatus ("FileProcessingStatus", "processing_status") {
        Pending = "pending",
        Parsing = "parsing",
        Embedding = "embedding",
        Completed = "completed",
        Error = "error",
    }

    /// How much a reasoning model thinks.
    closed enum ReasoningEffort ("ReasoningEffort", "reasoning_effort") {
        None = "none",
        Minimal = "minimal",
        Low = "low",
        Medium = "medium",
        High = "high",
        Xhigh = "xhigh",
    }

    /// How much work an Anthropic model puts into an answer.
    closed enum Effort ("Effort", "effort") {
        Low = "low",
        Medium = "medium",
        High = "high",
        Max = "max",
    }

    /// How wordy a model's answers are.
    closed enum Verbosity ("Verbosity", "verbosity") {
        Low = "low",
        Medium = "medium",
        High = "high",
    }

    /// The file format of a local model.
    closed enum CompatibilityType ("CompatibilityType", "compatibility_type") {
        Gguf = "gguf",
        Mlx = "mlx",
    }

    /// Whether a model thinks before it answers.
    closed enum ThinkingType ("ThinkingType", "type") {
        Enabled = "enabled",
        Disabled = "disabled",
    }

    /// How a conversation that has grown too long is shortened.
    closed enum CompactionMode ("CompactionMode", "mode") {
        All = "all",
        SlidingWindow = "sliding_window",
        SelfCompactAll = "self_compact_all",
        SelfCompactSlidingWindow = "self_compact_sliding_window",
    }

    /// How a tool search ranks.
    closed enum ToolSearchMode ("ToolSearchMode", "search_mode") {
        Vector = "vector",
        Fts = "fts",
        Hybrid = "hybrid",
    }

    /// Whether a passage needs one of the tags that are asked for, or all of them.
    closed enum TagMatchMode ("TagMatchMode", "tag_match_mode") {
        Any = "any",
        All = "all",
    }

    /// How the execution of a tool ended.
    closed enum ToolStatus ("ToolStatus", "status") {
        Success = "success",
        Error = "error",
    }
}

impl RunStatus {
    /// The states of a run that has not ended.
    pub const GOING: [Self; 2] = [Self::Created, Self::Running];

    /// Whether a run in this state has not ended.
    #[must_use]
    pub fn is_going(self) -> bool {
        Self::GOING.contains(&self)
    }
}

#[expect(clippy::derivable_impls, reason = "a macro declares the enum")]
impl Default for CompactionMode {
    fn default() -> Self {
        Self::SlidingWindow
    }
}

#[expect(clippy::derivable_impls, reason = "a macro declares the enum")]
impl Default for AgentType {
    fn default() -> Self {
        Self::LettaV1Agent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_enum_reads_anything_but_parses_only_what_it_knows() {
        assert_eq!(serde_json::from_str::<AgentType>("\"letta_v9_agent\"").unwrap(), AgentType::Unknown);
        assert_eq!("letta_v1_agent".parse(), Ok(AgentType::LettaV1Agent));
        assert!("unknown".parse::<AgentType>().is_err());
        assert!(serde_json::from_str::<AgentType>("7").is_err());
    }

    #[test]
    fn an_unknown_value_is_answered_with_the_known_ones() {
        let error = serde_json::from_str::<FeedbackType>("\"meh\"").unwrap_err().to_string();
        assert!(error.contains("Invalid feedback 'meh'. Must be one of: positive, negative"), "{error}");
    }
}
