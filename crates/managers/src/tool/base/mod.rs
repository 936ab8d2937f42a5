//! The built-in tools: what the model is told about them. What they do is elsewhere.

mod definitions;

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::schema::ToolType;

/// A tool that every organization has.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseTool {
    /// Unique within the organization.
    pub name: &'static str,
    /// The family, which decides who runs it.
    pub tool_type: ToolType,
    /// Whether calls of one step may run side by side: it only reads.
    pub enable_parallel_execution: bool,
    /// What the model reads.
    pub description: &'static str,
    /// The arguments, as a JSON schema of type object.
    pub parameters: Value,
}

impl BaseTool {
    /// The function as providers take it: `{"name", "description", "parameters"}`.
    #[must_use]
    pub fn json_schema(&self) -> Value {
        json!({"name": self.name, "description": self.description, "parameters": self.parameters})
    }
}

/// All built-in tools, in the order in which they are listed and attached.
#[must_use]
pub fn base_tools() -> &'static [BaseTool] {
    static TOOLS: LazyLock<Vec<BaseTool>> = LazyLock::new(definitions::all);
    &TOOLS
}

/// The built-in tool of this name.
#[must_use]
pub fn base_tool(name: &str) -> Option<&'static BaseTool> {
    base_tools().iter().find(|tool| tool.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_26_and_no_name_is_used_twice() {
        let mut names: Vec<_> = base_tools().iter().map(|tool| tool.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 26);
    }

    #[test]
    fn every_argument_is_described_and_every_required_one_exists() {
        for tool in base_tools() {
            let schema = tool.json_schema();
            assert_eq!(schema["parameters"]["type"], "object", "{}", tool.name);
            assert!(tool.description.len() > 40 && tool.description.trim() == tool.description, "{}", tool.name);
            let properties = schema["parameters"]["properties"].as_object().unwrap();
            for (name, property) in properties {
                assert!(property["type"].is_string(), "{}: {name}", tool.name);
                assert!(property["description"].as_str().unwrap().len() > 10, "{}: {name}", tool.name);
                assert!(property.get("default").is_none(), "{}: {name}", tool.name);
            }
            for required in schema["parameters"]["required"].as_array().unwrap() {
                assert!(properties.contains_key(required.as_str().unwrap()), "{}: {required}", tool.name);
            }
        }
    }

    #[test]
    fn only_tools_that_read_run_side_by_side() {
        let parallel: Vec<_> =
            base_tools().iter().filter(|tool| tool.enable_parallel_execution).map(|tool| tool.name).collect();
        assert_eq!(
            parallel,
            [
                "conversation_search",
                "archival_memory_search",
                "run_code",
                "web_search",
                "fetch_webpage",
                "grep_files",
                "semantic_search_files"
            ]
        );
    }
}
