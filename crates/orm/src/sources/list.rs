//! Lists of folders, and of the agents of a folder.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{MODEL, record::Record};
use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::readable,
    schema::{AgentId, OrganizationId, Source, SourceId},
    tables::{agents, sources, sources_agents},
    text::contains,
};

/// A page of the folders whose name has this part, in any case, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(
    conn: &mut Conn,
    organization: OrganizationId,
    name_part: Option<&str>,
    page: &Page,
) -> Result<Vec<Source>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            sources::table
                .find(cursor)
                .filter(sources::organization_id.eq(organization.to_string()))
                .select(sources::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let mut query = sources::table
            .filter(sources::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .into_boxed();
        if let Some(part) = name_part {
            query = query.filter(contains(sources::name, part));
        }
        load_page!(c, query, &window, sources::created_at, sources::id => Record)
    })?;
    Ok(readable(records, Record::read))
}

/// How many folders there are.
pub fn count(conn: &mut Conn, organization: OrganizationId) -> Result<i64> {
    Ok(with_backend!(conn, c => {
        sources::table.filter(sources::organization_id.eq(organization.to_string())).count().get_result(c)
    })?)
}

/// A page of the agents that have the folder, sorted by the agents' age. A cursor is the id of an agent.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list_agents(conn: &mut Conn, organization: OrganizationId, id: SourceId, page: &Page) -> Result<Vec<AgentId>> {
    let window = page.window("Agent", |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            agents::table
                .find(cursor)
                .filter(agents::organization_id.eq(organization.to_string()))
                .select(agents::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let ids: Vec<String> = with_backend!(conn, c => {
        let query = sources_agents::table
            .inner_join(agents::table)
            .filter(sources_agents::source_id.eq(id.to_string()))
            .filter(agents::organization_id.eq(organization.to_string()))
            .select(agents::id)
            .into_boxed();
        load_page!(c, query, &window, agents::created_at, agents::id => String)
    })?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}
