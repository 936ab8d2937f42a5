//! The built server as a process of its own: started, asked for its health, killed, started again.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::database::TestDatabase;
use crate::port::Port;

/// Variables of the machine that would give the server other models or another database than the test's.
const FOREIGN_PREFIXES: [&str; 5] = ["OPENAI_", "OLLAMA_", "LETTA_", "MUISTI_", "ANTHROPIC_"];

/// How long a start may take before it counts as failed; a debug build on a busy machine is slow.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Sets up a [`Server`].
#[derive(Clone, Debug)]
pub struct ServerBuilder {
    binary: PathBuf,
    data_dir: PathBuf,
    database_url: Option<String>,
    variables: Vec<(String, OsString)>,
    arguments: Vec<String>,
    port: Port,
}

/// A running server. It is killed when dropped.
#[derive(Debug)]
pub struct Server {
    builder: ServerBuilder,
    child: Child,
    /// From the start of the process to the first healthy answer.
    pub start_time: Duration,
}

impl ServerBuilder {
    #[must_use]
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    #[must_use]
    pub fn arg(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// Makes it another node on the same database: with a data directory of its own, inside that of the first, and on
    /// another port. Nodes share what they need by a common `MUISTI_ENCRYPTION_KEY`.
    ///
    /// # Panics
    /// When the directory cannot be made.
    #[must_use]
    pub fn node(mut self, name: &str) -> Self {
        self.data_dir.push(name);
        std::fs::create_dir_all(&self.data_dir).expect("the node's data directory can be made");
        self.port = Port::free();
        self
    }

    /// Starts and waits for the first healthy answer.
    ///
    /// # Panics
    /// When the server ends by itself or does not become healthy; the message carries the end of its log.
    pub fn start(self) -> Server {
        let begin = Instant::now();
        let mut server = Server { child: self.spawn(), builder: self, start_time: Duration::ZERO };
        while !server.is_healthy() {
            let ended = server.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "the server ended ({}) instead of starting:\n{}", ended.unwrap(), server.log());
            assert!(begin.elapsed() < START_LIMIT, "the server is not healthy after a minute:\n{}", server.log());
            thread::sleep(Duration::from_millis(1));
        }
        server.start_time = begin.elapsed();
        server
    }

    fn spawn(&self) -> Child {
        let log = self.log_path();
        let open = || File::options().create(true).append(true).open(&log).expect("the log can be written");
        let mut command = Command::new(&self.binary);
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if FOREIGN_PREFIXES.iter().any(|prefix| text.starts_with(prefix)) {
                command.env_remove(&name);
            }
        }
        if let Some(url) = &self.database_url {
            command.env("MUISTI_DATABASE_URL", url);
        }
        command
            .args(["--host", "127.0.0.1", "--port", &self.port.number().to_string(), "--data-dir"])
            .arg(&self.data_dir)
            .args(&self.arguments)
            // Away from the caller's folder, where a .env file may lie.
            .current_dir(&self.data_dir)
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(open())
            .stderr(open());
        command.spawn().unwrap_or_else(|error| panic!("{}: {error}", self.binary.display()))
    }

    fn log_path(&self) -> PathBuf {
        let mut path = self.data_dir.clone().into_os_string();
        path.push(".log");
        path.into()
    }
}

impl Server {
    /// The binary on this database, on a free port that a restart keeps.
    pub fn builder(binary: impl AsRef<Path>, database: &TestDatabase) -> ServerBuilder {
        ServerBuilder {
            binary: std::path::absolute(binary).expect("the binary's path"),
            data_dir: database.data_dir().to_owned(),
            database_url: database.url(),
            variables: Vec::new(),
            arguments: Vec::new(),
            port: Port::free(),
        }
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        self.builder.port.url("")
    }

    /// A client with a connection of its own.
    pub fn client(&self) -> Client {
        Client::new(&self.url())
    }

    /// SIGKILL, as a crash would: nothing in the process gets to run any more.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM: asks it to stop, and waits for that.
    ///
    /// # Panics
    /// When it still runs after `limit`.
    pub fn terminate(&mut self, limit: Duration) -> ExitStatus {
        self.ask_to_terminate();
        self.wait_for_exit(limit)
    }

    /// Waits for the process to end by itself.
    ///
    /// # Panics
    /// When it still runs after `limit`.
    pub fn wait_for_exit(&mut self, limit: Duration) -> ExitStatus {
        let end = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().expect("a child can be asked") {
                return status;
            }
            assert!(Instant::now() < end, "the server still runs:\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// SIGTERM without waiting for what it does.
    pub fn ask_to_terminate(&self) {
        self.signal("-TERM");
    }

    /// SIGSTOP: it does nothing any more, until it [goes on](Self::go_on) and does not know of the time in between.
    pub fn freeze(&self) {
        self.signal("-STOP");
        // All of its threads have to come to a halt.
        while self.states_of_threads().is_some_and(|states| states.iter().any(|state| state != "T")) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// What its threads do, by the letters of `/proc`, where that tells.
    fn states_of_threads(&self) -> Option<Vec<String>> {
        let threads = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).ok()?;
        let state = |path: PathBuf| {
            let stat = std::fs::read_to_string(path.join("stat")).ok()?;
            // The name before it may hold anything, a parenthesis included.
            Some(stat.rsplit_once(") ")?.1.split(' ').next()?.to_owned())
        };
        Some(threads.filter_map(|thread| state(thread.ok()?.path())).collect())
    }

    /// SIGCONT: the end of a [freeze](Self::freeze).
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args([name, &pid]).status().expect("kill starts");
        assert!(status.success(), "the signal {name} could not be sent");
    }

    /// Starts again on the same port and data; kills it first where it still runs.
    #[must_use]
    pub fn restart(mut self) -> Self {
        self.kill();
        self.builder.clone().start()
    }

    /// [`Self::restart`], in place.
    pub fn start_again(&mut self) {
        self.kill();
        *self = self.builder.clone().start();
    }

    /// Kills it, starts it again and kills it so long into the start: a crash while it recovers from a crash.
    pub fn crash_while_starting(&mut self, after: Duration) {
        self.kill();
        self.child = self.builder.spawn();
        thread::sleep(after);
        self.kill();
    }

    /// Resident memory in KiB, where `/proc` tells.
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    /// The last lines the server wrote.
    pub fn log(&self) -> String {
        let log = std::fs::read_to_string(self.builder.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn is_healthy(&self) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], self.builder.port.number()));
        let ask = || -> io::Result<bool> {
            let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            stream.write_all(b"GET /v1/health/ HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")?;
            let mut head = [0; 12];
            stream.read_exact(&mut head)?;
            Ok(&head == b"HTTP/1.1 200")
        };
        ask().unwrap_or(false)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_file(self.builder.log_path());
    }
}
