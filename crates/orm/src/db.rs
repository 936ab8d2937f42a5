//! The database: pools of connections, and the two ways to work on one.

use std::{
    fmt,
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use diesel::{
    PgConnection, SqliteConnection,
    r2d2::{ManageConnection, Pool},
};
use tokio::{
    sync::Semaphore,
    task::{JoinError, spawn_blocking},
    time::timeout,
};

use crate::{
    Error, Result,
    connection::{Conn, Manager, Pooled},
    migrations,
};

/// Where the data is.
#[derive(Clone, PartialEq, Eq)]
pub enum DatabaseUrl {
    /// A file; it and its folder are created when missing.
    Sqlite(PathBuf),
    /// The address of a PostgreSQL server, as libpq understands it.
    Postgres(String),
}

impl FromStr for DatabaseUrl {
    type Err = Error;

    /// Understands `sqlite:path`, `sqlite:///path`, `postgres://…`, `postgresql://…` and the forms with a Python
    /// driver in them, `postgresql+pg8000://…`.
    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let (scheme, rest) = text.split_once(':').unwrap_or(("", text));
        match scheme.split('+').next() {
            Some("sqlite") => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                if path.is_empty() {
                    return Err(Error::Url(format!(
                        "The database URL '{text}' names no file. Write it as sqlite:///path/to/muisti.db"
                    )));
                }
                Ok(Self::Sqlite(path.into()))
            }
            Some("postgres" | "postgresql") if rest.starts_with("//") => {
                Ok(Self::Postgres(format!("postgresql:{rest}")))
            }
            // The rest of an unknown address may hold a password.
            _ => Err(Error::Url(
                "The database URL is neither sqlite:///path/to/file nor postgresql://user:password@host:port/database"
                    .to_owned(),
            )),
        }
    }
}

impl fmt::Display for DatabaseUrl {
    /// Without user and password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(url) => {
                let rest = url.split_once("//").map_or("", |(_, rest)| rest);
                let rest = rest.split_once('?').map_or(rest, |(rest, _)| rest);
                write!(f, "postgresql://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host))
            }
        }
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How to open the database.
#[derive(Debug, Clone)]
pub struct DbConfig {
    /// Where the data is.
    pub url: DatabaseUrl,
    /// Most connections at a time: those to PostgreSQL, or those that read SQLite, which has one more for writing.
    pub pool_size: u32,
    /// How long a request waits for a connection before it fails as busy.
    pub acquire_timeout: Duration,
    /// How long a statement waits for a lock that another process or transaction holds.
    pub lock_timeout: Duration,
}

impl DbConfig {
    /// The settings that suit most servers.
    #[must_use]
    pub const fn new(url: DatabaseUrl) -> Self {
        let pool_size = match url {
            DatabaseUrl::Sqlite(_) => 8,
            DatabaseUrl::Postgres(_) => 20,
        };
        Self { url, pool_size, acquire_timeout: Duration::from_secs(30), lock_timeout: Duration::from_secs(10) }
    }
}

/// A handle on the database; clones share the connections.
#[derive(Clone)]
pub struct Db(Arc<Inner>);

struct Inner {
    url: DatabaseUrl,
    pools: Pools,
    // As many permits as there are connections: waiting is done without a thread, in order of arrival.
    readers: Arc<Semaphore>,
    writers: Arc<Semaphore>,
    acquire_timeout: Duration,
    statements: Arc<AtomicU64>,
}

enum Pools {
    Sqlite { writer: Pool<Manager<SqliteConnection>>, readers: Pool<Manager<SqliteConnection>> },
    Postgres(Pool<Manager<PgConnection>>),
}

#[derive(Clone, Copy)]
enum Access {
    Read,
    Write,
}

impl Db {
    /// Opens the database, creating the file of a SQLite one.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with the reason when it cannot be opened or reached, [`Error::Url`] when the address
    /// asks for TLS and this build has none.
    pub async fn open(config: &DbConfig) -> Result<Self> {
        let config = config.clone();
        spawn_blocking(move || Self::open_blocking(config)).await.map_err(panicked)?
    }

    fn open_blocking(config: DbConfig) -> Result<Self> {
        let size = config.pool_size.max(1);
        let permits = Arc::new(Semaphore::new(size as usize));
        let statements = Arc::default();
        let (pools, writers) = match &config.url {
            DatabaseUrl::Sqlite(path) => {
                if let Some(folder) = path.parent() {
                    std::fs::create_dir_all(folder)
                        .map_err(|e| Error::Unavailable(format!("the folder {}: {e}", folder.display())))?;
                }
                let path = path.to_str().ok_or_else(|| {
                    Error::Url(format!("The path of the database, {}, is not valid UTF-8", path.display()))
                })?;
                let writer = pool(Manager::sqlite(path, config.lock_timeout, false, &statements), 1, &config)?;
                let readers = pool(Manager::sqlite(path, config.lock_timeout, true, &statements), size, &config)?;
                (Pools::Sqlite { writer, readers }, Arc::new(Semaphore::new(1)))
            }
            DatabaseUrl::Postgres(url) => {
                check_tls(url)?;
                let pool = pool(Manager::postgres(url, config.lock_timeout, &statements), size, &config)?;
                (Pools::Postgres(pool), Arc::clone(&permits))
            }
        };
        let acquire_timeout = config.acquire_timeout;
        Ok(Self(Arc::new(Inner { url: config.url, pools, readers: permits, writers, acquire_timeout, statements })))
    }

    /// Where the data is.
    #[must_use]
    pub fn url(&self) -> &DatabaseUrl {
        &self.0.url
    }

