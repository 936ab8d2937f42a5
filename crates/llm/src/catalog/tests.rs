use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::Value;

use super::*;
use crate::chat::{ChatRequest, ChatStream};
use crate::error::LlmErrorKind;
use crate::provider::ProviderKind;

/// A provider whose list can be changed and counted.
struct Shelf {
    name: &'static str,
    models: Mutex<Result<Vec<&'static str>, LlmErrorKind>>,
    asked: AtomicUsize,
}

impl Shelf {
    fn new(name: &'static str, models: Result<Vec<&'static str>, LlmErrorKind>) -> Arc<Self> {
        Arc::new(Self { name, models: Mutex::new(models), asked: AtomicUsize::new(0) })
    }
}

#[async_trait]
impl Provider for Shelf {
    fn name(&self) -> &str {
        self.name
    }

    fn kind(&self) -> ProviderKind {
        ProviderKind::Test
    }

    fn endpoint(&self) -> &str {
        "http://shelf/v1"
    }

    async fn models(&self) -> Result<Vec<ModelInfo>, LlmError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        match &*self.models.lock().unwrap() {
            Ok(names) => Ok(names.iter().map(|name| self.describe(name)).collect()),
            Err(kind) => Err(LlmError::new(*kind, self.name, "out of order.")),
        }
    }

    async fn embedding_models(&self) -> Result<Vec<EmbeddingModelInfo>, LlmError> {
        Ok(Vec::new())
    }

    fn describe(&self, model: &str) -> ModelInfo {
        let handle = format!("{}/{model}", self.name);
        ModelInfo { handle, provider_name: self.name.to_owned(), ..TestProvider.describe(model) }
    }

    fn describe_embedding(&self, _model: &str) -> Option<EmbeddingModelInfo> {
        None
    }

    async fn chat(&self, _request: &ChatRequest) -> Result<ChatStream, LlmError> {
        Err(LlmError::new(LlmErrorKind::Unsupported, self.name, "no chat."))
    }

    async fn embed(&self, _model: &str, _texts: &[String]) -> Result<Vec<Vec<f32>>, LlmError> {
        Ok(Vec::new())
    }

    fn request_body(&self, _request: &ChatRequest) -> Value {
        Value::Null
    }
}

fn catalog(shelves: &[&Arc<Shelf>]) -> Catalog {
    Catalog::of(shelves.iter().map(|&shelf| Arc::clone(shelf) as Arc<dyn Provider>))
}

fn handles(models: &[ModelInfo]) -> Vec<&str> {
    models.iter().map(|model| model.handle.as_str()).collect()
}

#[tokio::test]
async fn a_provider_that_fails_hides_no_other_and_its_error_can_be_asked_for() {
    let good = Shelf::new("good", Ok(vec!["a"]));
    let bad = Shelf::new("bad", Err(LlmErrorKind::Authentication));
    let catalog = catalog(&[&bad, &good]);
    assert_eq!(handles(&catalog.list().await), ["good/a"]);
    let status = catalog.status().await;
    assert_eq!(status[0].error.as_ref().map(|error| error.kind), Some(LlmErrorKind::Authentication));
    assert!(status[1].error.is_none());
}

#[tokio::test]
async fn many_askers_ask_a_provider_once() {
    let shelf = Shelf::new("s", Ok(vec!["a"]));
    let catalog = catalog(&[&shelf]);
    futures::future::join_all((0..20).map(|_| catalog.list())).await;
    assert_eq!(shelf.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_new_model_is_found_at_once_and_a_missing_one_does_not_ask_again_and_again() {
    let shelf = Shelf::new("s", Ok(vec!["a"]));
    let catalog = catalog(&[&shelf]);
    catalog.resolve("s/a").await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(10)).await;
    *shelf.models.lock().unwrap() = Ok(vec!["a", "new"]);
    assert_eq!(catalog.resolve("s/new").await.unwrap().1.name, "new");
    for _ in 0..5 {
        assert!(catalog.resolve("s/missing").await.is_err());
    }
    assert_eq!(shelf.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test(start_paused = true)]
async fn the_last_good_list_outlives_a_failure() {
    let shelf = Shelf::new("s", Ok(vec!["a"]));
    let catalog = catalog(&[&shelf]);
    catalog.list().await;
    *shelf.models.lock().unwrap() = Err(LlmErrorKind::Connection);
    catalog.refresh().await;
    assert_eq!(handles(&catalog.list().await), ["s/a"]);
    assert!(catalog.status().await[0].error.is_some());
}

#[tokio::test]
async fn a_provider_that_cannot_list_resolves_by_name_and_one_that_can_is_believed() {
    let down = Shelf::new("down", Err(LlmErrorKind::Connection));
    let up = Shelf::new("up", Ok(vec!["llama-8b"]));
    let catalog = catalog(&[&down, &up]);
    assert_eq!(catalog.resolve("down/any/model").await.unwrap().1.name, "any/model");
    let error = catalog.resolve("up/llama-70b").await.err().unwrap();
    assert_eq!(error.to_string(), "Handle up/llama-70b not found, must be one of [up/llama-8b]");
}

#[tokio::test]
async fn errors_say_what_would_give_a_model() {
    let none = Catalog::of([]).resolve("openai/gpt-4o").await.err().unwrap();
    assert!(matches!(&none, ResolveError::NoProviders { .. }) && none.to_string().contains("OPENAI_API_KEY"));
    let up = Shelf::new("up", Ok(vec!["a"]));
    for handle in ["other/a", "a", "up", ""] {
        let error = catalog(&[&up]).resolve(handle).await.err().unwrap().to_string();
        assert!(error.contains("the providers here are up."), "{error}");
    }
    let empty = Shelf::new("up", Ok(vec![]));
    let error = catalog(&[&empty]).resolve("up/").await.err().unwrap();
    assert_eq!(error.handle(), "up/");
}

#[tokio::test]
async fn the_test_model_is_there_when_asked_for() {
    let settings = LlmSettings { test_model: true, ..LlmSettings::default() };
    let catalog = Catalog::new(&settings);
    assert_eq!(handles(&catalog.list().await), ["muisti/test"]);
    let (provider, embedding) = catalog.resolve_embedding("muisti/test-embedding").await.unwrap();
    assert_eq!((provider.name(), embedding.dimensions), ("muisti", 64));
    assert!(catalog.provider("muisti").is_some() && catalog.provider("openai").is_none());
}
