//! Arguments that come as a JSON schema of their own, as pydantic writes it, made fit for a model.

use serde_json::{Map, Value};

use crate::{SchemaError, members};

/// How many schemas one may be made of. A few definitions that refer to each other twice could otherwise become
/// gigabytes.
const MOST: usize = 5000;

/// How deep definitions may refer to each other.
const DEEPEST: usize = 32;

/// The schema as the `parameters` of a function: references are written out, titles are left out, every property has
/// a description, and a type that may also be null is that type.
pub(crate) fn parameters(arguments: &Map<String, Value>) -> Result<Map<String, Value>, SchemaError> {
    let properties = match arguments.get("properties") {
        Some(Value::Object(properties)) => properties,
        None if arguments.get("type").is_some_and(|kind| kind == "object") => &Map::new(),
        _ => return Err(wrong("", "it has no 'properties'", "Give a schema of type object.")),
    };
    let mut resolver = Resolver { root: arguments, made: 0 };
    let resolved = resolver.properties(properties, "", DEEPEST)?;
    let required = arguments.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let required: Vec<Value> =
        required.into_iter().filter(|name| name.as_str().is_some_and(|name| resolved.contains_key(name))).collect();
    let mut parameters =
        members([("type", "object".into()), ("properties", resolved.into()), ("required", required.into())]);
    if let Some(additional @ Value::Bool(_)) = arguments.get("additionalProperties") {
        parameters.insert("additionalProperties".to_owned(), additional.clone());
    }
    Ok(parameters)
}

fn wrong(path: &str, what: &str, advice: &str) -> SchemaError {
    let place = if path.is_empty() { String::new() } else { format!(" at '{path}'") };
    SchemaError::new(format!("The args_json_schema cannot be used{place}: {what}"), None, advice)
}

struct Resolver<'a> {
    root: &'a Map<String, Value>,
    made: usize,
}

