//! The OpenAPI document: committed, and in agreement with the API that clients were generated from.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;

use serde_json::Value;

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

fn ours() -> Value {
    serde_json::to_value(muisti_api::document()).unwrap()
}

fn reference() -> Value {
    serde_json::from_str(include_str!("../../../tests/contract.json")).unwrap()
}

/// Every operation of a document with its path and method.
/// What users asked for and the API does not have.
const OF_OUR_OWN: [(&str, &str); 3] = [
    ("post", "/v1/agents/{agent_id}/messages/reset-pending"),
    ("post", "/v1/conversations/{conversation_id}/messages/import"),
    ("post", "/v1/conversations/{conversation_id}/reset-pending"),
];

fn operations(document: &Value) -> Vec<(String, &'static str, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &Value)| {
        let path = path.clone();
        let item = item.clone();
        METHODS.into_iter().filter_map(move |method| Some((path.clone(), method, item.get(method)?.clone())))
    };
    paths.iter().flat_map(of_path).collect()
}

fn parameters(operation: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    parameters.iter().map(|parameter| (text(&parameter["in"]), text(&parameter["name"]))).collect()
}

#[test]
fn the_committed_document_is_up_to_date() {
    let committed =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../openapi.json")).unwrap_or_default();
    let generated = serde_json::to_string_pretty(&muisti_api::document()).unwrap();
    assert!(
        committed.trim_end() == generated.trim_end(),
        "openapi.json is stale. Bring it up to date with: just openapi"
    );
}

#[test]
fn operations_have_the_ids_and_tags_that_clients_know() {
    let reference = reference();
    for (path, method, operation) in operations(&ours()) {
        let known = &reference["paths"][&path][method];
        if OF_OUR_OWN.contains(&(method, path.as_str())) {
            assert!(known.is_null(), "{method} {path} is part of the API after all");
            continue;
        }
        assert!(known.is_object(), "{method} {path} is not part of the API");
        assert_eq!(operation["operationId"], known["operationId"], "{method} {path}");
        let tags = |operation: &Value| -> BTreeSet<String> {
            operation["tags"].as_array().unwrap().iter().map(|tag| tag.as_str().unwrap().to_owned()).collect()
        };
        assert!(tags(&operation).is_subset(&tags(known)), "{method} {path}: {:?}", operation["tags"]);
    }
}

#[test]
fn operations_take_the_parameters_that_clients_send() {
    // What the reference takes and does nothing with.
    let without_effect = ["ascending", "sort_by", "tags", "order_by"];
    let reference = reference();
    for (path, method, operation) in operations(&ours()) {
        let ours = parameters(&operation);
        for (place, name) in parameters(&reference["paths"][&path][method]) {
            let taken = ours.contains(&(place.clone(), name.clone()));
            assert!(
                taken || place == "header" || without_effect.contains(&name.as_str()),
                "{method} {path} does not take the {place} parameter {name}"
            );
        }
    }
}

#[test]
fn every_operation_and_parameter_is_described() {
    for (path, method, operation) in operations(&ours()) {
        assert!(operation["summary"].is_string(), "{method} {path} has no summary");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{method} {path}: {} is not described", parameter["name"]);
        }
    }
}

#[test]
fn every_reference_leads_to_a_component() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = ours();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in found {
        let path = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(path).is_some(), "{reference} leads to nothing");
    }
}
