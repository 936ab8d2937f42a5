//! The row of a tool.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::MODEL;
use crate::{
    Actor, Result,
    json::RawJson,
    row::{Reader, user},
    schema::{Timestamp, Tool, ToolType},
    tables::tools,
    text::{clean, clean_opt},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = tools, treat_none_as_default_value = false)]
pub(super) struct Record {
    id: String,
    organization_id: String,
    #[diesel(embed)]
    pub(super) columns: Columns,
    created_at: NaiveDateTime,
    created_by_id: Option<String>,
}

/// What can change.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = tools, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(super) struct Columns {
    tool_type: String,
    name: String,
    description: Option<String>,
    source_type: Option<String>,
    source_code: Option<String>,
    json_schema: Option<RawJson>,
    args_json_schema: Option<RawJson>,
    return_char_limit: i64,
    pip_requirements: Option<RawJson>,
    npm_requirements: Option<RawJson>,
    tags: RawJson,
    default_requires_approval: Option<bool>,
    enable_parallel_execution: Option<bool>,
    metadata: Option<RawJson>,
    project_id: Option<String>,
    updated_at: NaiveDateTime,
    last_updated_by_id: Option<String>,
}

impl Columns {
    pub(super) fn of(actor: &Actor, tool: &Tool, now: Timestamp) -> Result<Self> {
        Ok(Self {
            tool_type: tool.tool_type.to_string(),
            name: clean(tool.name.clone()),
            description: clean_opt(tool.description.clone()),
            source_type: clean_opt(tool.source_type.clone()),
            source_code: clean_opt(tool.source_code.clone()),
            json_schema: RawJson::of_opt(tool.json_schema.as_ref())?,
            args_json_schema: RawJson::of_opt(tool.args_json_schema.as_ref())?,
            return_char_limit: tool.return_char_limit,
            pip_requirements: RawJson::of_opt(tool.pip_requirements.as_ref())?,
            npm_requirements: RawJson::of_opt(tool.npm_requirements.as_ref())?,
            tags: RawJson::of(&tool.tags)?,
            default_requires_approval: tool.default_requires_approval,
            enable_parallel_execution: tool.enable_parallel_execution,
            metadata: RawJson::of_opt(tool.metadata_.as_ref())?,
            project_id: clean_opt(tool.project_id.clone()),
            updated_at: now.naive(),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }
}

impl Record {
    pub(super) fn new(actor: &Actor, tool: &Tool) -> Result<Self> {
        let now = Timestamp::now();
        Ok(Self {
            id: tool.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            columns: Columns::of(actor, tool, now)?,
            created_at: now.naive(),
            created_by_id: Some(actor.user_id.to_string()),
        })
    }

    pub(super) fn read(self) -> Result<Tool> {
        let reader = Reader { model: MODEL, id: &self.id };
        let columns = self.columns;
        Ok(Tool {
            id: reader.id("id", &self.id)?,
            tool_type: ToolType::lenient(&columns.tool_type),
            description: columns.description,
            source_type: columns.source_type,
            name: columns.name,
            tags: reader.json("tags", &columns.tags)?,
            source_code: columns.source_code,
            json_schema: reader.json_opt("json_schema", columns.json_schema.as_ref())?,
            args_json_schema: reader.json_opt("args_json_schema", columns.args_json_schema.as_ref())?,
            return_char_limit: columns.return_char_limit,
            pip_requirements: reader.json_opt("pip_requirements", columns.pip_requirements.as_ref())?,
            npm_requirements: reader.json_opt("npm_requirements", columns.npm_requirements.as_ref())?,
            default_requires_approval: columns.default_requires_approval,
            enable_parallel_execution: columns.enable_parallel_execution,
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(columns.last_updated_by_id),
            metadata_: reader.json_opt("metadata", columns.metadata.as_ref())?,
            project_id: columns.project_id,
        })
    }
}
