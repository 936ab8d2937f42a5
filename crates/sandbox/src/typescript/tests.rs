use proptest::prelude::*;
use serde_json::json;

use super::*;

#[track_caller]
fn schema(source: &str) -> Value {
    json_schema(source, None).unwrap_or_else(|error| panic!("{error}")).into()
}

#[track_caller]
fn refused(source: &str, reason: &str) -> SchemaError {
    let error = json_schema(source, None).unwrap_err();
    assert!(error.to_string().contains(reason), "{error}");
    error
}

/// The schema of a parameter of this type, and whether it can be left out.
#[track_caller]
fn of_annotation(annotation: &str) -> (Value, bool) {
    let made = schema(&format!("export function f(x: {annotation}): void {{}}"));
    (made["parameters"]["properties"]["x"].clone(), made["parameters"]["required"] == json!([]))
}

#[test]
fn every_type_has_its_schema() {
    for (annotation, expected) in [
        ("string", json!({ "type": "string" })),
        ("number", json!({ "type": "number" })),
        ("boolean", json!({ "type": "boolean" })),
        ("any", json!({ "type": "string" })),
        ("void", json!({ "type": "null" })),
        ("null", json!({ "type": "null" })),
        ("undefined", json!({ "type": "null" })),
        ("string[]", json!({ "type": "array", "items": { "type": "string" } })),
        ("Array<number[]>", json!({ "type": "array", "items": { "type": "array", "items": { "type": "number" } } })),
        ("readonly string[]", json!({ "type": "array", "items": { "type": "string" } })),
        ("(string)[]", json!({ "type": "array", "items": { "type": "string" } })),
        ("string | number", json!({ "type": "string" })),
        ("{ a: string }", json!({ "type": "object" })),
        ("Record<string, number>", json!({ "type": "object", "additionalProperties": { "type": "number" } })),
        ("Date", json!({ "type": "object" })),
        ("Map<string, number>", json!({ "type": "object" })),
        ("'a' | \"b\"", json!({ "type": "string", "enum": ["a", "b"] })),
        ("1 | 2 | -3", json!({ "type": "number", "enum": [1, 2, -3] })),
        ("'a'", json!({ "type": "string", "enum": ["a"] })),
    ] {
        assert_eq!(of_annotation(annotation), (expected, false), "{annotation}");
    }
    assert_eq!(of_annotation("number | undefined"), (json!({ "type": "number" }), true));
    assert_eq!(of_annotation("'a' | 'b' | null"), (json!({ "type": "string", "enum": ["a", "b"] }), true));
}

#[test]
fn comments_and_defaults_are_read() {
    let source = "
/**
 * Finds a place.
 * Anywhere.
 *
 * @param name - What it is
 *   called.
 * @param {number} [limit=5] How many.
 * @returns the place
 */
export async function find(name: string, limit = 5, near?: string, all: boolean = false): Promise<string> { return name }
";
    let expected = json!({
        "name": "find",
        "description": "Finds a place. Anywhere.",
        "parameters": {
            "type": "object",
            "properties": {
                "name": { "type": "string", "description": "What it is called." },
                "limit": { "type": "number", "description": "How many." },
                "near": { "type": "string" },
                "all": { "type": "boolean" },
            },
            "required": ["name"],
        },
    });
    assert_eq!(schema(source), expected);
}

#[test]
fn functions_come_before_async_ones_and_these_before_constants() {
    let (one, two, three) =
        ("export const one = (x: string) => x;", "export async function two() {}", "export function three() {}");
    assert_eq!(schema(&format!("{one}\n{two}\n{three}\nexport function four() {{}}"))["name"], "three");
    assert_eq!(schema(&format!("{one}\n{two}"))["name"], "two");
    assert_eq!(schema(one)["name"], "one");
    assert_eq!(schema("export default function main(a: number) {}")["name"], "main");
    assert_eq!(schema(three)["description"], "TypeScript function three");
    let source = format!("{one}\n{two}");
    assert_eq!(json_schema(&source, Some("one")).unwrap()["name"], "one");
    assert!(json_schema(&source, Some("zero")).unwrap_err().to_string().contains("'zero'"));
}

#[test]
fn what_has_no_schema_is_refused_with_the_line() {
    let none = "No exported function found in TypeScript source code";
    refused("function f(): void {}", none);
    refused("", none);
    refused("export const x = 5;", none);
    assert_eq!(refused("\nexport function f(\n  a) {}", "'a' in function 'f' lacks a type annotation").line(), Some(3));
    refused("export function f({ a }: { a: string }) {}", "has no name");
    refused("export function f(...a: string[]) {}", "Take one array");
    assert_eq!(
        refused("export function ok() {}\nexport function f(a: {", "Failed to parse source code").line(),
        Some(2)
    );
}

#[test]
fn what_the_module_binds_is_known() {
    let source = "import { a, b as c } from 'x';\nexport const d = 1, e = () => 2;\nfunction f() { const inner = 1; }\nclass G {}";
    for name in ["a", "c", "d", "e", "f", "G"] {
        assert!(defines(source, name).unwrap(), "{name}");
    }
    for name in ["b", "inner", "x"] {
        assert!(!defines(source, name).unwrap(), "{name}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "[ a-z(){}<>\\[\\]:;,.=|?*@/'\"\\n-]{0,80}", code in "(export |function |async |const |f|\\(|\\)|: |string|\\{\\}|=> |\\| |undefined|Array<|>|/\\*\\* @param |\\*/|\\n){0,20}") {
        let _ = json_schema(&text, None);
        let _ = json_schema(&code, None);
        let _ = defines(&code, "f");
    }
}
