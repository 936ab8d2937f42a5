//! The row of a file.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::MODEL;
use crate::{
    Actor, Result,
    row::Reader,
    schema::{FileMetadata, FileProcessingStatus, Timestamp},
    tables::files,
    text::clean_opt,
};

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = files, treat_none_as_default_value = false)]
pub(super) struct Record {
    id: String,
    organization_id: String,
    source_id: String,
    file_name: Option<String>,
    original_file_name: Option<String>,
    file_path: Option<String>,
    file_type: Option<String>,
    file_size: Option<i64>,
    file_creation_date: Option<String>,
    file_last_modified_date: Option<String>,
    processing_status: String,
    error_message: Option<String>,
    total_chunks: Option<i64>,
    chunks_embedded: Option<i64>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl Record {
    pub(super) fn new(actor: &Actor, file: &FileMetadata) -> Self {
        let now = Timestamp::now().naive();
        let user = Some(actor.user_id.to_string());
        let file = file.clone();
        Self {
            id: file.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            source_id: file.source_id.to_string(),
            file_name: clean_opt(file.file_name),
            original_file_name: clean_opt(file.original_file_name),
            file_path: clean_opt(file.file_path),
            file_type: clean_opt(file.file_type),
            file_size: file.file_size,
            file_creation_date: clean_opt(file.file_creation_date),
            file_last_modified_date: clean_opt(file.file_last_modified_date),
            processing_status: file.processing_status.to_string(),
            error_message: clean_opt(file.error_message),
            total_chunks: file.total_chunks,
            chunks_embedded: file.chunks_embedded,
            created_at: now,
            updated_at: now,
            created_by_id: user.clone(),
            last_updated_by_id: user,
        }
    }

    pub(super) fn read(self) -> Result<FileMetadata> {
        let reader = Reader { model: MODEL, id: &self.id };
        Ok(FileMetadata {
            id: reader.id("id", &self.id)?,
            source_id: reader.id("source_id", &self.source_id)?,
            file_name: self.file_name,
            original_file_name: self.original_file_name,
            file_path: self.file_path,
            file_type: self.file_type,
            file_size: self.file_size,
            file_creation_date: self.file_creation_date,
            file_last_modified_date: self.file_last_modified_date,
            // A state that this version does not know is one that it cannot wait for.
            processing_status: self.processing_status.parse().unwrap_or(FileProcessingStatus::Error),
            error_message: self.error_message,
            total_chunks: self.total_chunks,
            chunks_embedded: self.chunks_embedded,
            content: None,
            created_at: Some(self.created_at.into()),
            updated_at: Some(self.updated_at.into()),
        })
    }
}
