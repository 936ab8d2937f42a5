//! Starting and stopping the server.

use std::{
    net::{TcpListener, ToSocketAddrs},
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};
use uuid::Uuid;

use crate::{
    app::{Application, Origins, Password, REFERENCE_VERSION, Settings},
    cli::{DataDirLock, DatabaseArgs, ServerArgs, print, variable},
    managers::{
        Services,
        llm::LlmSettings,
        orm::{DatabaseUrl, Db, DbConfig},
    },
};

/// How long a stop waits, after the turns have ended, until their answers have reached the clients.
const LAST_BYTES: Duration = Duration::from_secs(5);

/// Serves until a signal says to stop.
pub(crate) async fn run(args: ServerArgs) -> anyhow::Result<()> {
    let listener = listen(&args.host, args.port)?;
    let address = listener.local_addr()?;
    let (settings, made_up) = settings(&args)?;
    let opened = open(&args).await?;
    let grace = Duration::from_secs(args.shutdown_grace);
    let guarded = settings.password.is_some();
    let recovered = opened.services.recover().await?;
    if recovered > 0 {
        tracing::info!("Settled {recovered} runs that the last server left unfinished.");
    }
    tokio::spawn(opened.services.clone().stay_alive());
    tokio::spawn(opened.services.clone().post_callbacks());
    // Before the first request can come: a signal must never find nobody who listens.
    let mut signals = Signals::new()?;
    let server = Application::new(opened.services.clone(), settings).serve(listener, args.workers, LAST_BYTES)?;
    let handle = server.handle();
    tokio::pin!(server);

    tracing::info!("Muisti {} listens on http://{address}", env!("CARGO_PKG_VERSION"));
    tracing::info!("Database: {}", opened.services.db().url());
    tracing::info!("Documentation and try-out: http://{address}/docs");
    if let Some(password) = made_up {
        print(&format!("The password of this server: {password}"))?;
    } else if !guarded && !args.is_loopback() {
        tracing::warn!(
            "There is no password: everyone who can reach {address} can read and change everything. Set \
             MUISTI_PASSWORD."
        );
    }
    let services = opened.services.clone();
    tokio::spawn(async move { tell_models(&services).await });

    tokio::select! {
        result = &mut server => return result.context("The server stopped"),
        () = signals.next() => {}
    }
    tracing::info!("Stopping: no new requests, and up to {} s for what is being answered.", grace.as_secs());
    let stop = async {
        if let Err(error) = opened.services.shut_down(grace).await {
            tracing::warn!(%error, "not everything could be settled; the next start will do it");
        }
        // The server must be driven on while it stops.
        let _ = tokio::join!(handle.stop(true), &mut server);
    };
    tokio::select! {
        () = stop => tracing::info!("Stopped."),
        () = signals.another() => tracing::warn!("Stopped at once; what was being done is settled at the next start."),
    }
    Ok(())
}

/// Applies the missing migrations.
pub(crate) async fn migrate(args: DatabaseArgs) -> anyhow::Result<()> {
    let url = database_url(&args)?;
    let _lock = lock(&args.data_dir, &url)?;
    let db = Db::open(&DbConfig::new(url)).await?;
    let applied = db.migrate().await?;
    if applied.is_empty() {
        return print(&format!("The database {} is up to date.", db.url()));
    }
    applied.iter().try_for_each(|name| print(&format!("applied {name}")))
}

/// What is open while the server runs.
struct Opened {
    services: Services,
    _lock: Option<DataDirLock>,
}

async fn open(args: &ServerArgs) -> anyhow::Result<Opened> {
    let url = database_url(&args.database)?;
    let lock = lock(&args.database.data_dir, &url)?;
    let db = Db::open(&DbConfig::new(url)).await?;
    for name in db.migrate().await? {
        tracing::info!("The database was migrated: {name}");
    }
    let node = lock.as_ref().map(DataDirLock::node_name).transpose()?;
    let settings = crate::managers::Settings { node, ..domain_settings(args)? };
    let services = Services::start(db, settings, llm_settings(args.dev)?).await?;
    Ok(Opened { services, _lock: lock })
}

/// What the environment says about the domain.
fn domain_settings(args: &ServerArgs) -> anyhow::Result<crate::managers::Settings> {
    let settings = crate::managers::Settings::from_variables(variable)?;
    Ok(crate::managers::Settings {
        data_dir: Some(args.database.data_dir.clone()),
        lease: Duration::from_secs(args.lease),
        allow_private_addresses: args.allow_private_addresses,
        approval_lifetime: args.approval_lifetime.map(Duration::from_secs),
        when_pending: args.on_pending.into(),
        ..settings
    })
}

/// What the environment says about model providers.
pub(crate) fn llm_settings(dev: bool) -> anyhow::Result<LlmSettings> {
    Ok(LlmSettings { test_model: dev, ..LlmSettings::from_env(variable)? })
}

