//! The model client against a real server on a real socket, with the faults that servers have.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::time::{Duration, Instant};

use futures::StreamExt;
use muisti_llm::{
    Assembler, BaseUrl, Catalog, ChatAnswer, ChatMessage, ChatRequest, FinishReason, LlmError, LlmErrorKind,
    LlmSettings, OpenAiProvider, Provider, ProviderKind, ProviderSettings, Timeouts,
};
use muisti_testkit::{Answer, Ending, Port, ScriptedCall, ScriptedModel};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn provider_at(kind: ProviderKind, url: &str, timeouts: Timeouts) -> OpenAiProvider {
    OpenAiProvider::new(ProviderSettings::new(kind, BaseUrl::parse(url).unwrap()), timeouts)
}

fn provider(model: &ScriptedModel) -> OpenAiProvider {
    provider_at(ProviderKind::OpenAi, &model.base_url(), Timeouts::default())
}

fn request(stream: bool) -> ChatRequest {
    ChatRequest {
        model: "gpt-4o-mini".to_owned(),
        messages: vec![ChatMessage::user("Hello")],
        stream,
        ..ChatRequest::default()
    }
}

async fn ask(provider: &dyn Provider, request: &ChatRequest) -> Result<ChatAnswer, LlmError> {
    let mut events = provider.chat(request).await?;
    let mut assembler = Assembler::new();
    while let Some(event) = events.next().await {
        assembler.push(&event?);
    }
    assembler.finish(provider.name())
}

async fn fails(answer: Answer, stream: bool) -> LlmError {
    let model = ScriptedModel::start();
    model.always(answer);
    ask(&provider(&model), &request(stream)).await.unwrap_err()
}

/// What an impatient client says to this.
async fn times_out(answer: Answer) -> LlmErrorKind {
    let model = ScriptedModel::start();
    model.always(answer);
    let impatient =
        Timeouts { first_byte: Duration::from_secs(2), idle: Duration::from_millis(400), ..Timeouts::default() };
    let provider = provider_at(ProviderKind::OpenAi, &model.base_url(), impatient);
    ask(&provider, &request(true)).await.unwrap_err().kind
}

