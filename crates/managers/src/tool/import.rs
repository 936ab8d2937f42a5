//! Tools out of agent files.

use super::{base::base_tool, define::source};
use crate::{
    Actor,
    error::{Error, FieldError, Result},
    orm::{Conn, tools},
    schema::{ExportedTool, MAX_RETURN_CHAR_LIMIT, Tool, ToolCreate, ToolId, ToolType},
};

/// Makes a tool of a file one of the organization, and gives its id there.
///
/// A tool of the organization with its name becomes what the file says if `overwrite`, else it is taken as it is. So
/// is a built-in tool in either case: what its calls do does not come from files.
///
/// # Errors
/// 400 for a tool that has no schema, nor a source to derive one from; 422 for one without a name, or with a limit out
/// of bounds.
pub(crate) fn import(conn: &mut Conn, actor: &Actor, exported: &ExportedTool, overwrite: bool) -> Result<ToolId> {
    let name = name(exported)?;
    if !(1..=MAX_RETURN_CHAR_LIMIT).contains(&exported.return_char_limit) {
        return Err(invalid(format!(
            "The return_char_limit of {} must be from 1 to {MAX_RETURN_CHAR_LIMIT}, but is {}.",
            exported.id, exported.return_char_limit
        )));
    }
    let existing = tools::by_names(conn, actor.organization_id, &[name])?.pop();
    if let Some(tool) = &existing
        && (!overwrite || is_built_in(tool.tool_type) || base_tool(name).is_some())
    {
        return Ok(tool.id);
    }
    let mut tool = tool(exported, name, existing.map_or_else(ToolId::random, |tool| tool.id));
    if let (None, Some(code)) = (&tool.json_schema, &tool.source_code) {
        let request = ToolCreate {
            source_code: code.clone(),
            source_type: tool.source_type.clone(),
            args_json_schema: tool.args_json_schema.clone(),
            ..ToolCreate::default()
        };
        tool.json_schema = Some(source::schema(&request)?);
    }
    Ok(tools::upsert(conn, actor, &tool)?)
}

fn is_built_in(kind: ToolType) -> bool {
    kind.as_str().starts_with("letta_")
}

fn name(exported: &ExportedTool) -> Result<&str> {
    let in_schema = || exported.json_schema.as_ref()?.get("name")?.as_str();
    let name = exported.name.as_deref().or_else(in_schema).filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| invalid(format!("{} has no name.", exported.id)))?;
    crate::agent::check::key("tools", name)?;
    Ok(name)
}

fn tool(exported: &ExportedTool, name: &str, id: ToolId) -> Tool {
    let exported = exported.clone();
    Tool {
        id,
        tool_type: exported.tool_type,
        description: exported.description,
        source_type: exported.source_type,
        name: name.to_owned(),
        tags: exported.tags,
        source_code: exported.source_code,
        json_schema: exported.json_schema,
        args_json_schema: exported.args_json_schema,
        return_char_limit: exported.return_char_limit,
        pip_requirements: exported.pip_requirements,
        npm_requirements: exported.npm_requirements,
        default_requires_approval: exported.default_requires_approval,
        enable_parallel_execution: exported.enable_parallel_execution,
        created_by_id: None,
        last_updated_by_id: None,
        metadata_: exported.metadata_,
        project_id: exported.project_id,
    }
}

fn invalid(message: String) -> Error {
    Error::Unprocessable(vec![FieldError::body("tools", message)])
}
