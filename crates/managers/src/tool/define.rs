//! Defining tools: making them of source, changing and deleting them.

mod change;
pub(super) mod source;

use serde_json::{Map, Value};

use super::{ToolManager, base::base_tool};
use crate::{
    Actor,
    error::{Error, Result},
    orm::{Conn, tools},
    schema::{DEFAULT_RETURN_CHAR_LIMIT, Tool, ToolCreate, ToolId, ToolType, ToolUpdate},
};

/// How often a change is tried again when another writer was faster.
const RETRIES: usize = 4;

/// What the headers of a request say about a tool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolOrigin {
    /// The project that it belongs to.
    pub project_id: Option<String>,
    /// Whether it is to run on Modal.
    pub on_modal: bool,
}

impl ToolManager {
    /// Makes a tool, or gives the one of the same name this source. What the request does not say about a tool that
    /// exists stays as it is; its name and schema, and its description if none is given, follow the source.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] when no schema can be had from the source, or the source lacks the function;
    /// [`Error::Unprocessable`] for TypeScript without a schema; [`Error::Conflict`] when the name is that of a tool
    /// which is not the user's own.
    pub async fn upsert(&self, actor: &Actor, request: ToolCreate, origin: ToolOrigin) -> Result<Tool> {
        let actor = *actor;
        let (request, schema) = on_a_thread(move || source::schema(&request).map(|schema| (request, schema))).await?;
        let name = source::name(&schema)?;
        self.db
            .write(move |conn| {
                let organization = actor.organization_id;
                let stored = tools::by_names(conn, organization, &[&name])?.pop();
                let stored = match stored {
                    Some(tool) => tools::lock(conn, organization, tool.id)?,
                    None => None,
                };
                let id = match stored {
                    None if base_tool(&name).is_none() => {
                        let tool = change::merged(new(name), request, schema, origin);
                        // Another request may be making the same tool.
                        tools::upsert(conn, &actor, &tool)?
                    }
                    Some(tool) if tool.tool_type == ToolType::Custom => {
                        let tool = change::merged(tool, request, schema, origin);
                        tools::update(conn, &actor, &tool)?;
                        tool.id
                    }
                    _ => {
                        return Err(Error::Conflict(format!(
                            "The name '{name}' belongs to a tool that is built in or comes from an MCP server. Give \
                             your function another name."
                        )));
                    }
                };
                tools::get(conn, organization, id)?.ok_or_else(|| Error::missing("Tool", id))
            })
            .await
    }

    /// Changes a tool. Absent and null leave a field as it is. New source without a schema gives the tool a new
    /// schema, if the old one was derived from the old source.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::BadRequest`] when source and schema do not fit together, or the source of a tool
    /// is given that is not the user's own; [`Error::InvalidArgument`] when another tool has the new name.
    pub async fn update(&self, actor: &Actor, id: ToolId, update: ToolUpdate, on_modal: bool) -> Result<Tool> {
        let actor = *actor;
        for _ in 0..=RETRIES {
            let before = self.get(&actor, id).await?;
            let (stored, update) = (before.clone(), update.clone());
            // Source is parsed outside the transaction, which must be short.
            let after = on_a_thread(move || change::changed(stored, update, on_modal)).await?;
            if let Some(tool) = self.db.write(move |conn| replace(conn, &actor, &before, &after)).await? {
                return Ok(tool);
            }
        }
        Err(Error::Conflict(format!("The tool '{id}' is being changed by others. Try again.")))
    }

    /// Deletes a tool and takes it off every agent. The agents' rules for it stay.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`].
    pub async fn delete(&self, actor: &Actor, id: ToolId) -> Result<()> {
        let organization = actor.organization_id;
        let delete = move |conn: &mut Conn| {
            if tools::delete(conn, organization, id)? { Ok(()) } else { Err(Error::missing("Tool", id)) }
        };
        self.db.write(delete).await
    }

    /// The schema of a function of this source, without making a tool of it.
    ///
    /// # Errors
    ///
    /// [`Error::BadRequest`] when there is none to be had.
    pub async fn generate_schema(&self, code: String, source_type: Option<String>) -> Result<Map<String, Value>> {
        on_a_thread(move || source::derived(&code, source_type.as_deref())).await
    }
}

/// Writes the tool, unless it is no longer what it was when the change was made.
fn replace(conn: &mut Conn, actor: &Actor, before: &Tool, after: &Tool) -> Result<Option<Tool>> {
    let organization = actor.organization_id;
    let stored = tools::lock(conn, organization, before.id)?.ok_or_else(|| Error::missing("Tool", before.id))?;
    if stored != *before {
        return Ok(None);
    }
    if after.name != before.name {
        let taken =
            base_tool(&after.name).is_some() || !tools::by_names(conn, organization, &[&after.name])?.is_empty();
        if taken {
            return Err(Error::InvalidArgument(format!(
                "Tool with name '{}' already exists in your organization",
                after.name
            )));
        }
    }
    tools::update(conn, actor, after)?;
    Ok(tools::get(conn, organization, after.id)?)
}

/// A tool of which nothing is known but its name.
fn new(name: String) -> Tool {
    Tool {
        id: ToolId::random(),
        tool_type: ToolType::Custom,
        description: None,
        source_type: None,
        name,
        tags: Vec::new(),
        source_code: None,
        json_schema: None,
        args_json_schema: None,
        return_char_limit: DEFAULT_RETURN_CHAR_LIMIT,
        pip_requirements: None,
        npm_requirements: None,
        default_requires_approval: None,
        enable_parallel_execution: Some(false),
        created_by_id: None,
        last_updated_by_id: None,
        metadata_: None,
        project_id: None,
    }
}

/// Parses source where it holds nobody up: code that makes no sense can take seconds.
async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(Error::Internal(format!("source could not be looked at: {error}"))))
}
