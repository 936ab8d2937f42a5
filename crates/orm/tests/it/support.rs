//! A migrated database with an organization and a user, and rows to put into it.

use std::sync::LazyLock;

use diesel::{Connection, PgConnection, SqliteConnection, connection::SimpleConnection};
use muisti_orm::{
    Actor, Conn, DatabaseUrl, Db, DbConfig, Error, agents,
    agents::AgentRow,
    blocks, organizations,
    schema::{
        AgentId, AgentType, Block, BlockId, LlmConfig, OrganizationId, Timestamp, Tool, ToolId, ToolType, UserId,
    },
    users,
};
use muisti_testkit::TestDatabase;
use serde_json::json;

/// An open database, removed when dropped.
pub(crate) struct Fixture {
    pub(crate) db: Db,
    pub(crate) actor: Actor,
    pub(crate) config: DbConfig,
    _database: TestDatabase,
}

impl Fixture {
    /// One of each kind that can be tested here.
    pub(crate) async fn each() -> Vec<Self> {
        let mut fixtures = Vec::new();
        for database in TestDatabase::each() {
            let config = DbConfig::new(url_of(&database));
            let db = Db::open(&config).await.unwrap();
            db.migrate().await.unwrap();
            let actor = new_actor(&db).await;
            fixtures.push(Self { db, actor, config, _database: database });
        }
        fixtures
    }

    /// Runs `work` in a transaction that must succeed.
    pub(crate) async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn, &Actor) -> Result<T, Error> + Send + 'static,
    ) -> T {
        self.attempt(work).await.unwrap()
    }

    /// Runs `work` in a transaction.
    pub(crate) async fn attempt<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn, &Actor) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let actor = self.actor;
        self.db.write(move |conn| work(conn, &actor)).await
    }

    /// Runs statements past our code.
    pub(crate) fn sql(&self, statements: &str) {
        match &self.config.url {
            DatabaseUrl::Sqlite(path) => {
                let mut conn = SqliteConnection::establish(path.to_str().unwrap()).unwrap();
                conn.batch_execute(&format!("PRAGMA busy_timeout = 5000; {statements}")).unwrap();
            }
            DatabaseUrl::Postgres(url) => PgConnection::establish(url).unwrap().batch_execute(statements).unwrap(),
        }
    }
}

pub(crate) fn url_of(database: &TestDatabase) -> DatabaseUrl {
    match database.url() {
        Some(url) => url.parse().unwrap(),
        None => DatabaseUrl::Sqlite(database.sqlite_path()),
    }
}

/// A user of an organization of its own.
pub(crate) async fn new_actor(db: &Db) -> Actor {
    let actor = Actor { organization_id: OrganizationId::random(), user_id: UserId::random() };
    db.write(move |conn| {
        organizations::ensure(conn, actor.organization_id, "org")?;
        users::ensure(conn, actor.user_id, actor.organization_id, "user")
    })
    .await
    .unwrap();
    actor
}

/// Runs the body once on each database; `$f` is the fixture.
macro_rules! on_both {
    ($(async fn $name:ident($f:ident) $body:block)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            for $f in $crate::support::Fixture::each().await {
                println!("on {}", $f.db.url());
                $body
            }
        }
    )*};
}
pub(crate) use on_both;

pub(crate) fn agent(actor: &Actor, name: &str) -> AgentRow {
    static LLM: LazyLock<LlmConfig> = LazyLock::new(|| {
        serde_json::from_value(json!({"model": "m", "model_endpoint_type": "openai", "context_window": 8000})).unwrap()
    });
    let now = Timestamp::now();
    AgentRow {
        id: AgentId::random(),
        organization_id: actor.organization_id,
        agent_type: AgentType::LettaV1Agent,
        name: name.to_owned(),
        description: None,
        system: "You remember.".to_owned(),
        message_ids: Vec::new(),
        metadata: None,
        llm_config: LLM.clone(),
        embedding_config: None,
        compaction_settings: None,
        response_format: None,
        tool_rules: Vec::new(),
        project_id: None,
        template_id: None,
        base_template_id: None,
        deployment_id: None,
        entity_id: None,
        message_buffer_autoclear: false,
        enable_sleeptime: None,
        last_run_completion: None,
        last_run_duration_ms: None,
        last_stop_reason: None,
        timezone: Some("UTC".to_owned()),
        max_files_open: None,
        per_file_view_window_char_limit: None,
        hidden: None,
        created_at: now,
        updated_at: now,
        created_by_id: Some(actor.user_id),
        last_updated_by_id: Some(actor.user_id),
    }
}

pub(crate) fn block(label: &str, value: &str) -> Block {
    serde_json::from_value(json!({"id": BlockId::random(), "label": label, "value": value})).unwrap()
}

pub(crate) fn tool(name: &str) -> Tool {
    let mut tool: Tool = serde_json::from_value(json!({
        "id": ToolId::random(), "name": name, "json_schema": {"name": name, "parameters": {"type": "object"}},
    }))
    .unwrap();
    tool.tool_type = ToolType::Custom;
    tool
}

impl Fixture {
    /// Stores an agent with this name.
    pub(crate) async fn add_agent(&self, name: &str) -> AgentId {
        let agent = agent(&self.actor, name);
        let id = agent.id;
        self.with(move |conn, _| agents::insert(conn, &agent)).await;
        id
    }

    /// Stores a block.
    pub(crate) async fn add_block(&self, block: &Block) -> BlockId {
        let (id, block) = (block.id, block.clone());
        self.with(move |conn, actor| blocks::insert(conn, actor, &block)).await;
        id
    }
}
