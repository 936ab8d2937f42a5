//! The floors of the house: which crate may use which.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::{collections::BTreeMap, process::Command};

use serde_json::Value;

/// The dependencies that each package declares for its own code, without those of its tests.
fn dependencies() -> BTreeMap<String, Vec<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let name = |value: &Value| value["name"].as_str().unwrap().to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap();
            let own = dependencies.iter().filter(|dependency| dependency["kind"] != "dev").map(name).collect();
            (name(package), own)
        })
        .collect()
}

#[test]
fn each_crate_uses_only_the_floor_below() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("muisti-schema", &[][..]),
        ("muisti-llm", &["muisti-schema"][..]),
        ("muisti-orm", &["muisti-schema"][..]),
        ("muisti-sandbox", &["muisti-schema"][..]),
        ("muisti-managers", &["muisti-llm", "muisti-orm", "muisti-sandbox"][..]),
        ("muisti-api", &["muisti-managers"][..]),
        // For tests only, so it stands beside the house.
        ("muisti-testkit", &[][..]),
    ]);
    for (package, dependencies) in dependencies() {
        let allowed =
            allowed.get(package.as_str()).unwrap_or_else(|| panic!("{package} has no floor; give it one here"));
        for dependency in dependencies.iter().filter(|name| name.starts_with("muisti-")) {
            assert!(allowed.contains(&dependency.as_str()), "{package} may not use {dependency}");
        }
    }
}

#[test]
fn frameworks_stay_where_they_belong() {
    for (framework, homes) in [
        ("diesel", &["muisti-orm"][..]),
        ("actix-web", &["muisti-api"]),
        // Models, and what users name; both through rooms of their own.
        ("reqwest", &["muisti-llm", "muisti-managers"]),
        ("clap", &["muisti-api"]),
        ("tree-sitter", &["muisti-sandbox"]),
    ] {
        for (package, dependencies) in dependencies() {
            let uses = dependencies.iter().any(|name| name == framework || name.starts_with(&format!("{framework}-")));
            assert!(
                !uses || homes.contains(&package.as_str()),
                "{package} uses {framework}, which belongs to {homes:?}"
            );
        }
    }
}

#[test]
fn the_tests_kit_is_not_shipped() {
    for (package, dependencies) in dependencies() {
        assert!(!dependencies.iter().any(|name| name == "muisti-testkit"), "{package} ships muisti-testkit");
    }
}
