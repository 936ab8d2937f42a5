//! What the managers work with: the database, the models, the settings, the key for secrets.

use std::sync::Arc;

use crate::{
    Settings, actor,
    agent_loop::Node,
    callback::Bell,
    error::{Error, Result},
    frames::FrameStore,
    llm::{Catalog, LlmSettings},
    orm::Db,
    outbound::Outbound,
    secret::Cipher,
    step_webhook::StepWebhook,
    tool,
    trace::Recorder,
};

/// Everything a server is made of, above its routes. Cheap to clone; the clones are the same server.
#[derive(Clone)]
pub struct Services(Arc<Inner>);

struct Inner {
    db: Db,
    catalog: Catalog,
    settings: Settings,
    cipher: Cipher,
    node: Node,
    outbound: Outbound,
    bell: Bell,
    step_webhook: StepWebhook,
    frames: FrameStore,
    trace_recorder: Recorder,
}

impl Services {
    /// Starts the domain on a migrated database: makes the default organization and user and their built-in
    /// tools, unless they are there. Asks no model provider anything, so that an unreachable one delays nothing.
    ///
    /// # Errors
    /// When the database cannot be written, or the encryption key can be neither read nor made.
    pub async fn start(db: Db, settings: Settings, llm: LlmSettings) -> Result<Self> {
        let cipher = cipher(&settings)?;
        db.write(|conn| {
            actor::ensure_defaults(conn)?;
            tool::base::register(conn, &actor::DEFAULT_ACTOR)
        })
        .await?;
        let catalog = Catalog::new(&llm);
        let node = Node::new(settings.node.clone(), settings.lease);
        let outbound = Outbound::new(settings.allow_private_addresses);
        let step_webhook = StepWebhook::new(settings.step_webhook.clone());
        let frames = FrameStore::start(db.clone(), &node);
        let trace_recorder = match settings.track_provider_trace {
            true => Recorder::start(db.clone(), settings.telemetry_source.clone()),
            false => Recorder::off(),
        };
        Ok(Self(Arc::new(Inner {
            db,
            catalog,
            settings,
            cipher,
            node,
            outbound,
            bell: Bell::default(),
            step_webhook,
            frames,
            trace_recorder,
        })))
    }

    /// The database.
    pub fn db(&self) -> &Db {
        &self.0.db
    }

    /// The model providers.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// What the operator has decided.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// What seals and opens secrets.
    pub fn cipher(&self) -> &Cipher {
        &self.0.cipher
    }

    /// This process among those that share the database.
    pub fn node(&self) -> &Node {
        &self.0.node
    }

    /// Where model calls are noted.
    pub(crate) fn trace_recorder(&self) -> &Recorder {
        &self.0.trace_recorder
    }

    /// The streams of the background runs that live in this process.
    pub(crate) fn frames(&self) -> &FrameStore {
        &self.0.frames
    }

    /// What asks addresses that users name.
    pub(crate) fn outbound(&self) -> &Outbound {
        &self.0.outbound
    }

    /// What is rung when a run with a callback has ended.
    pub(crate) fn bell(&self) -> &Bell {
        &self.0.bell
    }

    /// What tells the operator's service that a step has ended.
    pub fn step_webhook(&self) -> &StepWebhook {
        &self.0.step_webhook
    }

    /// Whether the server is about to stop.
    pub fn is_draining(&self) -> bool {
        self.0.node.is_closing()
    }
}

impl std::fmt::Debug for Services {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Services").field("db", &self.0.db).finish_non_exhaustive()
    }
}

fn cipher(settings: &Settings) -> Result<Cipher> {
    match (&settings.encryption_key, &settings.data_dir) {
        (Some(key), _) => Ok(Cipher::new(key)),
        (None, Some(dir)) => Cipher::from_data_dir(dir).map_err(|error| {
            Error::Internal(format!("the encryption key in {} cannot be used: {error}", dir.display()))
        }),
        (None, None) => Err(Error::Internal(
            "there is neither an encryption key (MUISTI_ENCRYPTION_KEY) nor a data directory to keep one in".to_owned(),
        )),
    }
}
