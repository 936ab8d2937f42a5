//! A domain to test with: a fresh database of each kind, and a model server that does what it is told.

use muisti_managers::{
    Actor, DEFAULT_ACTOR, Error, Services, Settings,
    agent::Include,
    llm::LlmSettings,
    orm::{DatabaseUrl, Db, DbConfig},
    schema::{AgentState, CreateAgent, UpdateAgent},
};
use muisti_testkit::{ScriptedModel, TestDatabase};
use serde_json::{Value, json};

/// A started domain; what it stands on goes with it.
pub(crate) struct World {
    pub(crate) services: Services,
    pub(crate) actor: Actor,
    pub(crate) model: ScriptedModel,
    pub(crate) database: TestDatabase,
}

impl World {
    /// One for each kind of database.
    pub(crate) async fn each() -> Vec<Self> {
        let mut worlds = Vec::new();
        for database in TestDatabase::each() {
            worlds.push(Self::on(database, Settings::default()).await);
        }
        worlds
    }

    /// One on this database.
    pub(crate) async fn on(database: TestDatabase, settings: Settings) -> Self {
        let model = ScriptedModel::builder().models(&["gpt-4o-mini", "gpt-4.1", "o3", "gpt-5-codex"]).start();
        let db = Db::open(&DbConfig::new(url(&database))).await.unwrap();
        db.migrate().await.unwrap();
        let settings = Settings { data_dir: Some(database.data_dir().to_owned()), ..settings };
        let base = model.base_url();
        let llm = LlmSettings::from_env(|name| match name {
            "OPENAI_API_BASE" => Some(base.clone()),
            "MUISTI_DISCOVER_LOCAL" => Some("false".to_owned()),
            _ => None,
        });
        let services = Services::start(db, settings, llm.unwrap()).await.unwrap();
        Self { services, actor: DEFAULT_ACTOR, model, database }
    }

    /// Makes an agent of the default model from the JSON of a request.
    pub(crate) async fn create(&self, request: Value) -> AgentState {
        self.try_create(request).await.unwrap()
    }

    pub(crate) async fn try_create(&self, mut request: Value) -> Result<AgentState, Error> {
        let fields = request.as_object_mut().unwrap();
        if !fields.contains_key("llm_config") {
            fields.entry("model").or_insert(json!("openai/gpt-4o-mini"));
        }
        let request: CreateAgent = serde_json::from_value(request).unwrap();
        self.services.agents().create(&self.actor, request).await
    }

    pub(crate) async fn update(&self, agent: &AgentState, request: Value) -> AgentState {
        self.try_update(agent, request).await.unwrap()
    }

    pub(crate) async fn try_update(&self, agent: &AgentState, request: Value) -> Result<AgentState, Error> {
        let request: UpdateAgent = serde_json::from_value(request).unwrap();
        self.services.agents().update(&self.actor, agent.id, request).await
    }

    pub(crate) async fn get(&self, agent: &AgentState) -> AgentState {
        self.services.agents().get(&self.actor, agent.id, Include::ALL).await.unwrap()
    }
}

pub(crate) fn url(database: &TestDatabase) -> DatabaseUrl {
    match database.url() {
        Some(url) => url.parse().unwrap(),
        None => DatabaseUrl::Sqlite(database.sqlite_path()),
    }
}
