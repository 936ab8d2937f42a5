//! Throw-away PostgreSQL: one cluster for this process, started at first use, a fresh database for each test.
//!
//! `TEST_DATABASE_URL` names a server to use instead (a user there must be allowed to create databases; `psql` must be
//! installed). Otherwise the machine's own binaries are used: `MUISTI_TEST_PG_BIN`, `/usr/lib/postgresql/*/bin`, `PATH`.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::port::Port;

/// Keeps the cluster for as long as our end of its standard input is open, however this process ends, then clears up.
const KEEPER: &str = r#"
"$1/postgres" -D "$2/data" >"$2/log" 2>&1 &
server=$!
cat >/dev/null
kill -INT "$server" 2>/dev/null
wait "$server"
rm -rf "$2"
"#;

const CONFIGURATION: &str = "
fsync = off
synchronous_commit = off
full_page_writes = off
autovacuum_naptime = 5
max_connections = 300
shared_buffers = 32MB
listen_addresses = '127.0.0.1'
timezone = 'UTC'
";

/// A PostgreSQL server that tests may fill and throw away.
#[derive(Debug)]
pub struct Postgres {
    admin_url: String,
    psql: PathBuf,
    /// Closing its standard input ends the cluster.
    _keeper: Option<Child>,
}

/// A fresh, empty database. It is dropped with this value.
#[derive(Debug)]
pub struct PostgresDatabase {
    server: &'static Postgres,
    name: String,
}

impl Postgres {
    /// The server of this process, or None (said once on standard output) when the machine has no PostgreSQL.
    ///
    /// # Panics
    /// When there is none and `CI=true`, where a skipped test would be a hole; and when it is there but does not start.
    pub fn available() -> Option<&'static Self> {
        static SERVER: OnceLock<Option<Postgres>> = OnceLock::new();
        let server = SERVER.get_or_init(|| {
            let server = Self::from_environment().or_else(Self::start);
            if server.is_none() {
                let ci = std::env::var("CI").is_ok_and(|value| value == "true" || value == "1");
                assert!(!ci, "CI needs PostgreSQL: install its binaries or set TEST_DATABASE_URL");
                println!("SKIPPED on PostgreSQL: no binaries found (install postgresql, or set TEST_DATABASE_URL)");
            }
            server
        });
        server.as_ref()
    }

    /// Creates an empty database.
    pub fn database(&'static self) -> PostgresDatabase {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("muisti_test_{}_{count}", std::process::id());
        self.execute(&format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'"));
        PostgresDatabase { server: self, name }
    }

    /// The URL of the administrative database.
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    fn execute(&self, statement: &str) -> String {
        self.try_execute(statement).unwrap_or_else(|error| panic!("psql could not run `{statement}`: {error}"))
    }

    /// What the statement gives, bare.
    fn try_execute(&self, statement: &str) -> Result<String, String> {
        let arguments =
            ["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-d", self.admin_url.as_str(), "-c", statement];
        let output = Command::new(&self.psql).args(arguments).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("{}: {error}", self.psql.display()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn from_environment() -> Option<Self> {
        let admin_url = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty())?;
        let psql = find_binaries().map(|bin| bin.join("psql")).filter(|psql| psql.is_file());
        let server = Self { admin_url, psql: psql.unwrap_or_else(|| "psql".into()), _keeper: None };
        if let Err(error) = server.try_execute("SELECT 1") {
            panic!("TEST_DATABASE_URL is set, but no connection came about: {error}");
        }
        Some(server)
    }

    fn start() -> Option<Self> {
        let bin = find_binaries()?;
        // Where ports cannot be kept, another process may take it before the server does: then another one is tried.
        for _ in 0..5 {
            match Self::try_start(&bin) {
                Ok(server) => return Some(server),
                Err(log) => assert!(log.contains("Address already in use"), "PostgreSQL did not start:\n{log}"),
            }
        }
        panic!("PostgreSQL found no free port in five attempts")
    }

    /// Makes a cluster and starts it; the server's log when that fails.
    fn try_start(bin: &Path) -> Result<Self, String> {
        let directory = tempfile::Builder::new().prefix("muisti-pg-").tempdir().expect("a temporary directory").keep();
        let user = unprivileged_user(&directory);
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(&directory, Some(uid), Some(gid)).expect("root may give a directory away");
        }
        fs::set_permissions(&directory, fs::Permissions::from_mode(0o700)).expect("own directory");
        let command = |program: &Path| {
            let mut command = Command::new(program);
            command.current_dir("/").env("LC_ALL", "C").env_remove("PGDATA");
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let data = directory.join("data");
        let initdb = command(&bin.join("initdb"))
            .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "-D"])
            .arg(&data)
            .stdin(Stdio::null())
            .output()
            .expect("initdb starts");
        assert!(initdb.status.success(), "initdb failed: {}", String::from_utf8_lossy(&initdb.stderr));
        let port = Port::free();
        let sockets = directory.display();
        let settings = format!("{CONFIGURATION}port = {}\nunix_socket_directories = '{sockets}'\n", port.number());
        append(&data.join("postgresql.conf"), &settings);
        let mut keeper = command(Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .args([bin, &directory])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C is for the tests; the keeper then sees them go and clears up.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        if !is_ready(&data) {
            let log = fs::read_to_string(directory.join("log")).unwrap_or_default();
            drop(keeper.stdin.take());
            let _ = keeper.wait();
            return Err(log);
        }
        let psql = bin.join("psql");
        Ok(Self {
            admin_url: format!("postgres://postgres@127.0.0.1:{}/postgres", port.number()),
            psql: if psql.is_file() { psql } else { "psql".into() },
            _keeper: Some(keeper),
        })
    }
}

