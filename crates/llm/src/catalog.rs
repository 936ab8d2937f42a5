//! Which models there are, over all providers, and which provider serves a handle.
//!
//! # What the catalog promises
//!
//! - A provider is asked for its models when somebody first wants to know, and again when its list is older than five
//!   minutes; an old list is shown while the new one is fetched. A handle that is in no list makes the provider of its
//!   prefix be asked again, at most every few seconds, so a model that was just pulled is found at once.
//! - A provider that fails hides no other. Its error can be asked for, and its last good list stays.
//! - **A handle of a configured provider that cannot list its models resolves by its name**: a local server that is down
//!   while this one starts, or a gateway without a list, must not make agents impossible to create or to load. The
//!   model's size is then what is known of its name. A provider that does list its models is believed: what it does
//!   not list does not exist. A server that was only looked for at its default port, and is not there, has no models.
//! - The listing order is that of the providers, and within one that of its own list.

mod listing;

use std::fmt;
use std::sync::Arc;

use futures::{StreamExt, stream};

use crate::error::LlmError;
use crate::openai::OpenAiProvider;
use crate::provider::{EmbeddingModelInfo, ModelInfo, Provider};
use crate::settings::LlmSettings;
use crate::test_model::TestProvider;
use listing::{Entry, Listed};

/// Providers asked at the same time.
const CONCURRENT: usize = 8;

/// All providers and what they offer. Clones share everything.
#[derive(Clone)]
pub struct Catalog {
    entries: Arc<[Arc<Entry>]>,
}

/// What a provider has, or why that is not known. For `muisti doctor` and the log.
#[derive(Debug, Clone)]
pub struct ProviderStatus {
    /// [`Provider::name`].
    pub name: String,
    /// Its base URL; empty inside this process.
    pub endpoint: String,
    /// It was looked for at its default port without having been asked for.
    pub discovered: bool,
    /// Chat models, from the last list that came.
    pub models: usize,
    /// Embedding models, from the last list that came.
    pub embedding_models: usize,
    /// Why the last listing failed.
    pub error: Option<LlmError>,
}

/// Why a handle does not lead to a model. `Display` says what would.
#[derive(Debug, Clone)]
pub enum ResolveError {
    /// No provider is configured and none was found.
    NoProviders {
        /// What was asked for.
        handle: String,
    },
    /// The handle has no `/`, or no provider has this prefix.
    UnknownProvider {
        /// What was asked for.
        handle: String,
        /// The prefixes there are.
        prefixes: Vec<String>,
    },
    /// The provider has no such model.
    UnknownModel {
        /// What was asked for.
        handle: String,
        /// Its provider.
        provider: String,
        /// Handles that the provider has, the most alike first, at most ten.
        known: Vec<String>,
        /// Why its list is not known, if that is so.
        error: Option<LlmError>,
    },
}

impl ResolveError {
    /// The handle that was asked for.
    pub fn handle(&self) -> &str {
        match self {
            Self::NoProviders { handle } | Self::UnknownProvider { handle, .. } | Self::UnknownModel { handle, .. } => {
                handle
            }
        }
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoProviders { handle } => {
                write!(f, "Handle {handle} not found: no model is configured. {}", LlmSettings::HOW_TO_GET_A_MODEL)
            }
            Self::UnknownProvider { handle, prefixes } => {
                write!(
                    f,
                    "Handle {handle} not found: a handle is <provider>/<model>, and the providers here are {}. {}",
                    prefixes.join(", "),
                    LlmSettings::HOW_TO_GET_A_MODEL
                )
            }
            Self::UnknownModel { handle, provider, known, error } => {
                write!(f, "Handle {handle} not found")?;
                match error {
                    Some(error) => write!(f, ": the models of '{provider}' are not known. {error}"),
                    None if known.is_empty() => write!(f, ": '{provider}' has no models."),
                    None => write!(f, ", must be one of [{}]", known.join(", ")),
                }
            }
        }
    }
}

