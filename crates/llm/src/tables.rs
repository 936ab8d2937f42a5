//! What is known of well-known models without asking: context windows, answer limits, old handle names.
//!
//! Most services list their models without sizes. The numbers are those of the providers' model pages.

use crate::provider::ProviderKind;

/// What a model of unknown size is taken to hold.
pub(crate) const DEFAULT_CONTEXT_WINDOW: i64 = 30_000;
/// The answer limit of a model of which nothing else is known.
pub(crate) const DEFAULT_MAX_TOKENS: i64 = 16_384;

/// The context window of a model: by its id, else by the last part of its path in lower case.
pub(crate) fn context_window(model: &str) -> Option<i64> {
    by_exact_id(model).or_else(|| {
        let name = model.rsplit('/').next().unwrap_or(model).to_ascii_lowercase();
        by_exact_id(&name).or_else(|| by_family(&name))
    })
}

fn by_exact_id(model: &str) -> Option<i64> {
    Some(match model {
        "gpt-4" | "gpt-4-0613" | "gpt-4-0314" => 8_192,
        "gpt-3.5-turbo" => 16_385,
        "gpt-3.5-turbo-0613" | "gpt-3.5-turbo-0301" => 4_096,
        "gpt-5.2-chat-latest" => 128_000,
        "gpt-5.4-mini" | "gpt-5.4-nano" => 400_000,
        "gpt-5.4" | "gpt-5.4-fast" | "gpt-5.4-2026-03-05" => 1_050_000,
        "deepseek-chat" | "deepseek-reasoner" => 64_000,
        "glm-4.5" => 128_000,
        "glm-4.6" | "glm-4.7" | "glm-5" | "glm-5-code" => 180_000,
        "kimi-k2.5" | "kimi-k2-0905" => 262_144,
        "kimi-k2-thinking" => 256_000,
        "gemini-pro-vision" => 12_288,
        _ => return None,
    })
}

/// The first prefix that fits, the longer ones before the shorter.
fn by_family(name: &str) -> Option<i64> {
    const FAMILIES: &[(&str, i64)] = &[
        ("gpt-5", 272_000),
        ("gpt-4.1", 1_047_576),
        ("gpt-4.5-preview", 128_000),
        ("chatgpt-4o", 128_000),
        ("gpt-4o", 128_000),
        ("gpt-4-turbo", 128_000),
        ("gpt-4-0125-preview", 128_000),
        ("gpt-4-1106-preview", 128_000),
        ("gpt-4-32k", 32_768),
        ("gpt-3.5-turbo", 16_385),
        ("o1", 200_000),
        ("o3", 200_000),
        ("o4-mini", 200_000),
        ("gemini-1.5-pro", 2_000_000),
        ("gemini-1.5-flash", 1_000_000),
        ("gemini-2.", 1_048_576),
        ("gemini-3", 1_048_576),
    ];
    FAMILIES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|&(_, tokens)| tokens)
}

/// The answer limit that a new agent gets on a hosted model.
pub(crate) fn max_tokens(model: &str) -> i64 {
    let long = ["gpt-5.2", "gpt-5.3", "gpt-5.4"].iter().any(|prefix| model.starts_with(prefix));
    if long && !model.contains("-chat") {
        return 128_000;
    }
    // These refuse to be asked for more.
    let short = ["gpt-4-turbo", "gpt-4-0125", "gpt-4-1106", "gpt-4o-2024-05-13", "gpt-3.5-turbo"];
    if model == "gpt-4" || model.starts_with("gpt-4-0") || short.iter().any(|prefix| model.starts_with(prefix)) {
        return 4_096;
    }
    DEFAULT_MAX_TOKENS
}

/// OpenAI's embedding models and the length of their vectors.
pub(crate) const OPENAI_EMBEDDINGS: [(&str, i64); 3] =
    [("text-embedding-ada-002", 1_536), ("text-embedding-3-small", 1_536), ("text-embedding-3-large", 3_072)];

/// The length of the vectors of a well-known embedding model.
pub(crate) fn embedding_dimensions(model: &str) -> Option<i64> {
    let name = model.rsplit('/').next().unwrap_or(model);
    OPENAI_EMBEDDINGS.iter().find(|(known, _)| *known == name).map(|&(_, dimensions)| dimensions)
}

/// Whether OpenAI's own listing entry is a chat model that agents can use.
pub(crate) fn is_openai_chat_model(id: &str) -> bool {
    const FAMILIES: [&str; 5] = ["gpt-4", "gpt-5", "o1", "o3", "o4"];
    const OTHER_USES: [&str; 9] =
        ["transcribe", "search", "realtime", "tts", "audio", "computer", "o1-mini", "o1-preview", "o1-pro"];
    FAMILIES.iter().any(|family| id.starts_with(family)) && !OTHER_USES.iter().any(|word| id.contains(word))
}

/// The part of the handle after the provider, where it differs from the model's id. Stored agents use these.
pub(crate) fn handle_name<'a>(provider: &str, model: &'a str) -> &'a str {
    renamed(provider).iter().find(|(id, _)| *id == model).map_or(model, |(_, handle)| handle)
}

/// The model's id behind the part of a handle after the provider.
pub(crate) fn model_name<'a>(provider: &str, handle: &'a str) -> &'a str {
    renamed(provider).iter().find(|(_, known)| *known == handle).map_or(handle, |(id, _)| id)
}

