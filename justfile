# What one does often. `just` lists it.

_default:
    @just --list

# Start the server; arguments go to it (`just run --dev`).
run *arguments:
    cargo run --release -- {{arguments}}

# Run every Rust test, on SQLite and PostgreSQL, the crash test included.
test *arguments:
    cargo test --workspace {{arguments}}

# Check the format and the lints, warnings being errors.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# Write openapi.json anew from the code.
openapi:
    cargo build --quiet -p muisti-api --bin muisti
    target/debug/muisti openapi > target/openapi.json
    mv target/openapi.json openapi.json

# Write docs/PARITY.md anew: what the contract has and the document does not.
parity:
    MUISTI_WRITE_PARITY=1 cargo test -p muisti-api --test parity

# Measure the release build on each database; arguments go to the benchmark.
bench *arguments:
    cargo build --release -p muisti-api --bin muisti
    cargo run --release -p muisti-testkit --bin bench -- --server target/release/muisti {{arguments}}

# Drive the built server with the official SDKs; arguments go to pytest.
sdk-test *arguments:
    tests/sdk/run.sh {{arguments}}

# Kill the server at random moments, many more times than the tests do.
crash-test kills="200":
    MUISTI_CRASH_KILLS={{kills}} cargo test -p muisti-api --test crash -- --nocapture
