use super::*;
use crate::http::BaseUrl;
use serde_json::json;

fn settings(kind: ProviderKind, url: &str) -> ProviderSettings {
    ProviderSettings::new(kind, BaseUrl::parse(url).unwrap())
}

fn entry(value: Value) -> Entry {
    serde_json::from_value(value).unwrap()
}

#[test]
fn gpt_4o_mini_has_its_documented_size() {
    let model = describe(&settings(ProviderKind::OpenAi, "https://api.openai.com/v1"), "gpt-4o-mini");
    assert_eq!(
        (model.handle.as_str(), model.context_window, model.max_tokens),
        ("openai/gpt-4o-mini", 128_000, Some(16_384))
    );
    assert_eq!(model.frequency_penalty, Some(1.0));
    assert!(model.aliases.is_empty());
}

#[test]
fn a_server_in_openais_place_is_listed_by_the_stored_agents_handle_and_resolves_by_both() {
    let model = describe(&settings(ProviderKind::OpenAi, "http://127.0.0.1:9"), "gpt-4o-mini");
    assert_eq!(model.handle, "openai-proxy/gpt-4o-mini");
    assert_eq!(model.aliases, ["openai/gpt-4o-mini"]);
    assert_eq!(model.context_window, 128_000);
}

#[test]
fn renamed_models_are_found_by_their_handle_and_by_their_name() {
    let openai = settings(ProviderKind::OpenAi, "https://api.openai.com/v1");
    let model = describe(&openai, "gpt-4o-aug");
    assert_eq!((model.name.as_str(), model.handle.as_str()), ("gpt-4o-2024-08-06", "openai/gpt-4o-aug"));
    assert_eq!(model.aliases, ["openai/gpt-4o-2024-08-06"]);
}

#[test]
fn llama_cpps_files_get_a_handle_one_can_type() {
    let llama = settings(ProviderKind::LlamaCpp, "http://127.0.0.1:8080");
    let model = describe(&llama, "/models/Qwen2.5-7B.Q4_K_M.gguf");
    assert_eq!(model.handle, "llamacpp/Qwen2.5-7B.Q4_K_M");
    assert!(model.aliases.contains(&"llamacpp//models/Qwen2.5-7B.Q4_K_M.gguf".to_owned()));
}

#[test]
fn every_services_word_for_the_context_is_read() {
    for (key, value) in [
        ("max_model_len", json!(4096)),
        ("context_length", json!(4096.0)),
        ("context_window", json!(4096)),
        ("max_context_length", json!(4096)),
        ("meta", json!({"n_ctx_train": 4096})),
    ] {
        assert_eq!(entry(json!({"id": "m", key: value})).tokens(), Some(4096), "{key}");
    }
    assert_eq!(entry(json!({"id": "m", "max_model_len": null})).tokens(), None);
}

#[test]
fn the_answer_limit_leaves_room_for_the_prompt() {
    let small = ProviderSettings { context_window: Some(4_096), ..settings(ProviderKind::Compatible, "http://h") };
    assert_eq!(describe(&small, "m").max_tokens, Some(2_048));
    let vllm = settings(ProviderKind::Vllm, "http://h");
    let found = Found { name: "m".to_owned(), context_window: Some(32_768), ..Found::default() };
    assert_eq!(info(&vllm, found).max_tokens, Some(4_096));
}

#[test]
fn what_is_configured_comes_before_what_the_server_says() {
    let model = ModelSetting { name: "b".to_owned(), context_window: Some(8_000), max_tokens: Some(100) };
    let lab = ProviderSettings {
        context_window: Some(32_000),
        models: vec![model],
        ..settings(ProviderKind::Compatible, "http://h")
    };
    let found = |name: &str| info(&lab, Found { name: name.to_owned(), context_window: Some(1), ..Found::default() });
    assert_eq!(found("a").context_window, 32_000);
    assert_eq!((found("b").context_window, found("b").max_tokens), (8_000, Some(100)));
}

#[test]
fn well_known_embedding_models_resolve_only_where_they_may_be() {
    let dimensions = |kind, model| describe_embedding(&settings(kind, "http://h"), model).map(|m| m.dimensions);
    assert_eq!(dimensions(ProviderKind::OpenAi, "text-embedding-3-small"), Some(1_536));
    assert_eq!(dimensions(ProviderKind::OpenAi, "nomic"), None);
    assert_eq!(dimensions(ProviderKind::Groq, "text-embedding-3-small"), None);
}
