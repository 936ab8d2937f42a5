//! Both kinds of database a test runs on, behind one type.

use std::fmt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::postgres::{Postgres, PostgresDatabase};

/// The kind of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    /// Those that can be tested here: SQLite always, PostgreSQL when [`Postgres::available`].
    pub fn all() -> Vec<Self> {
        let mut backends = vec![Self::Sqlite];
        backends.extend(Postgres::available().map(|_| Self::Postgres));
        backends
    }

    /// A fresh, empty database of this kind.
    ///
    /// # Panics
    /// For PostgreSQL when there is none.
    pub fn fresh(self) -> TestDatabase {
        let directory = tempfile::Builder::new().prefix("muisti-test-").tempdir().expect("a temporary directory");
        let postgres = match self {
            Self::Sqlite => None,
            Self::Postgres => Some(Postgres::available().expect("PostgreSQL is available").database()),
        };
        TestDatabase { directory, postgres }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        })
    }
}

/// A data directory, and with PostgreSQL a database next to it. Both are removed when this is dropped.
#[derive(Debug)]
pub struct TestDatabase {
    // Declared first, so dropped first: nothing of the directory is needed to drop the database.
    postgres: Option<PostgresDatabase>,
    directory: TempDir,
}

impl TestDatabase {
    /// One fresh database of each kind that can be tested here.
    pub fn each() -> Vec<Self> {
        Backend::all().into_iter().map(Backend::fresh).collect()
    }

    pub fn backend(&self) -> Backend {
        if self.postgres.is_some() { Backend::Postgres } else { Backend::Sqlite }
    }

    /// `postgres://…`; None for SQLite, whose file the server makes in its data directory.
    pub fn url(&self) -> Option<String> {
        self.postgres.as_ref().map(PostgresDatabase::url)
    }

    /// Whether somebody waits for a lock that another one holds, where the database tells: on PostgreSQL.
    pub fn is_waited_for(&self) -> bool {
        self.postgres.as_ref().is_some_and(PostgresDatabase::is_waited_for)
    }

    /// An empty directory for the server's data.
    pub fn data_dir(&self) -> &Path {
        self.directory.path()
    }

    /// Where a test that opens SQLite by itself may put its file.
    pub fn sqlite_path(&self) -> PathBuf {
        self.directory.path().join("muisti.db")
    }
}
