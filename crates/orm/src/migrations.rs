//! The migrations, which the program carries with it.

use std::collections::HashSet;

use diesel::{
    Connection, PgConnection, SqliteConnection,
    connection::SimpleConnection,
    migration::{Migration, MigrationSource},
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use crate::{
    Error, Result,
    connection::{Backend, Conn},
};

const SQLITE: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");
const POSTGRES: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");

/// Any number will do, if all nodes have the same.
const LOCK: &str = "SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(7025486541237);";

/// Applies what is missing, inside the transaction of the caller.
pub(crate) fn run(conn: &mut Conn) -> Result<Vec<String>> {
    each(conn, true)
}

/// What is missing.
pub(crate) fn pending(conn: &mut Conn) -> Result<Vec<String>> {
    each(conn, false)
}

fn each(conn: &mut Conn, apply: bool) -> Result<Vec<String>> {
    match conn.backend() {
        Backend::Sqlite(c) => on::<SqliteConnection>(c, SQLITE, apply),
        Backend::Postgres(c) => {
            c.batch_execute(LOCK)?;
            on::<PgConnection>(c, POSTGRES, apply)
        }
    }
}

fn on<C>(conn: &mut C, source: EmbeddedMigrations, apply: bool) -> Result<Vec<String>>
where
    C: Connection + MigrationHarness<C::Backend>,
    EmbeddedMigrations: MigrationSource<C::Backend>,
{
    let failed = |e: Box<dyn std::error::Error + Send + Sync>| Error::Migration(e.to_string());
    let known: Vec<Box<dyn Migration<C::Backend>>> = source.migrations().map_err(failed)?;
    let known: HashSet<_> = known.iter().map(|migration| migration.name().version().as_owned()).collect();
    let applied = conn.applied_migrations().map_err(failed)?;
    if let Some(unknown) = applied.iter().find(|version| !known.contains(version)) {
        return Err(Error::Migration(format!(
            "it has the change {unknown}, which this program does not know. It was used by a newer version: start \
             that one, or restore a backup."
        )));
    }
    let pending = conn.pending_migrations(source).map_err(failed)?;
    if apply {
        for migration in &pending {
            conn.run_migration(migration.as_ref()).map_err(failed)?;
        }
    }
    Ok(pending.iter().map(|migration| migration.name().to_string()).collect())
}
