//! Flags and variables.

use std::{net::IpAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum, builder::FalseyValueParser};

use crate::managers::WhenPending;

/// A server for agents that remember.
#[derive(Debug, Parser)]
#[command(
    name = "muisti",
    version,
    about = "A server for agents that remember.",
    args_conflicts_with_subcommands = true
)]
#[command(after_help = "Without a command, the server is started. Models come from the environment: set \
                        OPENAI_API_KEY, or OLLAMA_BASE_URL and the like; `muisti doctor` shows what was found.")]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) server: Box<ServerArgs>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Start the server. This is also what `muisti` alone does.
    Server(Box<ServerArgs>),
    /// Bring the database to the form that this version needs, and stop. The server does so by itself.
    Migrate(DatabaseArgs),
    /// Print the OpenAPI document.
    Openapi,
    /// Show what was found: the database, providers and their models, the sandbox; and what to set.
    Doctor(DoctorArgs),
}

/// Where the data is.
#[derive(Debug, Clone, Args)]
pub(crate) struct DatabaseArgs {
    /// The directory of the SQLite database and everything else that must survive.
    #[arg(long, env = "MUISTI_DATA_DIR", default_value = "data", value_name = "DIR")]
    pub(crate) data_dir: PathBuf,

    /// A PostgreSQL URL, to use that database instead of SQLite. [env also: LETTA_PG_URI]
    #[arg(long, env = "MUISTI_DATABASE_URL", hide_env_values = true, value_name = "URL")]
    pub(crate) database_url: Option<String>,

    /// The form of the log.
    #[arg(long, env = "MUISTI_LOG_FORMAT", value_enum, default_value_t = LogFormat::Human)]
    pub(crate) log_format: LogFormat,
}

/// What `muisti doctor` takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// Look as `muisti --dev` would.
    #[arg(long, env = "MUISTI_DEV", value_parser = FalseyValueParser::new())]
    pub(crate) dev: bool,
}

impl std::ops::Deref for DoctorArgs {
    type Target = DatabaseArgs;

    fn deref(&self) -> &DatabaseArgs {
        &self.database
    }
}

/// What the server takes.
#[derive(Debug, Clone, Args)]
pub(crate) struct ServerArgs {
    /// The address to listen on. Set a password before opening the server to others.
    #[arg(long, env = "MUISTI_HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,

    /// The port to listen on; 0 takes a free one.
    #[arg(long, env = "MUISTI_PORT", default_value_t = 8283)]
    pub(crate) port: u16,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// Add a built-in test model, `muisti/test`: it needs no key and no network, and answers a few documented phrases.
    #[arg(long, env = "MUISTI_DEV", value_parser = FalseyValueParser::new())]
    pub(crate) dev: bool,

    /// The password that every request must carry as its bearer token. [env also: LETTA_SERVER_PASSWORD]
    #[arg(long, env = "MUISTI_PASSWORD", hide_env_values = true)]
    pub(crate) password: Option<String>,

    /// Demand a password, and make one up when none is given. [env also: LETTA_SERVER_SECURE]
    #[arg(long, env = "MUISTI_SECURE", value_parser = FalseyValueParser::new())]
    pub(crate) secure: bool,

    /// The most bytes that the body of a request may have.
    #[arg(long, env = "MUISTI_BODY_LIMIT", default_value_t = 64 * 1024 * 1024, value_name = "BYTES")]
    pub(crate) body_limit: usize,

    /// Origins, separated by commas, whose web pages may use this server, beside the usual local ones.
    /// [env also: ACCEPTABLE_ORIGINS, or LETTA_CORS_ORIGINS as a JSON list that replaces the usual ones]
    #[arg(long, env = "MUISTI_CORS_ORIGINS", value_delimiter = ',', value_name = "ORIGINS")]
    pub(crate) cors_origins: Vec<String>,