impl std::error::Error for ResolveError {}

impl Catalog {
    /// Builds the providers of the settings, the built-in test model last. Nothing is sent yet.
    pub fn new(settings: &LlmSettings) -> Self {
        let mut entries: Vec<Arc<Entry>> = Vec::new();
        for provider in &settings.providers {
            let mut prefixes = vec![provider.name.clone()];
            prefixes.extend(provider.alias_prefixes.iter().cloned());
            let discovered = provider.discovered;
            let provider = Arc::new(OpenAiProvider::new(provider.clone(), settings.timeouts));
            entries.push(Entry::new(provider, prefixes, discovered));
        }
        if settings.test_model {
            entries.push(Entry::new(Arc::new(TestProvider), vec!["muisti".to_owned()], false));
        }
        Self { entries: entries.into() }
    }

    /// A catalog of given providers, for embedders and tests.
    pub fn of(providers: impl IntoIterator<Item = Arc<dyn Provider>>) -> Self {
        let entry = |provider: Arc<dyn Provider>| {
            let prefixes = vec![provider.name().to_owned()];
            Entry::new(provider, prefixes, false)
        };
        Self { entries: providers.into_iter().map(entry).collect() }
    }

    /// The provider of this name, whether it answers or not: for agents that were made with one of its models.
    pub fn provider(&self, name: &str) -> Option<Arc<dyn Provider>> {
        let named = self.entries.iter().find(|entry| entry.provider.name() == name);
        let found = named.or_else(|| self.entries.iter().find(|entry| entry.has_prefix(name)));
        found.map(|entry| Arc::clone(&entry.provider))
    }

    /// All chat models, by provider.
    pub async fn list(&self) -> Vec<ModelInfo> {
        self.listed().await.iter().flat_map(|(_, listed)| listed.models.iter().cloned()).collect()
    }

    /// All embedding models, by provider.
    pub async fn embedding_list(&self) -> Vec<EmbeddingModelInfo> {
        self.listed().await.iter().flat_map(|(_, listed)| listed.embedding_models.iter().cloned()).collect()
    }

    /// What each provider has. One that was only looked for and is not there is not among them.
    pub async fn status(&self) -> Vec<ProviderStatus> {
        let listed = self.listed().await;
        let there = listed.iter().filter(|(entry, listed)| !entry.discovered || listed.was_there());
        there
            .map(|(entry, listed)| ProviderStatus {
                name: entry.provider.name().to_owned(),
                endpoint: entry.provider.endpoint().to_owned(),
                discovered: entry.discovered,
                models: listed.models.len(),
                embedding_models: listed.embedding_models.len(),
                error: listed.error.clone(),
            })
            .collect()
    }

    /// Asks every provider again, whatever is known.
    pub async fn refresh(&self) {
        stream::iter(self.entries.iter()).for_each_concurrent(CONCURRENT, |entry| entry.refresh()).await;
    }

    /// The provider and the model of a handle. [`ModelInfo::handle`] is the handle as asked for.
    pub async fn resolve(&self, handle: &str) -> Result<(Arc<dyn Provider>, ModelInfo), ResolveError> {
        let matches = |model: &ModelInfo| model.handle == handle || model.aliases.iter().any(|alias| alias == handle);
        let found = self
            .find(
                handle,
                |listed| listed.models.iter().find(|model| matches(model)).cloned(),
                |entry, name| Some(entry.provider.describe(name)),
            )
            .await;
        match found {
            Ok((provider, model)) => Ok((provider, ModelInfo { handle: handle.to_owned(), ..model })),
            Err(missing) => Err(self
                .missing(handle, missing, |listed| listed.models.iter().map(|model| model.handle.clone()).collect())),
        }
    }

