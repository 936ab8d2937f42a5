//! One connection to either database, and how a pool keeps it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use diesel::{
    Connection, ConnectionResult, PgConnection, SqliteConnection,
    connection::{
        AnsiTransactionManager, Instrumentation, InstrumentationEvent, SimpleConnection, TransactionManager,
        get_default_instrumentation,
    },
    r2d2::{ManageConnection, PooledConnection, R2D2Connection},
};

use crate::{Error, Result, text};

/// A connection out of the pool. Query functions take it by `&mut` and expand over it with `with_backend!`.
pub struct Conn(pub(crate) Pooled);

pub(crate) enum Pooled {
    Sqlite(PooledConnection<Manager<SqliteConnection>>),
    Postgres(PooledConnection<Manager<PgConnection>>),
}

/// The connection of the database in use, as diesel knows it.
pub(crate) enum Backend<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
}

/// Runs an expression on the connection of whichever database is in use: it is compiled once for each.
///
/// `with_backend!(conn, c => diesel::insert_into(t).values(&row).execute(c))?`. Diesel types differ between the two
/// expansions, so the value must be one that does not name them.
macro_rules! with_backend {
    ($conn:expr, $c:ident => $body:expr) => {
        match $crate::connection::Conn::backend($conn) {
            $crate::connection::Backend::Sqlite($c) => $body,
            $crate::connection::Backend::Postgres($c) => $body,
        }
    };
}
pub(crate) use with_backend;

/// Keeps others from changing the row until the transaction ends: `lock_row!(conn, agents, id);`. SQLite has one writer
/// at a time anyway. Links to the row can still be made, so nobody waits who need not.
macro_rules! lock_row {
    ($conn:expr, $table:ident, $id:expr) => {
        if let $crate::connection::Backend::Postgres(c) = $crate::connection::Conn::backend($conn) {
            $table::table.find($id.to_string()).select($table::id).for_no_key_update().first::<String>(c).optional()?;
        }
    };
}
pub(crate) use lock_row;

/// The condition that rows which are asked for by their ids are the organization's. No index may be used for it: SQLite
/// takes that of all the organization's rows for better than five ids, and walks through it from end to end.
macro_rules! owned_by {
    ($table:ident, $organization:expr) => {
        $table::organization_id.concat("").eq($organization.to_string())
    };
}
pub(crate) use owned_by;

impl Conn {
    pub(crate) fn backend(&mut self) -> Backend<'_> {
        match &mut self.0 {
            Pooled::Sqlite(kept) => Backend::Sqlite(&mut kept.connection),
            Pooled::Postgres(kept) => Backend::Postgres(&mut kept.connection),
        }
    }

    /// Runs `work` in a transaction; an error rolls it back.
    pub(crate) fn transaction<T, E: From<Error>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin()?;
        match work(self) {
            Ok(value) => {
                with_backend!(self, c => AnsiTransactionManager::commit_transaction(c)).map_err(Error::from)?;
                Ok(value)
            }
            Err(error) => {
                // The pool throws away a connection whose transaction could not be ended.
                if let Err(failure) = with_backend!(self, c => AnsiTransactionManager::rollback_transaction(c)) {
                    tracing::warn!(error = %failure, "a transaction could not be rolled back");
                }
                Err(error)
            }
        }
    }

    fn begin(&mut self) -> Result<()> {
        match self.backend() {
            // Takes the write lock now: a transaction that reads first and writes later could fail half-way.
            Backend::Sqlite(c) => AnsiTransactionManager::begin_transaction_sql(c, "BEGIN IMMEDIATE")?,
            Backend::Postgres(c) => AnsiTransactionManager::begin_transaction(c)?,
        }
        Ok(())
    }
}

/// How long a connection may have been idle before it is tried out prior to use.
const TRUSTED_IDLE: Duration = Duration::from_secs(5);

/// A connection in the pool, with the time of its last use.
pub(crate) struct Kept<C> {
    pub(crate) connection: C,
    last_used: Instant,
}

type Setup<C> = Arc<dyn Fn(&mut C) -> diesel::QueryResult<()> + Send + Sync>;

/// Opens connections for a pool. Unlike diesel's own manager it tries out only those that were idle for a while,
/// which spares a round trip on every request and still survives a restart of the database.
pub(crate) struct Manager<C> {
    url: String,
    setup: Setup<C>,
    statements: Arc<AtomicU64>,
}

impl<C: R2D2Connection + Connection> Manager<C> {
    pub(crate) fn open(&self) -> ConnectionResult<C> {
        let mut connection = C::establish(&self.url)?;
        (self.setup)(&mut connection).map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
        let statements = Arc::clone(&self.statements);
        // Whoever listens to all connections of the program still hears of this one.
        let mut listener = get_default_instrumentation();
        connection.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if matches!(event, InstrumentationEvent::StartQuery { .. }) {
                statements.fetch_add(1, Ordering::Relaxed);
            }
            listener.on_connection_event(event);
        });
        Ok(connection)
    }
}

impl Manager<SqliteConnection> {
    pub(crate) fn sqlite(path: &str, busy_timeout: Duration, read_only: bool, statements: &Arc<AtomicU64>) -> Self {
        let pragmas = format!(
            "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
             PRAGMA temp_store = MEMORY; PRAGMA journal_size_limit = 67108864; PRAGMA query_only = {};",
            busy_timeout.as_millis(),
            if read_only { "ON" } else { "OFF" },
        );
        let setup = move |connection: &mut SqliteConnection| {
            connection.batch_execute(&pragmas)?;
            text::register(connection)
        };
        Self { url: path.to_owned(), setup: Arc::new(setup), statements: Arc::clone(statements) }
    }
}

impl Manager<PgConnection> {
    pub(crate) fn postgres(url: &str, lock_timeout: Duration, statements: &Arc<AtomicU64>) -> Self {
        let settings = format!("SET lock_timeout = {}", lock_timeout.as_millis());
        let setup: Setup<PgConnection> = Arc::new(move |connection| connection.batch_execute(&settings));
        Self { url: url.to_owned(), setup, statements: Arc::clone(statements) }
    }
}

impl<C: R2D2Connection + Connection + Send + 'static> ManageConnection for Manager<C> {
    type Connection = Kept<C>;
    type Error = diesel::r2d2::Error;

    fn connect(&self) -> std::result::Result<Kept<C>, Self::Error> {
        let connection = self.open().map_err(diesel::r2d2::Error::ConnectionError)?;
        Ok(Kept { connection, last_used: Instant::now() })
    }

    fn is_valid(&self, kept: &mut Kept<C>) -> std::result::Result<(), Self::Error> {
        if kept.last_used.elapsed() < TRUSTED_IDLE {
            return Ok(());
        }
        kept.connection.ping().map_err(diesel::r2d2::Error::QueryError)
    }

    fn has_broken(&self, kept: &mut Kept<C>) -> bool {
        kept.last_used = Instant::now();
        // After a panic nobody knows what state the connection is in.
        std::thread::panicking() || kept.connection.is_broken()
    }
}
