//! Archives, and which agents search in them.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Actor, Conn, Page, Result,
    connection::{lock_row, with_backend},
    json::RawJson,
    page::{Key, load_page},
    row::{Reader, changed, readable, user},
    schema::{AgentId, Archive, ArchiveId, OrganizationId, Timestamp, VectorDbProvider},
    tables::{archives, archives_agents as links},
    text::{clean, clean_opt},
};

const MODEL: &str = "Archive";

/// Which archives a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArchiveFilter {
    /// The exact name.
    pub name: Option<String>,
    /// The agent that searches in it.
    pub agent_id: Option<AgentId>,
}

#[derive(Queryable, Selectable, Insertable)]
#[diesel(table_name = archives, treat_none_as_default_value = false)]
struct Record {
    id: String,
    organization_id: String,
    name: String,
    description: Option<String>,
    embedding_config: Option<RawJson>,
    metadata: Option<RawJson>,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
    created_by_id: Option<String>,
    last_updated_by_id: Option<String>,
}

impl Record {
    fn new(actor: &Actor, archive: &Archive) -> Result<Self> {
        Ok(Self {
            id: archive.id.to_string(),
            organization_id: actor.organization_id.to_string(),
            name: clean(archive.name.clone()),
            description: clean_opt(archive.description.clone()),
            embedding_config: RawJson::of_opt(archive.embedding_config.as_ref())?,
            metadata: RawJson::of_opt(archive.metadata.as_ref())?,
            created_at: archive.created_at.naive(),
            updated_at: archive.updated_at.unwrap_or(archive.created_at).naive(),
            created_by_id: archive.created_by_id.map(|id| id.to_string()),
            last_updated_by_id: archive.last_updated_by_id.map(|id| id.to_string()),
        })
    }

    fn read(self) -> Result<Archive> {
        let reader = Reader { model: MODEL, id: &self.id };
        Ok(Archive {
            id: reader.id("id", &self.id)?,
            name: self.name,
            description: self.description,
            vector_db_provider: VectorDbProvider::Native,
            embedding_config: reader.json_opt("embedding_config", self.embedding_config.as_ref())?,
            metadata: reader.json_opt("metadata", self.metadata.as_ref())?,
            created_at: self.created_at.into(),
            updated_at: Some(self.updated_at.into()),
            created_by_id: user(self.created_by_id),
            last_updated_by_id: user(self.last_updated_by_id),
        })
    }
}

/// Stores a new archive of the actor's organization.
pub fn insert(conn: &mut Conn, actor: &Actor, archive: &Archive) -> Result<()> {
    let record = Record::new(actor, archive)?;
    with_backend!(conn, c => diesel::insert_into(archives::table).values(&record).execute(c))?;
    Ok(())
}

/// The archive with this id.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: ArchiveId) -> Result<Option<Archive>> {
    let record: Option<Record> = with_backend!(conn, c => {
        archives::table
            .find(id.to_string())
            .filter(archives::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// The archive with this id, to be changed: nobody else changes or deletes the row until the transaction ends.
pub fn lock(conn: &mut Conn, organization: OrganizationId, id: ArchiveId) -> Result<Option<Archive>> {
    lock_row!(conn, archives, id);
    get(conn, organization, id)
}

/// Writes the name and the description of the archive; the rest of it never changes. False when there is no such
/// archive.
pub fn update(conn: &mut Conn, actor: &Actor, archive: &Archive) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::update(
            archives::table
                .find(archive.id.to_string())
                .filter(archives::organization_id.eq(actor.organization_id.to_string())),
        )
        .set((
            archives::name.eq(clean(archive.name.clone())),
            archives::description.eq(clean_opt(archive.description.clone())),
            archives::updated_at.eq(archive.updated_at.unwrap_or_else(Timestamp::now).naive()),
            archives::last_updated_by_id.eq(actor.user_id.to_string()),
        ))
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// Deletes the archive with its passages and links; the agents stay. False when there is no such archive.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: ArchiveId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(
            archives::table.find(id.to_string()).filter(archives::organization_id.eq(organization.to_string())),
        )
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// A page of the archives that match, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(
    conn: &mut Conn,
    organization: OrganizationId,
    filter: &ArchiveFilter,
    page: &Page,
) -> Result<Vec<Archive>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            archives::table
                .find(cursor)
                .filter(archives::organization_id.eq(organization.to_string()))
                .select(archives::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let mut query = archives::table
            .filter(archives::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .into_boxed();
        if let Some(name) = &filter.name {
            query = query.filter(archives::name.eq(name));
        }
        if let Some(agent) = filter.agent_id {
            let attached = links::table.filter(links::agent_id.eq(agent.to_string())).select(links::archive_id);
            query = query.filter(archives::id.eq_any(attached));
        }
        load_page!(c, query, &window, archives::created_at, archives::id => Record)
    })?;
    Ok(readable(records, Record::read))
}

/// Gives the agent the archive to search in, unless it has that one already. The caller has made sure that both are
/// of one organization.
///
/// # Errors
/// [`crate::Error::Unique`] when the agent has another archive.
pub fn attach(conn: &mut Conn, agent: AgentId, archive: ArchiveId, is_owner: bool) -> Result<()> {
    if of_agents(conn, &[agent])?.get(&agent) == Some(&archive) {
        return Ok(());
    }
    let row = (
        links::agent_id.eq(agent.to_string()),
        links::archive_id.eq(archive.to_string()),
        links::is_owner.eq(is_owner),
        links::created_at.eq(Timestamp::now().naive()),
    );
    with_backend!(conn, c => diesel::insert_into(links::table).values(row).execute(c))?;
    Ok(())
}

/// Takes the archive from the agent. False when it did not have it.
pub fn detach(conn: &mut Conn, agent: AgentId, archive: ArchiveId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(links::table.find(agent.to_string()).filter(links::archive_id.eq(archive.to_string()))).execute(c)
    })?;
    Ok(changed(rows))
}

/// The archive that the agent searches in.
pub fn of_agent(conn: &mut Conn, agent: AgentId) -> Result<Option<Archive>> {
    let record: Option<Record> = with_backend!(conn, c => {
        links::table
            .inner_join(archives::table)
            .filter(links::agent_id.eq(agent.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// The archives that these agents search in. An agent that has none is not in the map.
pub fn of_agents(conn: &mut Conn, agents: &[AgentId]) -> Result<HashMap<AgentId, ArchiveId>> {
    let ids: Vec<String> = agents.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, String)> = with_backend!(conn, c => {
        links::table.filter(links::agent_id.eq_any(&ids)).select((links::agent_id, links::archive_id)).load(c)
    })?;
    Ok(rows.iter().filter_map(|(agent, archive)| Some((agent.parse().ok()?, archive.parse().ok()?))).collect())
}

/// The agents that search in the archive, in the order in which they got it.
pub fn agents_of(conn: &mut Conn, archive: ArchiveId) -> Result<Vec<AgentId>> {
    let ids: Vec<String> = with_backend!(conn, c => {
        links::table
            .filter(links::archive_id.eq(archive.to_string()))
            .order((links::created_at, links::agent_id))
            .select(links::agent_id)
            .load(c)
    })?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}
