//! Files as agents see them: which an agent has, which of them are open, and at what lines.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::{Reader, readable},
    schema::{AgentFileAttachment, AgentId, FileAgentId, FileId, SourceId, Timestamp},
    tables::{files_agents as links, sources},
    text::{clean, clean_opt},
};

const MODEL: &str = "FileAgent";

/// A file of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileAgentRow {
    /// The id of the connection.
    pub id: FileAgentId,
    /// The agent.
    pub agent_id: AgentId,
    /// The file.
    pub file_id: FileId,
    /// Its folder.
    pub source_id: SourceId,
    /// Its name, unique among the files of the agent.
    pub file_name: String,
    /// Whether the agent has it open.
    pub is_open: bool,
    /// What the agent sees of it while it is open, not yet cut to the agent's limit.
    pub visible_content: Option<String>,
    /// When it was last opened, closed or searched.
    pub last_accessed_at: Timestamp,
    /// The first line that is seen, from 1; none when all are.
    pub start_line: Option<i64>,
    /// The last line that is seen; none when there is no end.
    pub end_line: Option<i64>,
}

#[derive(Queryable, Selectable, Insertable, AsChangeset)]
#[diesel(table_name = links, treat_none_as_default_value = false, treat_none_as_null = true)]
struct Record {
    id: String,
    agent_id: String,
    file_id: String,
    source_id: String,
    file_name: String,
    is_open: bool,
    visible_content: Option<String>,
    last_accessed_at: NaiveDateTime,
    start_line: Option<i64>,
    end_line: Option<i64>,
}

impl Record {
    fn of(row: &FileAgentRow) -> Self {
        Self {
            id: row.id.to_string(),
            agent_id: row.agent_id.to_string(),
            file_id: row.file_id.to_string(),
            source_id: row.source_id.to_string(),
            file_name: clean(row.file_name.clone()),
            is_open: row.is_open,
            visible_content: clean_opt(row.visible_content.clone()),
            last_accessed_at: row.last_accessed_at.naive(),
            start_line: row.start_line,
            end_line: row.end_line,
        }
    }

    fn read(self) -> Result<FileAgentRow> {
        let reader = Reader { model: MODEL, id: &self.id };
        Ok(FileAgentRow {
            id: reader.id("id", &self.id)?,
            agent_id: reader.id("agent_id", &self.agent_id)?,
            file_id: reader.id("file_id", &self.file_id)?,
            source_id: reader.id("source_id", &self.source_id)?,
            file_name: self.file_name,
            is_open: self.is_open,
            visible_content: self.visible_content,
            last_accessed_at: self.last_accessed_at.into(),
            start_line: self.start_line,
            end_line: self.end_line,
        })
    }
}

/// Stores these rows; one with the id of a stored row takes its place. New ones keep their order.
///
/// # Errors
/// [`crate::Error::Unique`] when an agent would have a file, or a name, twice.
pub fn put(conn: &mut Conn, rows: &[FileAgentRow]) -> Result<()> {
    let now = Timestamp::now().utc();
    for (n, row) in (0..).zip(rows) {
        let record = Record::of(row);
        // Times a microsecond apart keep the order.
        let created_at = (now + chrono::Duration::microseconds(n)).naive_utc();
        with_backend!(conn, c => {
            diesel::insert_into(links::table)
                .values((&record, links::created_at.eq(created_at)))
                .on_conflict(links::id)
                .do_update()
                .set(&record)
                .execute(c)
        })?;
    }
    Ok(())
}

/// All files of one agent in the order in which it got them.
pub fn attached_to(conn: &mut Conn, agent: AgentId) -> Result<Vec<FileAgentRow>> {
    Ok(of_agents(conn, &[agent])?.remove(&agent).unwrap_or_default())
}

/// The files of these agents in the order in which they got them. An agent that has none is not in the map.
pub fn of_agents(conn: &mut Conn, agents: &[AgentId]) -> Result<HashMap<AgentId, Vec<FileAgentRow>>> {
    let ids: Vec<String> = agents.iter().map(ToString::to_string).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        links::table
            .filter(links::agent_id.eq_any(&ids))
            .order((links::created_at, links::id))
            .select(Record::as_select())
            .load(c)
    })?;
    let mut map: HashMap<_, Vec<_>> = HashMap::new();
    for row in readable(records, Record::read) {
        map.entry(row.agent_id).or_default().push(row);
    }
    Ok(map)
}

/// The agents that have the file.
pub fn agents_of(conn: &mut Conn, file: FileId) -> Result<Vec<AgentId>> {
    let ids: Vec<String> = with_backend!(conn, c => {
        links::table.filter(links::file_id.eq(file.to_string())).select(links::agent_id).load(c)
    })?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// A page of the files of an agent with the names of their folders, sorted by when the agent got them; all, or those
/// that are open or closed. A cursor is the id of the connection.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(conn: &mut Conn, agent: AgentId, is_open: Option<bool>, page: &Page) -> Result<Vec<AgentFileAttachment>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            links::table
                .find(cursor)
                .filter(links::agent_id.eq(agent.to_string()))
                .select(links::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let rows: Vec<(Record, String)> = with_backend!(conn, c => {
        let mut query = links::table
            .inner_join(sources::table)
            .filter(links::agent_id.eq(agent.to_string()))
            .select((Record::as_select(), sources::name))
            .into_boxed();
        if let Some(is_open) = is_open {
            query = query.filter(links::is_open.eq(is_open));
        }
        load_page!(c, query, &window, links::created_at, links::id => (Record, String))
    })?;
    let read = |(record, folder_name): (Record, String)| {
        let row = record.read()?;
        Ok(AgentFileAttachment {
            id: row.id,
            file_id: row.file_id,
            file_name: row.file_name,
            folder_id: row.source_id,
            folder_name,
            is_open: row.is_open,
            last_accessed_at: Some(row.last_accessed_at),
            visible_content: row.visible_content,
            start_line: row.start_line,
            end_line: row.end_line,
        })
    };
    Ok(readable(rows, read))
}

/// Takes the files of a folder off the agent.
pub fn remove_of_source(conn: &mut Conn, agent: AgentId, source: SourceId) -> Result<()> {
    with_backend!(conn, c => {
        let of_source =
            links::table.filter(links::agent_id.eq(agent.to_string())).filter(links::source_id.eq(source.to_string()));
        diesel::delete(of_source).execute(c)
    })?;
    Ok(())
}
