//! Passages: the texts in archives.

mod row;
mod search;

pub use search::{Found, PassageQuery, Scope, search};

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Actor, Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::{changed, readable},
    schema::{AgentId, ArchiveId, OrganizationId, Passage, PassageId},
    tables::{archives_agents, passages as t, passages_tags},
    text::{clean, contains},
};
use row::{NewRow, PassageRow};

const MODEL: &str = "Passage";

/// Stores new passages in an archive, with their tags. The caller has made sure that the archive is of the actor's
/// organization.
pub fn insert(conn: &mut Conn, actor: &Actor, archive: ArchiveId, passages: &[Passage]) -> Result<()> {
    let rows = passages.iter().map(|passage| NewRow::new(actor, archive, passage)).collect::<Result<Vec<_>>>()?;
    let mut tags = Vec::new();
    for passage in passages {
        let distinct: BTreeSet<String> = passage.tags.iter().flatten().cloned().map(clean).collect();
        tags.extend(distinct.into_iter().map(|tag| {
            (
                passages_tags::passage_id.eq(passage.id.to_string()),
                passages_tags::tag.eq(tag),
                passages_tags::archive_id.eq(archive.to_string()),
            )
        }));
    }
    with_backend!(conn, c => {
        // Both databases know only so many parameters in one statement.
        for rows in rows.chunks(500) {
            diesel::insert_into(t::table).values(rows).execute(c)?;
        }
        for tags in tags.chunks(1000) {
            diesel::insert_into(passages_tags::table).values(tags.to_vec()).execute(c)?;
        }
        QueryResult::Ok(())
    })?;
    Ok(())
}

/// The passage with this id.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: PassageId) -> Result<Option<Passage>> {
    let row: Option<PassageRow> = with_backend!(conn, c => {
        t::table
            .filter(t::id.eq(id.to_string()))
            .filter(t::organization_id.eq(organization.to_string()))
            .select(PassageRow::as_select())
            .first(c)
            .optional()
    })?;
    row.map(PassageRow::read).transpose()
}

/// Deletes the passage. False when there is no such passage.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: PassageId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(
            t::table.filter(t::id.eq(id.to_string())).filter(t::organization_id.eq(organization.to_string())),
        )
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// A page of the passages of an archive, sorted by their age; with `part` only those whose text contains it, in any
/// case.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(
    conn: &mut Conn,
    organization: OrganizationId,
    archive: ArchiveId,
    part: Option<&str>,
    page: &Page,
) -> Result<Vec<Passage>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            t::table
                .filter(t::id.eq(cursor))
                .filter(t::organization_id.eq(organization.to_string()))
                .select(t::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let rows: Vec<PassageRow> = with_backend!(conn, c => {
        let mut query = t::table
            .filter(t::organization_id.eq(organization.to_string()))
            .filter(t::archive_id.eq(archive.to_string()))
            .select(PassageRow::as_select())
            .into_boxed();
        if let Some(part) = part {
            query = query.filter(contains(t::text, part));
        }
        load_page!(c, query, &window, t::created_at, t::id => PassageRow)
    })?;
    Ok(readable(rows, PassageRow::read))
}

/// How many passages the agent can search in.
pub fn count_of_agent(conn: &mut Conn, agent: AgentId) -> Result<i64> {
    let archive = archives_agents::table
        .filter(archives_agents::agent_id.eq(agent.to_string()))
        .select(archives_agents::archive_id);
    let query = t::table.filter(t::archive_id.eq_any(archive)).count();
    Ok(with_backend!(conn, c => query.get_result(c))?)
}
