//! The `muisti` program.

fn main() -> std::process::ExitCode {
    muisti_api::cli::main()
}
