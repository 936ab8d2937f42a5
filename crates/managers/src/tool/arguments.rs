//! Arguments of a tool call against the tool's schema.

use serde_json::{Map, Value};

/// The arguments as the tool takes them, or what is wrong with them, for the model to read.
///
/// Text that stands for a number, a boolean, a list or an object is read as one where the schema wants one,
/// since models write it so; what the schema wants as text is never touched. Null for an argument that may be
/// left out means left out.
///
/// # Errors
///
/// One sentence for the first argument that is unknown, missing or of the wrong type.
pub fn check(tool: &str, json_schema: &Value, args: Map<String, Value>) -> Result<Map<String, Value>, String> {
    let parameters = json_schema.get("parameters").unwrap_or(&Value::Null);
    let none = Map::new();
    let properties = parameters.get("properties").and_then(Value::as_object).unwrap_or(&none);
    let required: Vec<&str> = strings(parameters.get("required")).collect();
    let open = parameters.get("additionalProperties").is_some_and(|more| *more != Value::Bool(false));

    let mut checked = Map::with_capacity(args.len());
    for (name, value) in args {
        let Some(schema) = properties.get(&name) else {
            if open {
                checked.insert(name, value);
                continue;
            }
            return Err(unknown(tool, &name, properties));
        };
        if value.is_null() && !required.contains(&name.as_str()) && !fits(schema, &value) {
            continue;
        }
        let value = coerce(schema, value);
        if let Err(wanted) = explain(schema, &value) {
            return Err(format!("Argument '{name}' of tool '{tool}' must be {wanted}, not {}.", shorten(&value)));
        }
        checked.insert(name, value);
    }
    match required.iter().find(|name| !checked.contains_key(**name)) {
        Some(name) => Err(format!("Argument '{name}' is required for tool '{tool}', and was not given.")),
        None => Ok(checked),
    }
}

fn unknown(tool: &str, name: &str, properties: &Map<String, Value>) -> String {
    let known: Vec<&str> = properties.keys().map(String::as_str).collect();
    if known.is_empty() {
        return format!("Unknown argument '{name}' for tool '{tool}', which takes no arguments.");
    }
    format!("Unknown argument '{name}' for tool '{tool}'. Its arguments are: {}.", known.join(", "))
}

/// Reads text as what the schema wants, and a whole number with a fraction of zero as an integer.
fn coerce(schema: &Value, value: Value) -> Value {
    if fits(schema, &value) {
        return value;
    }
    let other = match &value {
        Value::String(text) => match text.trim() {
            "True" => Some(Value::Bool(true)),
            "False" => Some(Value::Bool(false)),
            text => serde_json::from_str(text).ok(),
        },
        Value::Number(number) => {
            #[allow(clippy::cast_possible_truncation)]
            let whole = number.as_f64().filter(|n| n.fract() == 0.0 && n.abs() < 9e15).map(|n| Value::from(n as i64));
            whole
        }
        _ => None,
    };
    other.filter(|other| fits(schema, other)).unwrap_or(value)
}

fn fits(schema: &Value, value: &Value) -> bool {
    explain(schema, value).is_ok()
}

