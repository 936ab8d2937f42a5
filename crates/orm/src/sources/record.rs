//! The row of a folder.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::MODEL;
use crate::{
    Actor, Result,
    json::RawJson,
    row::{Reader, user},
    schema::{Source, Timestamp, VectorDbProvider},
    tables::sources,
    text::{clean, clean_opt},
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = sources, treat_none_as_default_value = false)]
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
#[diesel(table_name = sources, treat_none_as_default_value = false, treat_none_as_null = true)]
pub(super) struct Columns {
    name: String,
    description: Option<String>,
    instructions: Option<String>,
    metadata: Option<RawJson>,
    embedding_config: RawJson,
    vector_db_provider: String,
    updated_at: NaiveDateTime,
    last_updated_by_id: Option<String>,
}

impl Columns {
    pub(super) fn of(actor: &Actor, source: &Source, now: Timestamp) -> Result<Self> {
        Ok(Self {
            name: clean(source.name.clone()),
            description: clean_opt(source.description.clone()),
            instructions: clean_opt(source.instructions.clone()),
            metadata: RawJson::of_opt(source.metadata.as_ref())?,
            embedding_config: RawJson::of(&source.embedding_config)?,
            vector_db_provider: source.vector_db_provider.to_string(),
            updated_at: now.naive(),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }
}

impl Record {
    pub(super) fn new(actor: &Actor, source: &Source) -> Result<Self> {
        let now = Timestamp::now();
        Ok(Self {
            id: source.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            columns: Columns::of(actor, source, now)?,
            created_at: now.naive(),
            created_by_id: Some(actor.user_id.to_string()),
        })
    }

    pub(super) fn read(self) -> Result<Source> {
        let reader = Reader { model: MODEL, id: &self.id };
        let columns = self.columns;
        Ok(Source {
            id: reader.id("id", &self.id)?,
            name: columns.name,
            description: columns.description,
            instructions: columns.instructions,
            metadata: reader.json_opt("metadata", columns.metadata.as_ref())?,
            embedding_config: reader.json("embedding_config", &columns.embedding_config)?,
            vector_db_provider: VectorDbProvider::lenient(&columns.vector_db_provider),
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(columns.last_updated_by_id),
            created_at: Some(self.created_at.into()),
            updated_at: Some(columns.updated_at.into()),
        })
    }
}