impl Resolver<'_> {
    /// The properties of an object, each with a description.
    fn properties(
        &mut self,
        given: &Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<Map<String, Value>, SchemaError> {
        let mut properties = Map::new();
        for (name, schema) in given {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let mut schema = self.schema(schema, &path, depth)?;
            let described = schema.get("description").is_some_and(Value::is_string);
            if !described {
                schema.insert("description".to_owned(), "".into());
            }
            properties.insert(name.clone(), schema.into());
        }
        Ok(properties)
    }

    fn schema(&mut self, given: &Value, path: &str, depth: usize) -> Result<Map<String, Value>, SchemaError> {
        self.made = self.made.saturating_add(1);
        let Some(depth) = depth.checked_sub(1).filter(|_| self.made <= MOST) else {
            return Err(wrong(
                path,
                "it is too large once its references are written out",
                "A schema must not refer to itself.",
            ));
        };
        let Value::Object(given) = given else {
            return Err(wrong(path, "a schema is an object", ""));
        };
        let inner = self.target(given, path)?;
        if let Some(inner) = inner {
            // What stands beside a reference is said about this use of it.
            let mut schema = self.schema(&inner, path, depth)?;
            for key in ["description", "default"] {
                if let Some(value) = given.get(key) {
                    schema.insert(key.to_owned(), value.clone());
                }
            }
            return Ok(schema);
        }
        self.members(given, path, depth)
    }

    /// The schema that this one only leads to.
    fn target(&self, given: &Map<String, Value>, path: &str) -> Result<Option<Value>, SchemaError> {
        if let Some(reference) = given.get("$ref") {
            let found = reference.as_str().and_then(|reference| self.definition(reference));
            let found = found.ok_or_else(|| {
                wrong(path, &format!("{reference} leads nowhere"), "Define what is referred to under '$defs'.")
            })?;
            return Ok(Some(found.clone()));
        }
        let alternatives = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| given.get(*key));
        let Some(Value::Array(alternatives)) = alternatives else { return Ok(None) };
        let mut real = alternatives.iter().filter(|schema| schema.get("type").is_none_or(|kind| kind != "null"));
        Ok(match (real.next(), real.next()) {
            (Some(only), None) => Some(only.clone()),
            _ => None,
        })
    }

    fn definition(&self, reference: &str) -> Option<&Value> {
        let path = reference.strip_prefix("#/")?;
        let (table, name) = path.split_once('/').filter(|(table, _)| ["$defs", "definitions"].contains(table))?;
        self.root.get(table)?.get(name)
    }

    /// A schema that stands for itself.
    fn members(
        &mut self,
        given: &Map<String, Value>,
        path: &str,
        depth: usize,
    ) -> Result<Map<String, Value>, SchemaError> {
        let says_what = ["type", "enum", "const", "anyOf", "oneOf", "allOf"].iter().any(|key| given.contains_key(*key));
        if !says_what {
            return Err(wrong(path, "it has no 'type'", "Add one, for example \"type\": \"string\"."));
        }
        if given.get("type").is_some_and(|kind| kind == "array")
            && !given.contains_key("items")
            && !given.contains_key("prefixItems")
        {
            return Err(wrong(
                path,
                "an array has no 'items'",
                "Say what it holds, as in \"items\": {\"type\": \"string\"}.",
            ));
        }
        let mut schema = Map::new();
        for (key, value) in given {
            let value = match (key.as_str(), value) {
                ("title" | "$defs" | "definitions", _) => continue,
                ("properties", Value::Object(properties)) => self.properties(properties, path, depth)?.into(),
                ("items" | "additionalProperties" | "not", Value::Object(_)) => {
                    self.schema_or_anything(value, path, depth)?.into()
                }
                ("anyOf" | "oneOf" | "allOf" | "prefixItems", Value::Array(schemas)) => {
                    let schemas =
                        schemas.iter().map(|schema| self.schema_or_anything(schema, path, depth).map(Value::from));
                    schemas.collect::<Result<Vec<_>, _>>()?.into()
                }
                _ => value.clone(),
            };
            schema.insert(key.clone(), value);
        }
        Ok(schema)
    }

    /// A schema in a place where one that allows anything makes sense.
    fn schema_or_anything(
        &mut self,
        given: &Value,
        path: &str,
        depth: usize,
    ) -> Result<Map<String, Value>, SchemaError> {
        if given.as_object().is_some_and(Map::is_empty) { Ok(Map::new()) } else { self.schema(given, path, depth) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn made(schema: Value) -> Value {
        parameters(schema.as_object().unwrap()).unwrap().into()
    }

    #[track_caller]
    fn refused(schema: Value, reason: &str) {
        let error = parameters(schema.as_object().unwrap()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }

    #[test]
    fn types_and_required_names_are_kept_and_descriptions_filled_in() {
        let schema = json!({
            "title": "Args", "type": "object", "required": ["a", "gone"],
            "properties": {
                "a": { "title": "A", "type": "string", "enum": ["x", "y"] },
                "b": { "anyOf": [{ "type": "integer" }, { "type": "null" }], "default": null, "description": "How many" },
                "c": { "type": "array", "items": { "type": "array", "items": { "type": "number" } } },
                "d": { "type": "object", "properties": { "e": { "type": "boolean" } } },
                "f": { "type": "object" },
            },
        });
        let expected = json!({
            "type": "object",
            "properties": {
                "a": { "type": "string", "enum": ["x", "y"], "description": "" },
                "b": { "type": "integer", "description": "How many", "default": null },
                "c": { "type": "array", "items": { "type": "array", "items": { "type": "number" } }, "description": "" },
                "d": { "type": "object", "properties": { "e": { "type": "boolean", "description": "" } }, "description": "" },
                "f": { "type": "object", "description": "" },
            },
            "required": ["a"],
        });
        assert_eq!(made(schema), expected);
    }

    #[test]
    fn references_are_written_out_in_any_order() {
        let schema = json!({
            "properties": { "people": { "type": "array", "items": { "$ref": "#/$defs/Person" } }, "main": { "$ref": "#/$defs/Person", "description": "Who" } },
            "required": ["people"],
            "$defs": {
                "Person": { "type": "object", "properties": { "home": { "$ref": "#/$defs/Home" }, "tags": { "type": "array", "items": { "type": "string" } } }, "required": ["home"] },
                "Home": { "type": "object", "properties": { "street": { "type": "string", "description": "Where" } } },
            },
        });
        let home = json!({ "type": "object", "properties": { "street": { "type": "string", "description": "Where" } }, "description": "" });
        let tags = json!({ "type": "array", "items": { "type": "string" }, "description": "" });
        let person = json!({ "type": "object", "properties": { "home": home, "tags": tags }, "required": ["home"] });
        let made = made(schema);
        assert_eq!(made["properties"]["people"], json!({ "type": "array", "items": person, "description": "" }));
        assert_eq!(made["properties"]["main"]["description"], "Who");
        assert_eq!(made["required"], json!(["people"]));
    }

    #[test]
    fn what_cannot_be_used_is_said_with_its_place() {
        refused(json!({}), "no 'properties'");
        refused(json!({ "properties": { "a": {} } }), "at 'a': it has no 'type'");
        refused(json!({ "properties": { "a": { "type": "array" } } }), "an array has no 'items'");
        refused(json!({ "properties": { "a": { "$ref": "#/$defs/B" } } }), "leads nowhere");
        refused(
            json!({ "properties": { "a": { "type": "object", "properties": { "b": { "title": "B" } } } } }),
            "at 'a.b': it has no 'type'",
        );
        let itself = json!({ "type": "array", "items": { "$ref": "#/$defs/A" } });
        refused(json!({ "properties": { "a": { "$ref": "#/$defs/A" } }, "$defs": { "A": itself } }), "too large");
    }

    #[test]
    fn references_that_multiply_are_cut_short() {
        let mut definitions = Map::new();
        for n in 0..40 {
            let next = json!({ "$ref": format!("#/$defs/D{}", n + 1) });
            definitions.insert(format!("D{n}"), json!({ "type": "object", "properties": { "a": next, "b": next } }));
        }
        definitions.insert("D40".to_owned(), json!({ "type": "string" }));
        refused(json!({ "properties": { "a": { "$ref": "#/$defs/D0" } }, "$defs": definitions }), "too large");
    }
}