/// Model ids and the names that handles have for them.
fn renamed(provider: &str) -> &'static [(&'static str, &'static str)] {
    match provider {
        "openai" => &[
            ("chatgpt-4o-latest", "chatgpt-4o"),
            ("gpt-3.5-turbo-0125", "gpt-3.5-turbo-jan"),
            ("gpt-3.5-turbo-1106", "gpt-3.5-turbo-nov"),
            ("gpt-4-0125-preview", "gpt-4-preview-jan"),
            ("gpt-4-0613", "gpt-4-june"),
            ("gpt-4-1106-preview", "gpt-4-preview-nov"),
            ("gpt-4-turbo-2024-04-09", "gpt-4-turbo-apr"),
            ("gpt-4o-2024-05-13", "gpt-4o-may"),
            ("gpt-4o-2024-08-06", "gpt-4o-aug"),
            ("gpt-4o-mini-2024-07-18", "gpt-4o-mini-jul"),
        ],
        "together" => &[
            ("Qwen/Qwen2.5-72B-Instruct-Turbo", "qwen-2.5-72b-instruct"),
            ("meta-llama/Llama-3-70b-chat-hf", "llama-3-70b"),
            ("meta-llama/Meta-Llama-3-70B-Instruct-Turbo", "llama-3-70b-instruct"),
            ("meta-llama/Meta-Llama-3.1-405B-Instruct-Turbo", "llama-3.1-405b-instruct"),
            ("meta-llama/Meta-Llama-3.1-70B-Instruct-Turbo", "llama-3.1-70b-instruct"),
            ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama-3.3-70b-instruct"),
            ("mistralai/Mistral-7B-Instruct-v0.2", "mistral-7b-instruct-v2"),
            ("mistralai/Mistral-7B-Instruct-v0.3", "mistral-7b-instruct-v3"),
            ("mistralai/Mixtral-8x22B-Instruct-v0.1", "mixtral-8x22b-instruct"),
            ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b-instruct"),
            ("mistralai/Mixtral-8x7B-v0.1", "mixtral-8x7b"),
            ("NousResearch/Nous-Hermes-2-Mixtral-8x7B-DPO", "hermes-2-mixtral"),
        ],
        _ => &[],
    }
}

/// OpenAI's reasoning models, which take other parameters and do not show what they think.
pub(crate) fn is_openai_reasoning(model: &str) -> bool {
    ["o1", "o3", "o4", "gpt-5"].iter().any(|family| model.starts_with(family))
}

/// Whether a model may read images: true unless it is one of those that are known to read text only, because asking one
/// that does not is refused as a whole.
pub(crate) fn reads_images(kind: ProviderKind, model: &str) -> bool {
    const OF_OPENAI: [&str; 7] = ["gpt-3.5", "gpt-4-0", "gpt-4-1106", "gpt-4-32k", "o1-mini", "o1-preview", "o3-mini"];
    match kind {
        ProviderKind::DeepSeek => false,
        ProviderKind::Xai => !(model.starts_with("grok-3") || model.starts_with("grok-code")),
        kind if kind.is_local() => true,
        _ => model != "gpt-4" && !OF_OPENAI.iter().any(|text_only| model.starts_with(text_only)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_of_well_known_models() {
        for (model, window) in [
            ("gpt-4o-mini", 128_000),
            ("gpt-4", 8_192),
            ("gpt-4.1-nano", 1_047_576),
            ("gpt-5-mini", 272_000),
            ("gpt-5.4", 1_050_000),
            ("gpt-5.4-nano", 400_000),
            ("gpt-5.2-chat-latest", 128_000),
            ("o3-mini", 200_000),
            ("gpt-3.5-turbo-0613", 4_096),
            ("deepseek-ai/DeepSeek-Chat", 64_000),
        ] {
            assert_eq!(context_window(model), Some(window), "{model}");
        }
        assert_eq!(context_window("somebody/unheard-of"), None);
        assert_eq!((max_tokens("gpt-4o-mini"), max_tokens("gpt-5"), max_tokens("gpt-5.2")), (16_384, 16_384, 128_000));
    }

    #[test]
    fn models_read_images_unless_they_are_known_not_to() {
        for model in ["gpt-4o", "gpt-4-turbo", "gpt-4.1", "o1", "o3", "gpt-5", "unheard-of"] {
            assert!(reads_images(ProviderKind::OpenAi, model), "{model}");
        }
        for model in ["gpt-3.5-turbo", "gpt-4", "gpt-4-0613", "o1-mini", "o3-mini"] {
            assert!(!reads_images(ProviderKind::OpenAi, model), "{model}");
            assert!(reads_images(ProviderKind::Ollama, model), "{model}");
        }
        assert!(!reads_images(ProviderKind::DeepSeek, "deepseek-chat"));
        assert!(!reads_images(ProviderKind::Xai, "grok-3-mini") && reads_images(ProviderKind::Xai, "grok-4"));
    }

    #[test]
    fn openais_list_is_narrowed_to_chat_models() {
        assert!(is_openai_chat_model("gpt-4o-mini"));
        for other in ["whisper-1", "gpt-4o-realtime-preview", "o1-mini", "gpt-4o-audio-preview", "gpt-3.5-turbo"] {
            assert!(!is_openai_chat_model(other), "{other}");
        }
    }
}
