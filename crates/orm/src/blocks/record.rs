//! The row of a block.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::MODEL;
use crate::{
    Actor, Result,
    json::RawJson,
    row::{Reader, user},
    schema::{Block, Timestamp},
    tables::blocks,
    text::{clean, clean_opt},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = blocks, treat_none_as_default_value = false)]
pub(super) struct Record {
    id: String,
    organization_id: String,
    #[diesel(embed)]
    columns: Columns,
    created_at: NaiveDateTime,
    created_by_id: Option<String>,
}

/// What can change.
#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = blocks, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(super) struct Columns {
    pub(super) label: String,
    value: String,
    char_limit: i64,
    description: Option<String>,
    read_only: bool,
    metadata: Option<RawJson>,
    is_template: bool,
    template_name: Option<String>,
    template_id: Option<String>,
    base_template_id: Option<String>,
    deployment_id: Option<String>,
    entity_id: Option<String>,
    preserve_on_migration: Option<bool>,
    project_id: Option<String>,
    hidden: Option<bool>,
    updated_at: NaiveDateTime,
    last_updated_by_id: Option<String>,
}

impl Columns {
    pub(super) fn of(actor: &Actor, block: &Block, now: Timestamp) -> Result<Self> {
        let metadata = RawJson::of(&block.metadata)?;
        let block = block.clone();
        Ok(Self {
            label: clean(block.label),
            value: clean(block.value),
            char_limit: block.limit,
            description: clean_opt(block.description),
            read_only: block.read_only,
            metadata: Some(metadata),
            is_template: block.is_template,
            template_name: clean_opt(block.template_name),
            template_id: clean_opt(block.template_id),
            base_template_id: clean_opt(block.base_template_id),
            deployment_id: clean_opt(block.deployment_id),
            entity_id: clean_opt(block.entity_id),
            preserve_on_migration: Some(block.preserve_on_migration),
            project_id: clean_opt(block.project_id),
            hidden: block.hidden,
            updated_at: now.naive(),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }
}

impl Record {
    pub(super) fn new(actor: &Actor, block: &Block) -> Result<Self> {
        let now = Timestamp::now();
        Ok(Self {
            id: block.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            columns: Columns::of(actor, block, now)?,
            created_at: now.naive(),
            created_by_id: Some(actor.user_id.to_string()),
        })
    }

    /// The block, without its tags.
    pub(super) fn read(self) -> Result<Block> {
        let reader = Reader { model: MODEL, id: &self.id };
        let columns = self.columns;
        Ok(Block {
            id: reader.id("id", &self.id)?,
            value: columns.value,
            limit: columns.char_limit,
            project_id: columns.project_id,
            template_name: columns.template_name,
            is_template: columns.is_template,
            template_id: columns.template_id,
            base_template_id: columns.base_template_id,
            deployment_id: columns.deployment_id,
            entity_id: columns.entity_id,
            preserve_on_migration: columns.preserve_on_migration.unwrap_or(false),
            label: columns.label,
            read_only: columns.read_only,
            description: columns.description,
            metadata: reader.json_opt("metadata", columns.metadata.as_ref())?.unwrap_or_default(),
            hidden: columns.hidden,
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(columns.last_updated_by_id),
            tags: Vec::new(),
        })
    }
}
