//! How far the document of this server agrees with the contract that clients were generated from.
//!
//! `just parity` writes what is missing to `docs/PARITY.md`. What is served must agree with the contract, and of the
//! resources in [`COMPLETE`] everything must be served.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

mod compare;
mod table;

use compare::{Document, Report};

/// The resources, by their tags, of which every operation is served.
const COMPLETE: [&str; 12] = [
    "_internal_agents",
    "_internal_blocks",
    "_internal_runs",
    "_internal_templates",
    "archives",
    "blocks",
    "groups",
    "health",
    "identities",
    "models",
    "passages",
    "tag",
];

/// The operations that only the hosted service of the reference has, by how their paths begin.
const HOSTED_ONLY: &[&str] = &[
    "/v1/agents/search",
    "/v1/agents/{agent_id}/core-memory/variables",
    "/v1/agents/{agent_id}/memory-files",
    "/v1/agents/{agent_id}/schedule",
    "/v1/client-side-access-tokens",
    "/v1/device-storage-key",
    "/v1/environments",
    "/v1/feeds",
    "/v1/legacy-templates",
    "/v1/metadata",
    "/v1/models/embeddings",
    "/v1/pipelines",
    "/v1/projects",
    "/v1/sandboxes",
    "/v1/templates",
];

fn report() -> Report {
    let ours = Document::new(serde_json::to_value(muisti_api::document()).unwrap());
    let contract = Document::new(serde_json::from_str(include_str!("../../../../tests/contract.json")).unwrap());
    compare::compare(&contract, &ours, HOSTED_ONLY)
}

#[test]
fn what_is_served_agrees_with_the_contract() {
    let differences = report().differences;
    let lines: Vec<String> = differences.iter().map(|(place, what)| format!("{place}: {what}")).collect();
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn complete_resources_miss_no_operation() {
    let report = report();
    let missing: Vec<&String> = COMPLETE.iter().flat_map(|tag| &report.resources[*tag].missing).collect();
    assert!(missing.is_empty(), "not served: {missing:?}");
}

#[test]
fn the_table_can_be_written() {
    let text = table::render(&report());
    assert!(text.starts_with("# Parity"));
    if std::env::var_os("MUISTI_WRITE_PARITY").is_some() {
        std::fs::write(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/PARITY.md"), text).unwrap();
    }
}