    /// Names, separated by commas, by which a server without a password on a loopback address may be called, beside
    /// localhost.
    #[arg(long, env = "MUISTI_ALLOWED_HOSTS", value_delimiter = ',', value_name = "NAMES")]
    pub(crate) allowed_hosts: Vec<String>,

    /// Let the addresses that users name, of images in messages and of callbacks, be those of this machine and of private
    /// networks too. Without it the server asks only addresses of the public internet on their behalf.
    #[arg(long, env = "MUISTI_ALLOW_PRIVATE_ADDRESSES", value_parser = FalseyValueParser::new())]
    pub(crate) allow_private_addresses: bool,

    /// How long tool calls wait for an approval, in seconds. Afterwards they count as denied, and messages are taken again.
    /// Without it they wait for ever.
    #[arg(long, env = "MUISTI_APPROVAL_LIFETIME", value_parser = clap::value_parser!(u64).range(1..), value_name = "SECONDS")]
    pub(crate) approval_lifetime: Option<u64>,

    /// What to do with a message that comes while tool calls wait for an approval, if its request does not say: refuse
    /// it, or deny what waits and go on.
    #[arg(long, env = "MUISTI_ON_PENDING", value_enum, default_value_t = OnPending::Refuse)]
    pub(crate) on_pending: OnPending,

    /// How long a stop waits for the requests that are being answered, in seconds.
    #[arg(long, env = "MUISTI_SHUTDOWN_GRACE", default_value_t = 30, value_name = "SECONDS")]
    pub(crate) shutdown_grace: u64,

    /// How long the other servers on the same database wait for a sign of life of this one before they take over its
    /// work, in seconds.
    #[arg(long, env = "MUISTI_LEASE", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600), value_name = "SECONDS")]
    pub(crate) lease: u64,

    /// How long a stream may be silent before a ping is sent, in seconds; 0 for no pings. [default: 20] [env also:
    /// LETTA_KEEPALIVE_INTERVAL]
    #[arg(long, env = "MUISTI_KEEPALIVE_INTERVAL", value_name = "SECONDS")]
    pub(crate) keepalive_interval: Option<f64>,

    /// How many threads answer requests; 0 takes one for each processor.
    #[arg(long, env = "MUISTI_WORKERS", default_value_t = 0, value_name = "NUMBER")]
    pub(crate) workers: usize,
}

/// The form of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line for each event.
    Human,
    /// One JSON object for each event.
    Json,
}

/// What to do with a message while tool calls wait for the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnPending {
    /// Answer with 409 and what waits.
    Refuse,
    /// Deny what waits and go on.
    Deny,
}

impl From<OnPending> for WhenPending {
    fn from(on_pending: OnPending) -> Self {
        match on_pending {
            OnPending::Refuse => Self::Refuse,
            OnPending::Deny => Self::Deny,
        }
    }
}

impl DatabaseArgs {
    /// The URL of a PostgreSQL database, if one is to be used.
    pub(crate) fn url(&self) -> Option<String> {
        let given = self.database_url.clone().filter(|url| !url.is_empty());
        given.or_else(|| variable("LETTA_PG_URI"))
    }
}

impl ServerArgs {
    /// Whether only this machine can reach the server.
    pub(crate) fn is_loopback(&self) -> bool {
        self.host == "localhost" || self.host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
    }
}

/// A variable that is set to something.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_means_the_server_with_its_flags() {
        let cli = Cli::parse_from(["muisti", "--port", "1", "--dev"]);
        assert!(cli.command.is_none());
        assert_eq!(cli.server.port, 1);
        assert!(cli.server.dev);
    }

    #[test]
    fn every_flag_names_its_variable() {
        for command in [Cli::command(), Cli::command().find_subcommand("server").unwrap().clone()] {
            for argument in command.get_arguments().filter(|argument| argument.get_long().is_some()) {
                let name = argument.get_long().unwrap_or_default();
                let exempt = ["help", "version"].contains(&name);
                assert!(exempt || argument.get_env().is_some(), "--{name} has no variable");
            }
        }
    }
}
