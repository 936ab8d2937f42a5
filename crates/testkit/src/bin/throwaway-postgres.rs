//! A throw-away PostgreSQL as a program, for tests that are not written in Rust.
//!
//! For every line on standard input it prints the URL of a fresh, empty database; when the input ends, all of it is gone.
//! Without PostgreSQL on the machine it prints why and exits with status 3.

#![allow(clippy::print_stdout, reason = "a test tool")]

use std::io::BufRead;
use std::process::ExitCode;

use muisti_testkit::Postgres;

fn main() -> ExitCode {
    let Some(postgres) = Postgres::available() else { return ExitCode::from(3) };
    let mut databases = Vec::new();
    for _ in std::io::stdin().lock().lines().map_while(Result::ok) {
        let database = postgres.database();
        println!("{}", database.url());
        databases.push(database);
    }
    ExitCode::SUCCESS
}