    /// The provider and the embedding model of a handle. Well-known embedding models of a server in OpenAI's place
    /// resolve without being listed, since such servers seldom list them.
    pub async fn resolve_embedding(
        &self,
        handle: &str,
    ) -> Result<(Arc<dyn Provider>, EmbeddingModelInfo), ResolveError> {
        if let Some((prefix, name)) = handle.split_once('/') {
            let known = self.entries.iter().filter(|entry| entry.has_prefix(prefix)).find_map(|entry| {
                let model = entry.provider.describe_embedding(name)?;
                Some((Arc::clone(&entry.provider), EmbeddingModelInfo { handle: handle.to_owned(), ..model }))
            });
            if let Some(known) = known {
                return Ok(known);
            }
        }
        let matches =
            |model: &EmbeddingModelInfo| model.handle == handle || model.aliases.iter().any(|alias| alias == handle);
        let found = self
            .find(handle, |listed| listed.embedding_models.iter().find(|model| matches(model)).cloned(), |_, _| None)
            .await;
        match found {
            Ok((provider, model)) => Ok((provider, EmbeddingModelInfo { handle: handle.to_owned(), ..model })),
            Err(missing) => Err(self.missing(handle, missing, |listed| {
                listed.embedding_models.iter().map(|model| model.handle.clone()).collect()
            })),
        }
    }

    async fn listed(&self) -> Vec<(Arc<Entry>, Arc<Listed>)> {
        stream::iter(self.entries.iter().cloned())
            .map(|entry| async move {
                let listed = entry.listed().await;
                (entry, listed)
            })
            .buffered(CONCURRENT)
            .collect()
            .await
    }

    /// Looks a handle up in what its prefix's providers are known to have, then in what they say now; `by_name` is for
    /// a provider that cannot say.
    async fn find<T>(
        &self,
        handle: &str,
        pick: impl Fn(&Listed) -> Option<T>,
        by_name: impl Fn(&Entry, &str) -> Option<T>,
    ) -> Result<(Arc<dyn Provider>, T), Option<(Arc<Entry>, Arc<Listed>)>> {
        let Some((prefix, name)) = handle.split_once('/').filter(|(_, name)| !name.is_empty()) else {
            return Err(None);
        };
        let candidates: Vec<&Arc<Entry>> = self.entries.iter().filter(|entry| entry.has_prefix(prefix)).collect();
        for again in [false, true] {
            for entry in &candidates {
                let listed = if again { entry.listed_anew().await } else { entry.listed().await };
                if let Some(found) = pick(&listed) {
                    return Ok((Arc::clone(&entry.provider), found));
                }
            }
        }
        let mut last = None;
        for entry in candidates {
            let listed = entry.listed().await;
            if listed.error.is_some()
                && (!entry.discovered || listed.was_there())
                && let Some(found) = by_name(entry, name)
            {
                return Ok((Arc::clone(&entry.provider), found));
            }
            // The provider of that very name explains best.
            if last.is_none() || entry.provider.name() == prefix {
                last = Some((Arc::clone(entry), listed));
            }
        }
        Err(last)
    }

    fn missing(
        &self,
        handle: &str,
        missing: Option<(Arc<Entry>, Arc<Listed>)>,
        handles: impl Fn(&Listed) -> Vec<String>,
    ) -> ResolveError {
        let handle = handle.to_owned();
        match missing {
            Some((entry, listed)) => {
                let mut known = handles(&listed);
                known.sort_by_key(|known| std::cmp::Reverse(alike(known, &handle)));
                known.truncate(10);
                let provider = entry.provider.name().to_owned();
                ResolveError::UnknownModel { handle, provider, known, error: listed.error.clone() }
            }
            None if self.entries.iter().all(|entry| entry.discovered && !entry.known().was_there()) => {
                ResolveError::NoProviders { handle }
            }
            None => {
                let there = self.entries.iter().filter(|entry| !entry.discovered || entry.known().was_there());
                let prefixes = there.map(|entry| entry.provider.name().to_owned()).collect();
                ResolveError::UnknownProvider { handle, prefixes }
            }
        }
    }
}

/// How much two handles begin alike.
fn alike(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
