//! Closes a JSON Schema the way OpenAI's strict mode wants it.

use serde_json::{Map, Value, json};

/// Every object is closed and requires all its properties; those that were optional may be null instead.
pub(super) fn closed(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => Value::Object(close_object(fields)),
        other => other.clone(),
    }
}

fn close_object(fields: &Map<String, Value>) -> Map<String, Value> {
    let mut out = fields.clone();
    if let Some(properties) = fields.get("properties").and_then(Value::as_object) {
        let required: Vec<&str> =
            fields.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let close = |(name, schema): (&String, &Value)| {
            let closed = closed(schema);
            (name.clone(), if required.contains(&name.as_str()) { closed } else { nullable(closed) })
        };
        out.insert("properties".to_owned(), properties.iter().map(close).collect::<Map<_, _>>().into());
        out.insert("required".to_owned(), properties.keys().cloned().collect::<Vec<_>>().into());
        out.insert("additionalProperties".to_owned(), Value::Bool(false));
    } else if fields.get("type").and_then(Value::as_str) == Some("object") {
        out.insert("additionalProperties".to_owned(), Value::Bool(false));
    }
    if let Some(items) = fields.get("items") {
        out.insert("items".to_owned(), closed(items));
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        if let Some(options) = fields.get(key).and_then(Value::as_array) {
            out.insert(key.to_owned(), options.iter().map(closed).collect::<Vec<_>>().into());
        }
    }
    for key in ["$defs", "definitions"] {
        if let Some(definitions) = fields.get(key).and_then(Value::as_object) {
            let closed = definitions.iter().map(|(name, schema)| (name.clone(), closed(schema)));
            out.insert(key.to_owned(), closed.collect::<Map<_, _>>().into());
        }
    }
    out
}

fn nullable(mut schema: Value) -> Value {
    let nothing = json!({"type": "null"});
    if let Some(options) = schema.get_mut("anyOf").and_then(Value::as_array_mut) {
        if !options.contains(&nothing) {
            options.push(nothing);
        }
        return schema;
    }
    match schema.get_mut("type") {
        Some(Value::String(kind)) => {
            let kinds = json!([kind, "null"]);
            if let Some(field) = schema.get_mut("type") {
                *field = kinds;
            }
            // An enumeration must name every value it allows.
            if let Some(values) = schema.get_mut("enum").and_then(Value::as_array_mut) {
                values.push(Value::Null);
            }
            schema
        }
        Some(Value::Array(kinds)) => {
            if !kinds.iter().any(|kind| kind == "null") {
                kinds.push("null".into());
            }
            schema
        }
        _ => json!({"anyOf": [schema, nothing]}),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn optional_properties_become_required_and_nullable_at_every_depth() {
        let schema = json!({"type": "object", "required": ["a"], "properties": {
            "a": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "integer"}}}},
            "b": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
            "c": {"$ref": "#/$defs/c"},
            "d": {"type": ["string", "null"]},
            "e": {"type": "string", "enum": ["p"]}}});
        assert_eq!(
            closed(&schema),
            json!({"type": "object", "required": ["a", "b", "c", "d", "e"], "additionalProperties": false, "properties": {
                "a": {"type": "array", "items": {"type": "object", "required": ["x"], "additionalProperties": false,
                      "properties": {"x": {"type": ["integer", "null"]}}}},
                "b": {"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]},
                "c": {"anyOf": [{"$ref": "#/$defs/c"}, {"type": "null"}]},
                "d": {"type": ["string", "null"]},
                "e": {"type": ["string", "null"], "enum": ["p", null]}}})
        );
    }
}
