//! Names, descriptions and arguments of the built-in tools.

mod memory;
mod other;

use serde_json::{Map, Value, json};

use super::BaseTool;
use crate::schema::ToolType;

/// One argument: its name, whether it must be given, its schema.
type Argument = (&'static str, bool, Value);

const REQUIRED: bool = true;
const OPTIONAL: bool = false;

pub(super) fn all() -> Vec<BaseTool> {
    [
        memory::core(),
        memory::memory(),
        memory::sleeptime(),
        other::multi_agent(),
        other::voice(),
        other::builtin(),
        other::files(),
    ]
    .concat()
}

fn tool(name: &'static str, tool_type: ToolType, description: &'static str, arguments: Vec<Argument>) -> BaseTool {
    let required: Vec<_> = arguments.iter().filter(|(_, required, _)| *required).map(|(name, ..)| *name).collect();
    let properties: Map<String, Value> =
        arguments.iter().map(|(name, _, schema)| ((*name).to_owned(), schema.clone())).collect();
    let parameters = json!({"type": "object", "properties": properties, "required": required});
    BaseTool { name, tool_type, enable_parallel_execution: false, description, parameters }
}

/// A tool whose calls do not get in each other's way.
fn parallel(tool: BaseTool) -> BaseTool {
    BaseTool { enable_parallel_execution: true, ..tool }
}

fn string(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn one_of(values: &[&str], description: &str) -> Value {
    json!({"type": "string", "enum": values, "description": description})
}

fn integer(description: &str) -> Value {
    json!({"type": "integer", "description": description})
}

fn boolean(description: &str) -> Value {
    json!({"type": "boolean", "description": description})
}

fn list(items: &Value, description: &str) -> Value {
    json!({"type": "array", "items": items, "description": description})
}

fn strings(description: &str) -> Value {
    list(&json!({"type": "string"}), description)
}
