//! The row of a passage.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::MODEL;
use crate::{
    Actor, Result,
    json::RawJson,
    row::{Reader, user},
    schema::{ArchiveId, Passage, Timestamp},
    tables::passages,
    text::clean,
};

/// A passage as it is read.
#[derive(Debug, Queryable, Selectable)]
#[diesel(table_name = passages)]
pub(super) struct PassageRow {
    pub(super) sequence_id: i64,
    id: String,
    archive_id: String,
    text: String,
    metadata: Option<RawJson>,
    tags: Option<RawJson>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl PassageRow {
    pub(super) fn read(self) -> Result<Passage> {
        let reader = Reader { model: MODEL, id: &self.id };
        Ok(Passage {
            id: reader.id("id", &self.id)?,
            archive_id: Some(reader.id("archive_id", &self.archive_id)?),
            source_id: None,
            file_id: None,
            file_name: None,
            text: self.text,
            metadata: reader.json_opt("metadata", self.metadata.as_ref())?.unwrap_or_default(),
            tags: reader.json_opt("tags", self.tags.as_ref())?,
            embedding: None,
            embedding_config: None,
            is_deleted: false,
            created_at: Some(self.created_at.into()),
            updated_at: Some(self.updated_at.into()),
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(self.last_updated_by_id),
        })
    }
}

/// A passage as it is stored.
#[derive(Insertable)]
#[diesel(table_name = passages, treat_none_as_default_value = false)]
pub(super) struct NewRow {
    id: String,
    organization_id: String,
    archive_id: String,
    text: String,
    metadata: Option<RawJson>,
    tags: Option<RawJson>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl NewRow {
    pub(super) fn new(actor: &Actor, archive: ArchiveId, passage: &Passage) -> Result<Self> {
        let now = Timestamp::now();
        Ok(Self {
            id: passage.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            archive_id: archive.to_string(),
            text: clean(passage.text.clone()),
            metadata: Some(RawJson::of(&passage.metadata)?),
            tags: RawJson::of_opt(passage.tags.as_ref())?,
            created_at: passage.created_at.unwrap_or(now).naive(),
            updated_at: passage.updated_at.unwrap_or(now).naive(),
            created_by_id: Some(actor.user_id.to_string()),
            last_updated_by_id: Some(actor.user_id.to_string()),
        })
    }
}
