//! The command line: which flags and variables there are, and what each command does.

mod args;
mod lock;
mod log;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::Parser;

use self::args::{Cli, Command};
pub(crate) use self::{
    args::{DatabaseArgs, DoctorArgs, ServerArgs, variable},
    lock::DataDirLock,
};
use crate::{doctor, openapi, server};

/// Runs the program: reads the command line and the environment, and does what they say.
#[must_use]
pub fn main() -> ExitCode {
    // What a `.env` file says counts as the environment, where that does not say otherwise.
    let env_file = dotenvy::dotenv();
    let cli = Cli::parse();
    let command = cli.command.unwrap_or(Command::Server(cli.server));
    let result = match command {
        Command::Server(args) => {
            log::start(args.database.log_format, "info,actix_server=warn");
            block_on(server::run(*args))
        }
        Command::Migrate(args) => {
            log::start(args.log_format, "info");
            block_on(server::migrate(args))
        }
        Command::Doctor(args) => {
            log::start(args.log_format, "error");
            block_on(doctor::run(args))
        }
        Command::Openapi => print(&openapi::json()),
    };
    if let Err(error) = env_file
        && !error.not_found()
    {
        complain(&format!("The file .env could not be read, so its variables do not count: {error}"));
    }
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs on a runtime of its own, beside those of the HTTP workers: it stays when they go, so that the work that was
/// begun for a request can be brought to its end.
fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}

/// Prints what a command was asked for. A reader that went away is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

fn complain(text: &str) {
    // Nothing is left to do when even this fails.
    let _ = writeln!(io::stderr().lock(), "error: {text}");
}