    /// How many statements were sent to the database since it was opened.
    #[must_use]
    pub fn statements(&self) -> u64 {
        self.0.statements.load(Ordering::Relaxed)
    }

    /// Runs `work`, which only reads, on a connection. There is no transaction around it: each statement sees what
    /// is committed when it starts.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Busy`] when no connection becomes free in time; [`Error::Panicked`].
    pub async fn read<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    {
        self.run(Access::Read, work).await
    }

    /// Runs `work` in one transaction that is committed when it returns `Ok`, and rolled back when it returns `Err`
    /// or panics. On SQLite it is the only one at its time; on PostgreSQL rows that are read to be changed must be
    /// locked (`agents::lock`).
    ///
    /// The work is carried to its end even if the future is dropped.
    ///
    /// # Errors
    /// Those of `work`; [`Error::Busy`] when no connection or lock becomes free in time; [`Error::Panicked`].
    pub async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    {
        self.run(Access::Write, move |conn| conn.transaction(work)).await
    }

    /// Applies the migrations that are missing and returns their names. Nodes that do it at once wait for each other.
    ///
    /// # Errors
    /// [`Error::Migration`], also when the database is of a newer version than this program.
    pub async fn migrate(&self) -> Result<Vec<String>> {
        self.run(Access::Write, |conn| conn.transaction(migrations::run)).await
    }

    /// The names of the migrations that [`Db::migrate`] would apply.
    ///
    /// # Errors
    /// [`Error::Migration`].
    pub async fn pending_migrations(&self) -> Result<Vec<String>> {
        // The question itself creates the table of migrations in an empty database.
        self.run(Access::Write, |conn| conn.transaction(migrations::pending)).await
    }

    async fn run<T, E, F>(&self, access: Access, work: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
        F: FnOnce(&mut Conn) -> Result<T, E> + Send + 'static,
    {
        const WAITED: Error = Error::Busy("no connection became free in time");
        let permits = match access {
            Access::Read => &self.0.readers,
            Access::Write => &self.0.writers,
        };
        let permit = timeout(self.0.acquire_timeout, Arc::clone(permits).acquire_owned()).await.map_err(|_| WAITED)?;
        let inner = Arc::clone(&self.0);
        let work = move || {
            // Held until the connection is back in its pool, even when nobody waits for the result any more.
            let _permit = permit;
            let mut conn = inner.connection(access)?;
            work(&mut conn)
        };
        spawn_blocking(work).await.unwrap_or_else(|e| Err(panicked(e).into()))
    }
}

impl fmt::Debug for Db {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Db").field(&self.0.url).finish()
    }
}

impl Inner {
    fn connection(&self, access: Access) -> Result<Conn> {
        // The permit says that a connection is free, so this waits only for a new one to be opened.
        let failed = |e: diesel::r2d2::PoolError| Error::Unavailable(e.to_string());
        let pooled = match (&self.pools, access) {
            (Pools::Sqlite { readers, .. }, Access::Read) => Pooled::Sqlite(readers.get().map_err(failed)?),
            (Pools::Sqlite { writer, .. }, Access::Write) => Pooled::Sqlite(writer.get().map_err(failed)?),
            (Pools::Postgres(pool), _) => Pooled::Postgres(pool.get().map_err(failed)?),
        };
        Ok(Conn(pooled))
    }
}

fn pool<C>(manager: Manager<C>, size: u32, config: &DbConfig) -> Result<Pool<Manager<C>>>
where
    C: diesel::r2d2::R2D2Connection + diesel::Connection + Send + 'static,
{
    // Once by hand: the pool would try again until its time is up before it tells what is wrong.
    drop(manager.connect().map_err(|e| Error::Unavailable(format!("{}: {e}", config.url)))?);
    Pool::builder()
        .max_size(size)
        .min_idle(Some(1))
        .connection_timeout(config.acquire_timeout)
        .build(manager)
        .map_err(|e| Error::Unavailable(format!("{}: {e}", config.url)))
}

/// libpq would say only that the value is invalid.
fn check_tls(url: &str) -> Result<()> {
    let modes = ["sslmode=require", "sslmode=verify-ca", "sslmode=verify-full"];
    match modes.iter().find(|mode| url.contains(**mode)) {
        Some(mode) if !cfg!(feature = "postgres-tls") => Err(Error::Url(format!(
            "The database URL says {mode}, but this build speaks to PostgreSQL without TLS. Build it with \
             `--features postgres-tls`, or take sslmode out of the URL if the network between them is trusted."
        ))),
        _ => Ok(()),
    }
}

fn panicked(error: JoinError) -> Error {
    tracing::error!(%error, "work on the database panicked");
    Error::Panicked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn database_urls_are_understood_and_shown_without_secrets() {
        for (text, shown) in [
            ("sqlite:data/muisti.db", "sqlite:data/muisti.db"),
            ("sqlite:///var/lib/muisti.db", "sqlite:/var/lib/muisti.db"),
            ("postgres://u:p@host:5432/db?sslmode=disable", "postgresql://host:5432/db"),
            ("postgresql+pg8000://u:p%40@host/db", "postgresql://host/db"),
        ] {
            assert_eq!(text.parse::<DatabaseUrl>().unwrap().to_string(), shown);
        }
        for bad in ["", "sqlite:", "mysql://u:secret@host/db", "postgres", "/var/lib/muisti.db"] {
            let error = bad.parse::<DatabaseUrl>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn asking_for_tls_in_a_build_without_it_names_the_feature() {
        let result = check_tls("postgresql://host/db?sslmode=require");
        if cfg!(feature = "postgres-tls") {
            result.unwrap();
        } else {
            assert!(result.unwrap_err().to_string().contains("--features postgres-tls"));
        }
    }
}
