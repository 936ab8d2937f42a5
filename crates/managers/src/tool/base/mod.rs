//! The built-in tools: what the model is told about them. What they do is elsewhere.

mod definitions;

use std::sync::LazyLock;

use serde_json::{Map, Value};

use crate::{
    Actor,
    error::Result,
    orm::{Conn, tools},
    schema::{DEFAULT_RETURN_CHAR_LIMIT, Tool, ToolId, ToolType},
};

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
    pub fn json_schema(&self) -> Map<String, Value> {
        let name_and_description = [("name", self.name.into()), ("description", self.description.into())];
        let members = name_and_description.into_iter().chain([("parameters", self.parameters.clone())]);
        members.map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The tool as it is stored when an organization gets it.
    fn row(&self) -> Tool {
        Tool {
            id: ToolId::random(),
            tool_type: self.tool_type,
            description: Some(self.description.to_owned()),
            source_type: Some("python".to_owned()),
            name: self.name.to_owned(),
            tags: vec![self.tool_type.to_string()],
            source_code: None,
            json_schema: Some(self.json_schema()),
            args_json_schema: None,
            return_char_limit: DEFAULT_RETURN_CHAR_LIMIT,
            pip_requirements: None,
            npm_requirements: None,
            default_requires_approval: None,
            enable_parallel_execution: Some(self.enable_parallel_execution),
            created_by_id: None,
            last_updated_by_id: None,
            metadata_: Some(Map::new()),
            project_id: None,
        }
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

/// Makes the stored built-in tools of the actor's organization those of this version. What users may set of them,
/// the limit of the return, approval and tags, stays.
///
/// # Errors
///
/// Those of the database.
pub fn register(conn: &mut Conn, actor: &Actor) -> Result<()> {
    let names: Vec<&str> = base_tools().iter().map(|tool| tool.name).collect();
    let stored = tools::by_names(conn, actor.organization_id, &names)?;
    for base in base_tools() {
        match stored.iter().find(|tool| tool.name == base.name) {
            None => {
                // Another node may be doing the same.
                tools::upsert(conn, actor, &base.row())?;
            }
            Some(tool) => {
                let wanted = Tool {
                    id: tool.id,
                    return_char_limit: tool.return_char_limit,
                    default_requires_approval: tool.default_requires_approval,
                    tags: tool.tags.clone(),
                    metadata_: tool.metadata_.clone(),
                    project_id: tool.project_id.clone(),
                    created_by_id: tool.created_by_id,
                    last_updated_by_id: tool.last_updated_by_id,
                    ..base.row()
                };
                if wanted != *tool {
                    tools::update(conn, actor, &wanted)?;
                }
            }
        }
    }
    Ok(())
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
            let schema = Value::Object(tool.json_schema());
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
