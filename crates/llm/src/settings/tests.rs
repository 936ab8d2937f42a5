use super::*;

fn read(variables: &[(&str, &str)]) -> Result<LlmSettings, SettingsError> {
    LlmSettings::from_env(|name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

fn names(settings: &LlmSettings) -> Vec<&str> {
    settings.providers.iter().map(|provider| provider.name.as_str()).collect()
}

const OFF: (&str, &str) = ("MUISTI_DISCOVER_LOCAL", "false");

#[test]
fn nothing_set_looks_for_local_servers_only() {
    let settings = read(&[]).unwrap();
    assert_eq!(names(&settings), ["ollama", "llamacpp"]);
    assert!(settings.providers.iter().all(|provider| provider.discovered && provider.api_key.is_none()));
    assert!(read(&[OFF]).unwrap().providers.is_empty());
}

#[test]
fn an_openai_key_enables_openai_itself() {
    let settings = read(&[OFF, ("OPENAI_API_KEY", " sk-1\n")]).unwrap();
    let openai = &settings.providers[0];
    assert_eq!(openai.base_url.api(), "https://api.openai.com/v1");
    assert_eq!(openai.api_key.as_ref().unwrap().expose(), "sk-1");
    assert!(openai.alias_prefixes.is_empty());
}

#[test]
fn a_base_url_in_openais_place_needs_no_key_and_has_two_prefixes() {
    let settings = read(&[OFF, ("OPENAI_API_BASE", "http://localhost:4000/")]).unwrap();
    let openai = &settings.providers[0];
    assert_eq!(openai.base_url.api(), "http://localhost:4000/v1");
    assert_eq!(openai.name, "openai");
    assert_eq!(openai.alias_prefixes, ["openai-proxy"]);
    assert!(openai.api_key.is_none());
    assert!(read(&[OFF, ("OPENAI_API_BASE", "https://api.openai.com")]).unwrap().providers.is_empty());
}

#[test]
fn a_variable_set_to_nothing_counts_as_not_set() {
    assert!(read(&[OFF, ("OPENAI_API_KEY", ""), ("OLLAMA_BASE_URL", " ")]).unwrap().providers.is_empty());
}

#[test]
fn a_configured_local_server_is_not_looked_for_again() {
    let settings = read(&[("OLLAMA_BASE_URL", "http://gpu:11434/v1"), ("LLAMACPP_BASE_URL", "gpu:8080")]).unwrap();
    assert_eq!(names(&settings), ["ollama", "llamacpp"]);
    assert!(settings.providers.iter().all(|provider| !provider.discovered));
    assert_eq!(settings.providers[0].base_url.root(), "http://gpu:11434");
}

#[test]
fn handle_bases_replace_the_prefix() {
    let settings = read(&[OFF, ("VLLM_API_BASE", "http://gpu:8000"), ("VLLM_HANDLE_BASE", "lab")]).unwrap();
    assert_eq!(names(&settings), ["lab"]);
    assert!(read(&[("VLLM_API_BASE", "http://gpu"), ("VLLM_HANDLE_BASE", "a/b")]).is_err());
}

#[test]
fn several_named_providers_stand_side_by_side() {
    let list = r#"[{"name": "lab", "base_url": "http://lab:8000/v1/", "api_key": "k", "context_window": 32768,
                    "models": ["a", {"name": "b", "context_window": 8}]},
                   {"name": "den", "base_url": "http://den:1", "api_key_env": "DEN_KEY", "type": "vllm"}]"#;
    let settings = read(&[OFF, ("MUISTI_PROVIDERS", list), ("DEN_KEY", "secret")]).unwrap();
    assert_eq!(names(&settings), ["lab", "den"]);
    let [lab, den] = settings.providers.as_slice() else { panic!("two providers") };
    assert_eq!((lab.kind, den.kind), (ProviderKind::Compatible, ProviderKind::Vllm));
    assert_eq!(lab.models[1].context_window, Some(8));
    assert_eq!(lab.base_url.api(), "http://lab:8000/v1");
    assert_eq!(den.api_key.as_ref().unwrap().expose(), "secret");

    let object = r#"{"lab": {"base_url": "http://lab:8000"}}"#;
    assert_eq!(names(&read(&[OFF, ("MUISTI_PROVIDERS", object)]).unwrap()), ["lab"]);
}

#[test]
fn what_cannot_be_read_says_where_and_never_shows_a_key() {
    for (text, expected) in [
        ("[", "not valid JSON at line 1"),
        ("3", "expected a list"),
        (r#"[{"base_url": "http://a"}]"#, "provider 1 has no name"),
        (r#"[{"name": "a b", "base_url": "http://a"}]"#, "'a b' cannot be a provider name"),
        (r#"[{"name": "a"}]"#, "missing field `base_url`"),
        (r#"[{"name": "a", "base_url": "ftp://a"}]"#, "'ftp://a' is not"),
        (r#"[{"name": "a", "base_url": "http://a", "url": 1}]"#, "unknown field `url`"),
        (r#"[{"name": "a", "base_url": "http://a", "type": "claude"}]"#, "unknown type 'claude'"),
        (r#"[{"name": "a", "base_url": "http://a", "context_window": 0}]"#, "context_window must be"),
        (r#"[{"name": "a", "base_url": "http://a", "api_key_env": "NO"}]"#, "'NO', which is not set"),
        (r#"[{"name": "openai", "base_url": "http://a"}, {"name": "openai", "base_url": "http://b"}]"#, "used twice"),
        (r#"[{"name": "muisti", "base_url": "http://a"}]"#, "used twice"),
    ] {
        let error = read(&[OFF, ("MUISTI_PROVIDERS", text)]).unwrap_err().to_string();
        assert!(error.starts_with("MUISTI_PROVIDERS: ") && error.contains(expected), "{text}: {error}");
    }
    let settings = read(&[OFF, ("OPENAI_API_KEY", "sk-very-secret")]).unwrap();
    assert!(!format!("{settings:?}").contains("very-secret"));
}

#[test]
fn timeouts_are_read_and_checked() {
    let settings = read(&[OFF, ("LETTA_LLM_REQUEST_TIMEOUT_SECONDS", "90")]).unwrap();
    assert_eq!(settings.timeouts.first_byte, Duration::from_secs(90));
    assert_eq!(settings.timeouts.idle, Duration::from_secs(300));
    assert!(read(&[("LETTA_LLM_REQUEST_TIMEOUT_SECONDS", "soon")]).is_err());
}
