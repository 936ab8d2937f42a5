//! A server of its own for each test, on each kind of database.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use muisti_api::managers::orm::{self, Conn, DatabaseUrl, Db, DbConfig};
use muisti_testkit::{Client, Response, ScriptedModel, Server, ServerBuilder, TestDatabase};
use serde_json::{Value, json};

/// A running server and the model behind it.
pub(crate) struct App {
    pub(crate) client: Client,
    pub(crate) model: ScriptedModel,
    pub(crate) server: Server,
    pub(crate) database: TestDatabase,
}

/// How long a test waits for what must happen, on however busy a machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// The handle of the scripted model.
pub(crate) const MODEL: &str = "openai/scripted";

impl App {
    /// A server that `configure` has set up, on this database.
    pub(crate) fn start(database: TestDatabase, configure: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let model = ScriptedModel::builder().models(&["scripted"]).start();
        let builder = Server::builder(env!("CARGO_BIN_EXE_muisti"), &database)
            .env("OPENAI_API_BASE", model.base_url())
            .env("MUISTI_DISCOVER_LOCAL", "false");
        let server = configure(builder).start();
        let client = Client::new(&server.url()).with_header("x-stainless-package-version", "1.12.1");
        Self { client, model, server, database }
    }

    /// Waits until the model has been asked so many times.
    pub(crate) async fn asked(&self, count: usize) {
        eventually("the model is asked", || self.model.requests().len() >= count).await;
    }

    /// What is at this path, once this holds of it.
    pub(crate) async fn when(&mut self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        when(&mut self.client, path, holds).await
    }

    /// The run when it has ended.
    pub(crate) async fn ended(&mut self, run: &str) -> Value {
        self.when(&format!("/v1/runs/{run}"), |run| run["completed_at"].is_string()).await
    }

    /// Waits until so many runs are going or wait for their turn.
    pub(crate) async fn active(&mut self, count: usize) {
        self.when("/v1/runs/active", |runs| runs.as_array().is_some_and(|runs| runs.len() == count)).await;
    }

    /// The same server as another client sees it.
    pub(crate) fn client(&self) -> Client {
        Client::new(&self.server.url())
    }

    /// Writes to the server's database what no route makes.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Conn) -> Result<T, orm::Error> + Send + 'static,
    ) -> T {
        let url = match self.database.url() {
            Some(url) => url.parse().unwrap(),
            None => DatabaseUrl::Sqlite(self.database.sqlite_path()),
        };
        Db::open(&DbConfig::new(url)).await.unwrap().write(work).await.unwrap()
    }

    pub(crate) async fn get(&mut self, path: &str) -> Response {
        self.client.get(path).await.unwrap()
    }

    pub(crate) async fn post(&mut self, path: &str, body: Value) -> Response {
        self.client.post(path, &body).await.unwrap()
    }

    pub(crate) async fn patch(&mut self, path: &str, body: Value) -> Response {
        self.client.patch(path, &body).await.unwrap()
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Response {
        self.client.delete(path).await.unwrap()
    }

    /// Sends these bytes over a connection of their own, and gives all that comes back.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let address = self.server.url().replace("http://", "");
        let request = request.to_owned();
        let exchange = move || {
            let mut stream = std::net::TcpStream::connect(address).unwrap();
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        };
        tokio::task::spawn_blocking(exchange).await.unwrap()
    }

    /// The JSON of a GET that succeeds.
    #[track_caller]
    pub(crate) fn list(&mut self, path: &str) -> impl Future<Output = Value> {
        let request = self.get(path);
        async move { request.await.expect_json() }
    }

    /// Creates an agent with these fields over the usual ones, and gives its state.
    pub(crate) async fn agent(&mut self, fields: Value) -> Value {
        let mut body = json!({ "model": MODEL });
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.post("/v1/agents/", body).await.expect_json()
    }

    /// Creates a block and gives it.
    pub(crate) async fn block(&mut self, label: &str, value: &str) -> Value {
        self.post("/v1/blocks/", json!({ "label": label, "value": value })).await.expect_json()
    }
}

/// Waits until this holds.
pub(crate) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !holds() {
        assert!(Instant::now() < end, "it does not come to that: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// What is at this path, once this holds of it.
pub(crate) async fn when(client: &mut Client, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let end = Instant::now() + LIMIT;
    loop {
        let found = client.get(path).await;
        if let Ok(response) = &found
            && holds(&response.json())
        {
            return response.json();
        }
        assert!(Instant::now() < end, "{path} does not come to that: {found:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs a test on each kind of database.
pub(crate) async fn on_each_database(test: impl AsyncFn(&mut App)) {
    for database in TestDatabase::each() {
        let backend = database.backend();
        println!("on {backend:?}");
        test(&mut App::start(database, |server| server)).await;
    }
}

/// Runs a test of what does not depend on the database, on SQLite.
pub(crate) async fn on_sqlite(
    configure: impl FnOnce(ServerBuilder) -> ServerBuilder,
    test: impl AsyncFnOnce(&mut App),
) {
    test(&mut App::start(muisti_testkit::Backend::Sqlite.fresh(), configure)).await;
}

/// The values at this key of each item of a list.
pub(crate) fn each(list: &Value, key: &str) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

/// The `id` of a resource.
pub(crate) fn id(resource: &Value) -> &str {
    resource["id"].as_str().unwrap()
}

/// Asserts the status and a fragment of the `detail` of an error.
#[track_caller]
pub(crate) fn assert_error(response: &Response, status: u16, fragment: &str) {
    let detail = response.json()["detail"].to_string();
    assert!(
        response.status == status && detail.contains(fragment),
        "expected {status} with '{fragment}', got {}: {}",
        response.status,
        response.text()
    );
}