impl PostgresDatabase {
    /// The URL to give to the server under test.
    pub fn url(&self) -> String {
        let (base, query) = match self.server.admin_url.split_once('?') {
            Some((base, query)) => (base, format!("?{query}")),
            None => (self.server.admin_url.as_str(), String::new()),
        };
        let base = base.rsplit_once('/').map_or(base, |(base, _)| base);
        format!("{base}/{}{query}", self.name)
    }

    /// Whether somebody waits for a lock that another one holds.
    pub fn is_waited_for(&self) -> bool {
        let waiting = format!("FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'", self.name);
        self.server.execute(&format!("SELECT count(*) > 0 {waiting}")) == "t"
    }
}

impl Drop for PostgresDatabase {
    fn drop(&mut self) {
        // Best effort: a cluster of our own goes away whole, and a panic in a test is not to be hidden by another.
        let _ = self.server.try_execute(&format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name));
    }
}

fn find_binaries() -> Option<PathBuf> {
    if let Some(bin) = std::env::var_os("MUISTI_TEST_PG_BIN") {
        return Some(bin.into());
    }
    let mut versions: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| bin.join("initdb").is_file())
        .collect();
    versions.sort();
    let installed = versions.pop().map(|(_, bin)| bin);
    installed.or_else(|| {
        let path = std::env::var_os("PATH")?;
        let initdb = std::env::split_paths(&path).map(|folder| folder.join("initdb")).find(|file| file.is_file())?;
        Some(fs::canonicalize(initdb).ok()?.parent()?.to_owned())
    })
}

/// PostgreSQL refuses to run as root; then it runs as its own user, or as nobody. None when we are not root.
fn unprivileged_user(own_directory: &Path) -> Option<(u32, u32)> {
    let is_root = fs::metadata(own_directory).expect("own directory").uid() == 0;
    if !is_root {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |name: &str| {
        let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
        let mut numbers = line.split(':').skip(2);
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    Some(find("postgres").or_else(|| find("nobody")).unwrap_or((65534, 65534)))
}

fn append(path: &Path, text: &str) {
    let mut content = fs::read_to_string(path).expect("initdb has written a configuration");
    content.push_str(text);
    fs::write(path, content).expect("the configuration can be written");
}

/// Waits for the server to say that it is ready, which it does in the last line of its pid file.
fn is_ready(data: &Path) -> bool {
    let end = Instant::now() + Duration::from_secs(60);
    let log = data.with_file_name("log");
    while Instant::now() < end {
        let status = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
        if status.lines().nth(7).is_some_and(|line| line.trim() == "ready") {
            return true;
        }
        if fs::read_to_string(&log).is_ok_and(|log| log.contains("FATAL:")) {
            return false;
        }
        thread::sleep(Duration::from_millis(10));
    }
    false
}