/// What the schema wants, if the value is not that.
fn explain(schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(variants) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
        if variants.is_empty() || variants.iter().any(|variant| fits(variant, value)) {
            return Ok(());
        }
        let wanted: Vec<String> = variants.iter().filter_map(|variant| explain(variant, value).err()).collect();
        return Err(wanted.join(" or "));
    }
    if let Some(constant) = schema.get("const") {
        return if constant == value { Ok(()) } else { Err(constant.to_string()) };
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        let list: Vec<String> = values.iter().map(ToString::to_string).collect();
        return if values.contains(value) { Ok(()) } else { Err(format!("one of {}", list.join(", "))) };
    }
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(name)) => vec![name],
        types => strings(types).collect(),
    };
    if !types.is_empty() && !types.iter().any(|name| is_type(name, value)) {
        let wanted: Vec<&str> = types.iter().map(|name| with_article(name)).collect();
        return Err(wanted.join(" or "));
    }
    match value {
        Value::Array(items) => {
            let Some(schema) = schema.get("items") else { return Ok(()) };
            let wrong = items.iter().find_map(|item| explain(schema, item).err());
            wrong.map_or(Ok(()), |wanted| Err(format!("a list in which each item is {wanted}")))
        }
        Value::Object(members) => {
            if let Some(name) = strings(schema.get("required")).find(|name| !members.contains_key(*name)) {
                return Err(format!("an object with '{name}'"));
            }
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
            for (name, member) in members {
                let Some(schema) = properties.get(name) else { continue };
                let optional = member.is_null() && !strings(schema.get("required")).any(|other| other == name);
                if let (Err(wanted), false) = (explain(schema, member), optional) {
                    return Err(format!("an object whose '{name}' is {wanted}"));
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Whether a value is of the type of this name.
pub(crate) fn is_type(name: &str, value: &Value) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        // A type of a schema dialect that is not ours to judge.
        _ => true,
    }
}

fn with_article(name: &str) -> &str {
    match name {
        "string" => "a string",
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => "a boolean",
        "array" => "a list",
        "object" => "an object",
        other => other,
    }
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
}

/// The value as JSON, cut where it is too long for a sentence.
fn shorten(value: &Value) -> String {
    const LONGEST: usize = 100;
    let text = value.to_string();
    match text.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn call(args: Value) -> Result<Value, String> {
        let schema = json!({"name": "t", "parameters": {"type": "object", "properties": {
            "text": {"type": "string"},
            "count": {"type": "integer"},
            "deep": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "mode": {"type": "string", "enum": ["any", "all"]},
            "size": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "file": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]},
        }, "required": ["text"]}});
        check("t", &schema, args.as_object().unwrap().clone()).map(Value::Object)
    }

    #[test]
    fn good_arguments_pass_unchanged() {
        let args = json!({
            "text": "5", "count": 5, "deep": true, "tags": ["a"], "mode": "all", "size": 1.5, "file": {"name": "x"},
        });
        assert_eq!(call(args.clone()).unwrap(), args);
        assert_eq!(call(json!({"text": "a", "size": null})).unwrap(), json!({"text": "a", "size": null}));
    }

    #[test]
    fn text_is_read_as_what_the_schema_wants_but_text_stays_text() {
        let args = json!({"text": "[1]", "count": "5", "deep": "True", "tags": "[\"a\"]", "size": "2.5"});
        assert_eq!(call(args).unwrap(), json!({"text": "[1]", "count": 5, "deep": true, "tags": ["a"], "size": 2.5}));
        assert_eq!(call(json!({"text": "a", "count": 3.0})).unwrap(), json!({"text": "a", "count": 3}));
    }

    #[test]
    fn null_for_an_optional_argument_is_leaving_it_out() {
        assert_eq!(call(json!({"text": "a", "count": null, "mode": null})).unwrap(), json!({"text": "a"}));
    }

    #[test]
    fn each_fault_is_named() {
        for (args, text) in [
            (json!({}), "Argument 'text' is required for tool 't', and was not given."),
            (json!({"text": null}), "Argument 'text' of tool 't' must be a string, not null."),
            (json!({"text": 5}), "Argument 'text' of tool 't' must be a string, not 5."),
            (
                json!({"text": "a", "other": 1}),
                "Unknown argument 'other' for tool 't'. Its arguments are: text, count, deep, tags, mode, size, file.",
            ),
            (json!({"text": "a", "count": "many"}), "Argument 'count' of tool 't' must be an integer, not \"many\"."),
            (json!({"text": "a", "count": 1.5}), "Argument 'count' of tool 't' must be an integer, not 1.5."),
            (
                json!({"text": "a", "tags": [1]}),
                "Argument 'tags' of tool 't' must be a list in which each item is a string, not [1].",
            ),
            (
                json!({"text": "a", "mode": "some"}),
                "Argument 'mode' of tool 't' must be one of \"any\", \"all\", not \"some\".",
            ),
            (json!({"text": "a", "file": {}}), "Argument 'file' of tool 't' must be an object with 'name', not {}."),
        ] {
            assert_eq!(call(args).unwrap_err(), text);
        }
        let none = check("t", &json!({}), json!({"a": 1}).as_object().unwrap().clone());
        assert_eq!(none.unwrap_err(), "Unknown argument 'a' for tool 't', which takes no arguments.");
    }

    proptest! {
        #[test]
        fn whatever_is_said_for_a_text_it_stays_that_text(text in "\\PC{0,20}") {
            prop_assert_eq!(call(json!({"text": text})).unwrap(), json!({"text": text}));
        }
    }
}