/// The database that the arguments mean.
pub(crate) fn database_url(args: &DatabaseArgs) -> anyhow::Result<DatabaseUrl> {
    Ok(match args.url() {
        Some(url) => url.parse()?,
        None => DatabaseUrl::Sqlite(std::path::absolute(&args.data_dir)?.join("muisti.db")),
    })
}

/// An SQLite database belongs to one server. A PostgreSQL one can be shared, by servers on one data directory too, of
/// which only the first is known again after a restart.
fn lock(data_dir: &Path, url: &DatabaseUrl) -> anyhow::Result<Option<DataDirLock>> {
    match url {
        DatabaseUrl::Sqlite(path) => DataDirLock::take(path.parent().unwrap_or(data_dir)).map(Some),
        DatabaseUrl::Postgres(_) => DataDirLock::try_take(data_dir),
    }
}

fn listen(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    let address = (host, port)
        .to_socket_addrs()
        .with_context(|| format!("The host '{host}' is not an address or name of this machine"))?
        .next()
        .with_context(|| format!("The host '{host}' has no address"))?;
    match TcpListener::bind(address) {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => bail!(
            "The port {port} is in use, perhaps by another muisti. Stop that program, or take another port with \
             --port (MUISTI_PORT)."
        ),
        Err(error) => Err(error).with_context(|| format!("Cannot listen on {address}")),
    }
}

/// The settings of the HTTP face, and the password if one had to be made up.
fn settings(args: &ServerArgs) -> anyhow::Result<(Settings, Option<String>)> {
    let secure = args.secure || variable("LETTA_SERVER_SECURE").is_some_and(|value| value == "true");
    let given = args.password.clone().filter(|password| !password.is_empty());
    let given = given.or_else(|| variable("LETTA_SERVER_PASSWORD"));
    let made_up = (given.is_none() && secure).then(|| Uuid::new_v4().simple().to_string());
    let password = given.or_else(|| made_up.clone()).map(Password::new);
    let settings = Settings {
        version: variable("LETTA_VERSION").unwrap_or_else(|| REFERENCE_VERSION.to_owned()),
        guard_host: password.is_none() && args.is_loopback(),
        password,
        origins: origins(args)?,
        allowed_hosts: args.allowed_hosts.clone(),
        body_limit: args.body_limit,
        keepalive: keepalive(args)?,
    };
    Ok((settings, made_up))
}

fn origins(args: &ServerArgs) -> anyhow::Result<Origins> {
    let mut more = args.cors_origins.clone();
    if let Some(list) = variable("ACCEPTABLE_ORIGINS") {
        more.extend(list.split(',').map(|origin| origin.trim().to_owned()));
    }
    let Some(instead) = variable("LETTA_CORS_ORIGINS") else { return Ok(Origins::new(&more, None)) };
    let mut instead: Vec<String> = serde_json::from_str(&instead)
        .context("LETTA_CORS_ORIGINS must be a JSON list of origins, such as [\"http://localhost:3000\"]")?;
    instead.append(&mut more);
    Ok(Origins::new(&[], Some(&instead)))
}

fn keepalive(args: &ServerArgs) -> anyhow::Result<Option<Duration>> {
    if variable("LETTA_ENABLE_KEEPALIVE").is_some_and(|value| value.eq_ignore_ascii_case("false")) {
        return Ok(None);
    }
    let seconds = match (args.keepalive_interval, variable("LETTA_KEEPALIVE_INTERVAL")) {
        (Some(seconds), _) => seconds,
        (None, Some(value)) => value
            .parse()
            .with_context(|| format!("LETTA_KEEPALIVE_INTERVAL is '{value}', but it must be a number of seconds"))?,
        (None, None) => 20.0,
    };
    match Duration::try_from_secs_f64(seconds) {
        Ok(Duration::ZERO) => Ok(None),
        Ok(interval) => Ok(Some(interval)),
        Err(_) => {
            bail!("The keepalive interval is {seconds}, but it must be a number of seconds that is not negative.")
        }
    }
}

/// The signals that mean: stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// A signal that somebody sent again. One that comes at once is the same: many tools signal both a process and
    /// its group.
    async fn another(&mut self) {
        let first = Instant::now();
        loop {
            self.next().await;
            if first.elapsed() > Duration::from_millis(500) {
                return;
            }
        }
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Logs which models there are, or how to get one. Nobody waits for it: providers may be slow, or down.
async fn tell_models(services: &Services) {
    let models = services.catalog().list().await;
    if models.is_empty() {
        tracing::warn!("No model was found. {}", LlmSettings::HOW_TO_GET_A_MODEL);
        return;
    }
    let shown: Vec<&str> = models.iter().take(5).map(|model| model.handle.as_str()).collect();
    let more = if models.len() > shown.len() { ", …" } else { "" };
    tracing::info!("Models: {}{more}", shown.join(", "));
}
