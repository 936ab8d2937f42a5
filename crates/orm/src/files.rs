//! Files of folders, and their texts.

mod record;

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use record::Record;

use crate::{
    Actor, Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::{Reader, changed, readable},
    schema::{FileId, FileMetadata, FileStats, OrganizationId, SourceId, SourceStats},
    tables::{file_contents, files, sources},
    text::clean,
};

const MODEL: &str = "FileMetadata";

/// Stores a new file, with its text if it has one; it is made by the actor, now.
pub fn insert(conn: &mut Conn, actor: &Actor, file: &FileMetadata) -> Result<()> {
    let record = Record::new(actor, file);
    with_backend!(conn, c => diesel::insert_into(files::table).values(&record).execute(c))?;
    if let Some(text) = &file.content {
        let row = (file_contents::file_id.eq(file.id.to_string()), file_contents::text.eq(clean(text.clone())));
        with_backend!(conn, c => diesel::insert_into(file_contents::table).values(row).execute(c))?;
    }
    Ok(())
}

/// The file with this id, without its text.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: FileId) -> Result<Option<FileMetadata>> {
    let record: Option<Record> = with_backend!(conn, c => {
        files::table
            .find(id.to_string())
            .filter(files::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// A page of the files of a folder, without their texts, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(conn: &mut Conn, organization: OrganizationId, source: SourceId, page: &Page) -> Result<Vec<FileMetadata>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            files::table
                .find(cursor)
                .filter(files::organization_id.eq(organization.to_string()))
                .select(files::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let query = files::table
            .filter(files::source_id.eq(source.to_string()))
            .filter(files::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .into_boxed();
        load_page!(c, query, &window, files::created_at, files::id => Record)
    })?;
    Ok(readable(records, Record::read))
}

/// The texts of these files. One without a text is not in the map.
pub fn contents(conn: &mut Conn, ids: &[FileId]) -> Result<HashMap<FileId, String>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, String)> = with_backend!(conn, c => {
        file_contents::table
            .filter(file_contents::file_id.eq_any(&ids))
            .select((file_contents::file_id, file_contents::text))
            .load(c)
    })?;
    Ok(rows.into_iter().filter_map(|(id, text)| Some((id.parse().ok()?, text))).collect())
}

/// Deletes the file with its text and its links to agents. False when there is no such file.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: FileId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(files::table.find(id.to_string()).filter(files::organization_id.eq(organization.to_string())))
            .execute(c)
    })?;
    Ok(changed(rows))
}

/// What a file counts in the statistics of its folder.
type FileSize = (String, Option<String>, Option<i64>);

/// All folders with the sizes of their files, folders and files by name.
pub fn stats(conn: &mut Conn, organization: OrganizationId) -> Result<Vec<SourceStats>> {
    let rows: Vec<(String, String, Option<FileSize>)> = with_backend!(conn, c => {
        sources::table
            .left_join(files::table)
            .filter(sources::organization_id.eq(organization.to_string()))
            .order((sources::name, sources::id, files::file_name, files::id))
            .select((sources::id, sources::name, (files::id, files::file_name, files::file_size).nullable()))
            .load(c)
    })?;
    let mut folders: Vec<SourceStats> = Vec::new();
    for (id, name, file) in rows {
        let source_id = Reader { model: "Source", id: &id }.id("id", &id)?;
        if folders.last().is_none_or(|folder| folder.source_id != source_id) {
            let files = Vec::new();
            folders.push(SourceStats { source_id, source_name: name, file_count: 0, total_size: 0, files });
        }
        if let (Some(folder), Some((id, name, size))) = (folders.last_mut(), file) {
            folder.file_count += 1;
            folder.total_size = folder.total_size.saturating_add(size.unwrap_or(0));
            folder.files.push(FileStats {
                file_id: Reader { model: MODEL, id: &id }.id("id", &id)?,
                file_name: name.unwrap_or_default(),
                file_size: size,
            });
        }
    }
    Ok(folders)
}
