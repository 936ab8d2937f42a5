#!/usr/bin/env bash
# Drives the built server with the official SDKs, on SQLite and on PostgreSQL.
# MUISTI_BIN names another build of the server; arguments go to pytest. Both SDKs are driven even when one fails.
set -euo pipefail
cd "$(dirname "$0")"
root=$(cd ../.. && pwd)

if [[ -z "${MUISTI_BIN:-}" ]]; then
    (cd "$root" && cargo build --quiet -p muisti-api --bin muisti)
    export MUISTI_BIN="$root/target/debug/muisti"
fi
(cd "$root" && cargo build --quiet -p muisti-testkit --bins)
export MUISTI_SCRIPTED_MODEL="$root/target/debug/scripted-model"
export MUISTI_THROWAWAY_POSTGRES="$root/target/debug/throwaway-postgres"

if [[ ! -x .venv/bin/pytest ]] || ! cmp -s requirements.txt .venv/installed; then
    python3 -m venv .venv
    .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt
    cp requirements.txt .venv/installed
fi
failed=0
.venv/bin/pytest python -q -p no:cacheprovider "$@" || failed=$?

cd ts
if [[ ! -d node_modules ]] || [[ package-lock.json -nt node_modules/.package-lock.json ]]; then
    npm ci --no-audit --no-fund --loglevel=error
fi
node --test ./*.test.mjs || failed=$?
exit $failed
