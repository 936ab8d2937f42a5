//! The log: to standard error, readable or as JSON.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use super::args::LogFormat;

/// Starts the log. `MUISTI_LOG` or `RUST_LOG` say what is logged, e.g. `debug` or `muisti_llm=trace`.
pub(super) fn start(format: LogFormat, default: &str) {
    let filter = ["MUISTI_LOG", "RUST_LOG"]
        .into_iter()
        .filter_map(super::variable)
        .find_map(|directives| directives.parse::<EnvFilter>().ok())
        .unwrap_or_else(|| EnvFilter::new(default));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Human => log.with_target(false).with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
