//! Arguments that a rule sets: they win over the model's, and must fit the tool.

use muisti_llm::json::tool_arguments;
use serde_json::{Map, Value};

use crate::tool::is_type;

/// The arguments that rules set for one tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Prefilled {
    pub(in super::super) args: Map<String, Value>,
    /// The rule that set the last of them.
    pub(super) source: String,
}

impl Prefilled {
    /// A call's arguments with these over the model's own; none if the model's are no object.
    pub(in super::super) fn over(&self, arguments: &str) -> Option<String> {
        let mut arguments = tool_arguments(arguments).ok()?;
        arguments.extend(self.args.clone());
        Some(Value::Object(arguments).to_string())
    }
}

/// Checks the arguments against the tool's parameters.
///
/// # Errors
/// All that is wrong with them, as one text.
pub(in super::super) fn check(tool: &str, prefilled: &Prefilled, parameters: &Value) -> Result<(), String> {
    let properties = parameters.get("properties").and_then(Value::as_object);
    let faults: Vec<String> = prefilled
        .args
        .iter()
        .filter_map(|(name, value)| match properties.and_then(|properties| properties.get(name)) {
            None => Some(format!("Unknown argument '{name}' for tool '{tool}'.")),
            Some(schema) if fits(value, schema) => None,
            Some(schema) => Some(format!(
                "Invalid value for '{name}': {value} does not match expected schema type '{}'.",
                kind_of(schema)
            )),
        })
        .collect();
    if faults.is_empty() {
        return Ok(());
    }
    let (source, faults) = (&prefilled.source, faults.join("; "));
    Err(format!("Invalid prefilled tool arguments from tool rules (source={source}): {faults}"))
}

fn kind_of(schema: &Value) -> String {
    match schema.get("type") {
        Some(Value::String(kind)) => kind.clone(),
        Some(kinds) => kinds.to_string(),
        None => schema.to_string(),
    }
}

/// Whether a value fits a schema: by its constant, else its list of values, else its alternatives, else its type.
fn fits(value: &Value, schema: &Value) -> bool {
    if let Some(constant) = schema.get("const") {
        return value == constant;
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values.contains(value);
    }
    if let Some(alternatives) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(key).and_then(Value::as_array)) {
        return alternatives.iter().any(|alternative| fits(value, alternative));
    }
    match schema.get("type") {
        Some(Value::String(kind)) => is_type(kind, value),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).any(|kind| is_type(kind, value)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn set_arguments_win_over_those_of_the_model_and_leave_the_others() {
        let args = json!({"a": "set", "c": 3}).as_object().unwrap().clone();
        let set = Prefilled { args, source: "InitToolRule(f)".into() };
        assert_eq!(set.over(r#"{"a": "model", "b": true}"#).unwrap(), r#"{"a":"set","b":true,"c":3}"#);
        assert_eq!(set.over("").unwrap(), r#"{"a":"set","c":3}"#);
        assert_eq!(set.over("[1]"), None);
    }

    #[test]
    fn set_arguments_must_exist_and_fit() {
        let parameters = json!({"properties": {
            "count": {"type": "integer"},
            "ratio": {"type": "number"},
            "mode": {"enum": ["a", "b"]},
            "name": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        }});
        let check = |args: Value| {
            let args = args.as_object().unwrap().clone();
            check("f", &Prefilled { args, source: "InitToolRule(f)".into() }, &parameters)
        };
        assert_eq!(check(json!({"count": 1, "ratio": 2, "mode": "b", "name": null})), Ok(()));
        let fault = check(json!({"count": true, "colour": "red"})).unwrap_err();
        assert!(
            fault.starts_with("Invalid prefilled tool arguments from tool rules (source=InitToolRule(f)): "),
            "{fault}"
        );
        assert!(fault.contains("Unknown argument 'colour' for tool 'f'."), "{fault}");
        assert!(
            fault.contains("Invalid value for 'count': true does not match expected schema type 'integer'."),
            "{fault}"
        );
        assert!(check(json!({"mode": "c"})).is_err());
        assert!(check(json!({"name": 3})).is_err());
    }
}