#[tokio::test]
async fn stream_and_body_give_the_same_answer_however_they_are_cut() {
    for write_size in [None, Some(1), Some(7)] {
        let mut answers = Vec::new();
        for (stream, as_json) in [(true, false), (false, false), (true, true)] {
            let model = ScriptedModel::start();
            let call = ScriptedCall::new("memory_insert", json!({"label": "human"})).with_id("call_1");
            let mut answer = Answer::text("Grün 🟢, gut.").reasoning("Hm.").and_call(call).usage(7, 5);
            answer.write_size = write_size;
            answer.json = as_json;
            model.push(answer);
            answers.push(ask(&provider(&model), &request(stream)).await.unwrap());
        }
        assert_eq!(answers[0], answers[1]);
        assert_eq!(answers[0], answers[2], "a server that ignores `stream`");
        assert_eq!(answers[0].text.as_deref(), Some("Grün 🟢, gut."));
        assert_eq!(answers[0].tool_calls[0].arguments, r#"{"label":"human"}"#);
        assert_eq!(answers[0].usage.unwrap().total_tokens, 12);
        assert_eq!(answers[0].finish, Some(FinishReason::ToolCalls));
    }
}

#[tokio::test]
async fn without_a_key_there_is_no_authorization_header() {
    let model = ScriptedModel::start();
    ask(&provider(&model), &request(true)).await.unwrap();
    assert_eq!(model.last_request().header("authorization"), None);

    let guarded = ScriptedModel::builder().api_key("sk-right").start();
    let error = ask(&provider(&guarded), &request(true)).await.unwrap_err();
    assert_eq!(error.kind, LlmErrorKind::Authentication);
    assert!(error.to_string().contains("'openai'") && error.to_string().contains("Incorrect API key"), "{error}");
    let mut settings = ProviderSettings::new(ProviderKind::OpenAi, BaseUrl::parse(&guarded.root_url()).unwrap());
    settings.api_key = muisti_llm::settings::Secret::new("sk-right\n");
    assert!(ask(&OpenAiProvider::new(settings, Timeouts::default()), &request(false)).await.is_ok());
}

#[tokio::test]
async fn what_may_be_repeated_is_repeated_and_nothing_else() {
    for status in [408, 429, 500, 502, 503, 504] {
        let model = ScriptedModel::start();
        model.push(Answer::error(status, "not now").header("retry-after-ms", "5"));
        let answer = ask(&provider(&model), &request(true)).await.unwrap();
        assert_eq!((answer.text.as_deref(), model.requests().len()), (Some("Understood."), 2), "{status}");
    }
    for (status, kind) in [
        (400, LlmErrorKind::BadRequest),
        (401, LlmErrorKind::Authentication),
        (402, LlmErrorKind::InsufficientCredits),
        (403, LlmErrorKind::PermissionDenied),
        (404, LlmErrorKind::NotFound),
        (413, LlmErrorKind::ContextOverflow),
        (422, LlmErrorKind::Unprocessable),
    ] {
        let model = ScriptedModel::start();
        model.push(Answer::error(status, "never"));
        let error = ask(&provider(&model), &request(true)).await.unwrap_err();
        assert_eq!((error.kind, error.status, model.requests().len()), (kind, Some(status), 1));
        assert!(error.to_string().contains("never"));
    }
}

#[tokio::test]
async fn repeats_end_and_honour_the_providers_word() {
    let model = ScriptedModel::start();
    model.always(Answer::error(500, "broken").header("retry-after-ms", "5"));
    let error = ask(&provider(&model), &request(true)).await.unwrap_err();
    assert_eq!((error.kind, model.requests().len()), (LlmErrorKind::Server, 3));

    for header in [("x-should-retry", "false"), ("retry-after", "3600")] {
        let model = ScriptedModel::start();
        model.always(Answer::error(429, "later").header(header.0, header.1));
        let error = ask(&provider(&model), &request(true)).await.unwrap_err();
        assert_eq!((error.kind, model.requests().len()), (LlmErrorKind::RateLimit, 1), "{header:?}");
    }
}

#[tokio::test]
async fn a_stream_that_breaks_off_is_said_to_be_broken() {
    for ending in [Ending::Cut, Ending::Unfinished] {
        let error = fails(Answer::tokens(20).ending_after(5, ending), true).await;
        assert_eq!(error.kind, LlmErrorKind::BrokenStream, "{ending:?}");
        assert!(error.to_string().contains("broke off"), "{error}");
    }
    assert_eq!(fails(Answer::text("x").ending(Ending::Cut), false).await.kind, LlmErrorKind::BrokenStream);
    assert_eq!(fails(Answer::tokens(9).broken_frame_at(3), true).await.kind, LlmErrorKind::InvalidResponse);
    assert_eq!(times_out(Answer::tokens(20).ending_after(5, Ending::Hang)).await, LlmErrorKind::Timeout);
    let model = ScriptedModel::start();
    model.push(Answer::text("All of it.").ending(Ending::NoDone));
    assert!(ask(&provider(&model), &request(true)).await.is_ok());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_and_then_given_up() {
    assert_eq!(times_out(Answer::hang()).await, LlmErrorKind::Timeout);
    // A long prefill is no silence, neither before the head of the answer nor after it.
    let idle = Duration::from_secs(1);
    for slow in [Answer::text("x").delay(2 * idle), Answer::text("x").first_chunk_delay(2 * idle)] {
        let model = ScriptedModel::start();
        model.push(slow);
        let timeouts = Timeouts { idle, ..Timeouts::default() };
        let provider = provider_at(ProviderKind::OpenAi, &model.base_url(), timeouts);
        assert!(ask(&provider, &request(true)).await.is_ok());
        assert_eq!(model.requests().len(), 1, "at the first try");
    }
}

#[tokio::test]
async fn an_empty_answer_is_an_error() {
    let error =
        fails(Answer::raw_frames(["data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"]), true).await;
    assert_eq!(error.kind, LlmErrorKind::EmptyResponse);
}

#[tokio::test]
async fn nobody_at_the_address_is_said_with_the_address() {
    let nobody = Port::free();
    let address = format!("127.0.0.1:{}", nobody.number());
    let gone = provider_at(ProviderKind::OpenAi, &address, Timeouts::default());
    let start = Instant::now();
    let error = ask(&gone, &request(true)).await.unwrap_err();
    assert_eq!(error.kind, LlmErrorKind::Connection);
    let text = error.to_string();
    assert!(text.contains(&address) && text.contains("refused"), "{text}");
    for word in ["internal error", "server error", "Connection error", "overloaded", "Request timed out"] {
        assert!(!text.contains(word));
    }
    // Nobody waits for a connection, which would be given up after ten seconds.
    assert!(start.elapsed() < Duration::from_secs(10));
}

/// A server that gives one answer, word for word, to everybody.
async fn says(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = socket.read(&mut head).await;
            let _ = socket.write_all(answer.as_bytes()).await;
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn what_is_no_model_server_is_said_to_be_none() {
    for (answer, kind, words) in [
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n<html>hi</html>", LlmErrorKind::InvalidResponse, "not JSON"),
        ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{\"ok\": true}", LlmErrorKind::InvalidResponse, "no 'choices'"),
        ("HTTP/1.1 404 Not Found\r\nconnection: close\r\n\r\n<!DOCTYPE html>", LlmErrorKind::NotFound, "a web page"),
        (
            "HTTP/1.1 308 Permanent Redirect\r\nlocation: https://x/v1\r\nconnection: close\r\n\r\n",
            LlmErrorKind::NotFound,
            "https://x/v1",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", LlmErrorKind::Connection, "could not reach"),
    ] {
        let provider = provider_at(ProviderKind::Compatible, &says(answer).await, Timeouts::default());
        let error = ask(&provider, &request(true)).await.unwrap_err();
        assert_eq!(error.kind, kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}

#[tokio::test]
async fn sse_under_another_content_type_is_read() {
    let answer = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nconnection: close\r\n\r\n\
                  data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: [DONE]";
    let provider = provider_at(ProviderKind::Compatible, &says(answer).await, Timeouts::default());
    assert_eq!(ask(&provider, &request(true)).await.unwrap().text.as_deref(), Some("Hi"));
}

#[tokio::test]
async fn dropping_the_stream_hangs_up() {
    let model = ScriptedModel::start();
    model.push(Answer::tokens(1000).chunk_delay(Duration::from_millis(20)));
    let mut events = provider(&model).chat(&request(true)).await.unwrap();
    events.next().await.unwrap().unwrap();
    drop(events);
    let start = Instant::now();
    while model.hangups() == 0 {
        assert!(start.elapsed() < Duration::from_secs(60));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn texts_are_embedded_in_order_and_in_batches() {
    let model = ScriptedModel::builder().embedding_dimensions(8).start();
    let provider = provider(&model);
    let texts: Vec<String> = (0..70).map(|n| if n == 3 { String::new() } else { format!("text {n}") }).collect();
    let vectors = provider.embed("text-embedding-3-small", &texts).await.unwrap();
    assert_eq!((vectors.len(), vectors[0].len()), (70, 8));
    let one = provider.embed("text-embedding-3-small", &texts[41..42]).await.unwrap();
    assert_eq!(one[0], vectors[41]);
    assert!(provider.embed("text-embedding-3-small", &[]).await.unwrap().is_empty());
    let sizes: Vec<usize> =
        model.all_requests()[..3].iter().map(|r| r.body["input"].as_array().unwrap().len()).collect();
    assert_eq!(sizes.iter().sum::<usize>(), 70);
}

fn catalog(variables: &[(&str, &str)]) -> Catalog {
    let get = |name: &str| {
        let given = variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        given.or_else(|| (name == "MUISTI_DISCOVER_LOCAL").then(|| "false".to_owned()))
    };
    Catalog::new(&LlmSettings::from_env(get).unwrap())
}

#[tokio::test]
async fn a_base_url_alone_gives_both_handles() {
    let model = ScriptedModel::start();
    for base in
        [model.root_url(), model.base_url(), format!("{}/", model.root_url()), format!("{}/v1/", model.base_url())]
    {
        let catalog = catalog(&[("OPENAI_API_BASE", &base)]);
        for handle in ["openai/gpt-4o-mini", "openai-proxy/gpt-4o-mini"] {
            let (provider, found) = catalog.resolve(handle).await.unwrap();
            assert_eq!((found.handle.as_str(), found.provider_name.as_str()), (handle, "openai"));
            assert_eq!((found.context_window, found.max_tokens), (128_000, Some(16_384)));
            ask(provider.as_ref(), &request(true)).await.unwrap();
        }
        let (_, embedding) = catalog.resolve_embedding("openai/text-embedding-3-small").await.unwrap();
        assert_eq!(embedding.dimensions, 1_536);
        assert!(catalog.resolve("openai/no-such-model").await.is_err());
        let listed: Vec<String> = catalog.list().await.into_iter().map(|model| model.handle).collect();
        assert_eq!(listed, ["openai-proxy/gpt-4o-mini", "openai-proxy/gpt-4o"], "an embedding model is no chat model");
    }
}

#[tokio::test]
async fn several_named_servers_stand_side_by_side() {
    let one = ScriptedModel::builder().models(&["shared", "only-one"]).start();
    let two = ScriptedModel::builder().models(&["shared"]).api_key("k").start();
    let list = json!([{"name": "one", "base_url": one.root_url()},
                      {"name": "two", "base_url": two.base_url(), "api_key": "k", "context_window": 5000}]);
    let catalog = catalog(&[("MUISTI_PROVIDERS", &list.to_string())]);
    let (provider, model) = catalog.resolve("two/shared").await.unwrap();
    assert_eq!((provider.name(), model.context_window), ("two", 5_000));
    assert_eq!(catalog.resolve("one/shared").await.unwrap().0.name(), "one");
    assert_eq!(catalog.resolve("openai-proxy/only-one").await.unwrap().0.name(), "one");
    assert!(catalog.resolve("two/only-one").await.is_err());
    assert!(one.all_requests().iter().all(|request| request.header("authorization").is_none()));
}

#[tokio::test]
async fn local_servers_tell_the_context_they_run_with() {
    let ollama = ScriptedModel::builder().ollama().models(&["qwen3:8b"]).context_window(4_096).start();
    let llama = ScriptedModel::builder().llama_cpp().models(&["tiny.gguf"]).context_window(2_048).start();
    let studio = ScriptedModel::builder().lm_studio().models(&["gemma"]).context_window(8_192).start();
    let catalog = catalog(&[
        ("OLLAMA_BASE_URL", &ollama.base_url()),
        ("LLAMACPP_BASE_URL", &llama.root_url()),
        ("LMSTUDIO_BASE_URL", &studio.base_url()),
    ]);
    for (handle, tokens) in [
        ("ollama/qwen3:8b", 4_096),
        ("llamacpp/tiny", 2_048),
        ("lmstudio_openai/gemma", 8_192),
        ("lmstudio/gemma", 8_192),
    ] {
        assert_eq!(catalog.resolve(handle).await.unwrap().1.context_window, tokens, "{handle}");
    }
}

#[tokio::test]
async fn a_server_that_is_down_at_start_serves_its_handles_by_name() {
    let catalog = catalog(&[("OLLAMA_BASE_URL", "http://127.0.0.1:1")]);
    let (provider, model) = catalog.resolve("ollama/llama3.1:8b").await.unwrap();
    assert_eq!((provider.name(), model.name.as_str()), ("ollama", "llama3.1:8b"));
    let status = catalog.status().await;
    assert_eq!(status[0].error.as_ref().map(|error| error.kind), Some(LlmErrorKind::Connection));
}

#[tokio::test]
async fn the_preview_of_a_request_is_what_is_sent() {
    let model = ScriptedModel::start();
    let provider = provider(&model);
    ask(&provider, &request(true)).await.unwrap();
    assert_eq!(provider.request_body(&request(true)), model.last_request().body);
    assert_ne!(provider.request_body(&request(true)), Value::Null);
}

#[tokio::test]
async fn port_8080_is_llama_cpp_only_when_it_says_so() {
    let discover = |model: &ScriptedModel| {
        let settings = ProviderSettings::new(ProviderKind::LlamaCpp, BaseUrl::parse(&model.root_url()).unwrap());
        OpenAiProvider::new(ProviderSettings { discovered: true, ..settings }, Timeouts::default())
    };
    let llama = ScriptedModel::builder().llama_cpp().start();
    assert!(!discover(&llama).models().await.unwrap().is_empty());
    assert!(llama.all_requests().iter().all(|request| request.header("authorization").is_none()));
    let other = ScriptedModel::start();
    let error = discover(&other).models().await.unwrap_err();
    assert!(error.to_string().contains("is not llama.cpp"), "{error}");
}

/// Runs in a process of its own, whose variables hide the machine's certificates.
#[tokio::test]
#[ignore = "a part of the next test"]
async fn calls_without_a_certificate_store() {
    let model = ScriptedModel::start();
    assert!(ask(&provider(&model), &request(true)).await.is_ok());
    let https = format!("https://127.0.0.1:{}", model.port().number());
    let error = ask(&provider_at(ProviderKind::OpenAi, &https, Timeouts::default()), &request(true)).await.unwrap_err();
    assert_eq!(error.kind, LlmErrorKind::Connection);
    assert!(error.to_string().contains("no certificate store"), "{error}");
}

#[test]
fn a_machine_without_certificates_can_use_local_servers() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "calls_without_a_certificate_store", "--ignored"])
        .env("SSL_CERT_FILE", "/nonexistent/file")
        .env("SSL_CERT_DIR", "/nonexistent")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success() && said.contains("1 passed"), "{said}");
}
