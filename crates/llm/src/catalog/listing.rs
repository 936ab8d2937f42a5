//! One provider's list: fetched once at a time, kept, and fetched again when old.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::error::LlmError;
use crate::provider::{EmbeddingModelInfo, ModelInfo, Provider};

/// A good list is good for this long.
const FRESH: Duration = Duration::from_secs(300);
/// After a failure, and between two looks for a handle that is not there.
const SOON: Duration = Duration::from_secs(5);

/// A provider in the catalog.
pub(super) struct Entry {
    pub(super) provider: Arc<dyn Provider>,
    /// The parts before the first `/` of its handles.
    prefixes: Vec<String>,
    pub(super) discovered: bool,
    known: RwLock<Arc<Listed>>,
    /// Held while the provider is asked, so that it is asked once for all who wait.
    asking: Mutex<()>,
}

/// What a provider said last.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) models: Vec<ModelInfo>,
    pub(super) embedding_models: Vec<EmbeddingModelInfo>,
    pub(super) error: Option<LlmError>,
    /// When it was asked; `None` before the first time.
    at: Option<Instant>,
}

impl Listed {
    /// Whether the provider has ever answered.
    pub(super) fn was_there(&self) -> bool {
        self.at.is_some() && (self.error.is_none() || !self.models.is_empty() || !self.embedding_models.is_empty())
    }

    fn is_older_than(&self, age: Duration) -> bool {
        self.at.is_none_or(|at| at.elapsed() >= age)
    }

    fn is_stale(&self) -> bool {
        self.is_older_than(if self.error.is_some() { SOON } else { FRESH })
    }
}

impl Entry {
    pub(super) fn new(provider: Arc<dyn Provider>, prefixes: Vec<String>, discovered: bool) -> Arc<Self> {
        Arc::new(Self { provider, prefixes, discovered, known: RwLock::default(), asking: Mutex::default() })
    }

    pub(super) fn has_prefix(&self, prefix: &str) -> bool {
        self.prefixes.iter().any(|known| known == prefix)
    }

    /// What is known without asking.
    pub(super) fn known(&self) -> Arc<Listed> {
        Arc::clone(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// What is known, asked for now if nothing is, and in the background if it is old.
    pub(super) async fn listed(self: &Arc<Self>) -> Arc<Listed> {
        let known = self.known();
        if known.at.is_none() {
            self.ask(Listed::is_stale).await;
            return self.known();
        }
        if known.is_stale() && self.asking.try_lock().is_ok() {
            let entry = Arc::clone(self);
            tokio::spawn(async move { entry.ask(Listed::is_stale).await });
        }
        known
    }

    /// What the provider says now, or said a moment ago.
    pub(super) async fn listed_anew(&self) -> Arc<Listed> {
        self.ask(|known| known.is_older_than(SOON)).await;
        self.known()
    }

    /// Asks whatever is known.
    pub(super) async fn refresh(&self) {
        self.ask(|_| true).await;
    }

    /// Asks, unless somebody else has meanwhile.
    async fn ask(&self, wanted: impl Fn(&Listed) -> bool) {
        let _one_at_a_time = self.asking.lock().await;
        let before = self.known();
        if !wanted(&before) {
            return;
        }
        let (models, embedding_models) = futures::join!(self.provider.models(), self.provider.embedding_models());
        let error = match (&models, &embedding_models) {
            (Err(e), _) | (Ok(_), Err(e)) => Some(e.clone()),
            (Ok(_), Ok(_)) => None,
        };
        if let Some(error) = error.as_ref().filter(|error| !self.discovered && before.error.as_ref() != Some(error)) {
            tracing::warn!(provider = self.provider.name(), kind = error.kind.as_str(), "{error}");
        }
        let listed = Listed {
            // The last good list is better than none.
            models: models.unwrap_or_else(|_| before.models.clone()),
            embedding_models: embedding_models.unwrap_or_else(|_| before.embedding_models.clone()),
            error,
            at: Some(Instant::now()),
        };
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(listed);
    }
}
