//! Identities: whom agents work for and blocks are about.

mod record;

/// The agents of identities.
pub mod agents {
    crate::id_links::id_links!(identities_agents: identity_id IdentityId => agent_id AgentId);
}

/// The blocks of identities.
pub mod blocks {
    crate::id_links::id_links!(identities_blocks: identity_id IdentityId => block_id BlockId);
}

/// The identities of agents.
pub mod of_agent {
    crate::id_links::id_links!(identities_agents: agent_id AgentId => identity_id IdentityId);
}

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::prelude::*;
use record::{Columns, Record};

use crate::{
    Actor, Conn, Page, Result,
    connection::{lock_row, owned_by, with_backend},
    page::{Key, load_page},
    row::{changed, readable},
    schema::{AgentId, Identity, IdentityId, IdentityType, OrganizationId, Timestamp},
    tables::{identities, identities_agents},
    text::contains,
};

const MODEL: &str = "Identity";

/// Which identities a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdentityFilter {
    /// A part of the name, in any case.
    pub name: Option<String>,
    /// The exact project.
    pub project_id: Option<String>,
    /// The exact key.
    pub identifier_key: Option<String>,
    /// Whom it stands for.
    pub identity_type: Option<IdentityType>,
}

/// Stores a new identity with its links. The caller has made sure that what it links to is of the organization.
///
/// # Errors
/// [`crate::Error::Unique`] when another one of the project has the key.
pub fn insert(conn: &mut Conn, actor: &Actor, identity: &Identity) -> Result<()> {
    let record = Record::new(actor, identity)?;
    with_backend!(conn, c => diesel::insert_into(identities::table).values(&record).execute(c))?;
    agents::attach(conn, identity.id, &identity.agent_ids)?;
    blocks::attach(conn, identity.id, &identity.block_ids)
}

/// The identity with this id, and with its links.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: IdentityId) -> Result<Option<Identity>> {
    Ok(get_many(conn, organization, &[id])?.pop())
}

/// [`get`] for a change that depends on what is read: nobody else changes the row until the transaction ends.
pub fn lock(conn: &mut Conn, organization: OrganizationId, id: IdentityId) -> Result<Option<Identity>> {
    lock_row!(conn, identities, id);
    get(conn, organization, id)
}

/// Whether there is such an identity.
pub fn is_there(conn: &mut Conn, organization: OrganizationId, id: IdentityId) -> Result<bool> {
    let found: i64 = with_backend!(conn, c => {
        identities::table
            .find(id.to_string())
            .filter(identities::organization_id.eq(organization.to_string()))
            .count()
            .get_result(c)
    })?;
    Ok(found > 0)
}

/// The identities with these ids that exist, in no order.
pub fn get_many(conn: &mut Conn, organization: OrganizationId, ids: &[IdentityId]) -> Result<Vec<Identity>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        identities::table
            .filter(identities::id.eq_any(&ids))
            .filter(owned_by!(identities, organization))
            .select(Record::as_select())
            .load(c)
    })?;
    with_links(conn, readable(records, Record::read))
}

/// The id of the identity that has this key in this project, or outside all projects.
pub fn by_key(
    conn: &mut Conn,
    organization: OrganizationId,
    key: &str,
    project: Option<&str>,
) -> Result<Option<IdentityId>> {
    let id: Option<String> = with_backend!(conn, c => {
        let query = identities::table
            .filter(identities::organization_id.eq(organization.to_string()))
            .filter(identities::identifier_key.eq(key))
            .select(identities::id);
        match project {
            Some(project) => query.filter(identities::project_id.eq(project)).first(c).optional(),
            None => query.filter(identities::project_id.is_null()).first(c).optional(),
        }
    })?;
    Ok(id.and_then(|id| id.parse().ok()))
}

/// Writes all columns of the identity. Its links are changed through [`agents`] and [`blocks`].
///
/// # Errors
/// [`crate::Error::Unique`] when another one of the project has the key.
pub fn update(conn: &mut Conn, actor: &Actor, identity: &Identity) -> Result<bool> {
    let columns = Columns::of(actor, identity, Timestamp::now())?;
    let rows = with_backend!(conn, c => {
        diesel::update(
            identities::table
                .find(identity.id.to_string())
                .filter(identities::organization_id.eq(actor.organization_id.to_string())),
        )
        .set(&columns)
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// Deletes the identity with its links; agents and blocks stay. False when there is no such identity.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: IdentityId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(
            identities::table
                .find(id.to_string())
                .filter(identities::organization_id.eq(organization.to_string())),
        )
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// A page of the identities that match, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(
    conn: &mut Conn,
    organization: OrganizationId,
    filter: &IdentityFilter,
    page: &Page,
) -> Result<Vec<Identity>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            identities::table
                .find(cursor)
                .filter(identities::organization_id.eq(organization.to_string()))
                .select(identities::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let mut query =
            identities::table.filter(identities::organization_id.eq(organization.to_string())).into_boxed();
        if let Some(part) = &filter.name {
            query = query.filter(contains(identities::name, part));
        }
        if let Some(project) = &filter.project_id {
            query = query.filter(identities::project_id.eq(project.clone()));
        }
        if let Some(key) = &filter.identifier_key {
            query = query.filter(identities::identifier_key.eq(key.clone()));
        }
        if let Some(kind) = filter.identity_type {
            query = query.filter(identities::identity_type.eq(kind.as_str()));
        }
        let query = query.select(Record::as_select());
        load_page!(c, query, &window, identities::created_at, identities::id => Record)
    })?;
    with_links(conn, readable(records, Record::read))
}

/// How many identities there are.
pub fn count(conn: &mut Conn, organization: OrganizationId) -> Result<i64> {
    Ok(with_backend!(conn, c => {
        identities::table.filter(identities::organization_id.eq(organization.to_string())).count().get_result(c)
    })?)
}

/// The identities of these agents in the order in which they were attached, without their links: an identity may have
/// thousands of agents. An agent that has none is not in the map.
pub fn of_agents(conn: &mut Conn, agents: &[AgentId]) -> Result<HashMap<AgentId, Vec<Identity>>> {
    let ids: Vec<String> = agents.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, Record)> = with_backend!(conn, c => {
        identities_agents::table
            .inner_join(identities::table)
            .filter(identities_agents::agent_id.eq_any(&ids))
            .order((identities_agents::created_at, identities_agents::identity_id))
            .select((identities_agents::agent_id, Record::as_select()))
            .load(c)
    })?;
    let mut map: HashMap<_, Vec<_>> = HashMap::new();
    for (agent, identity) in readable(rows, |(agent, record)| Ok((agent, record.read()?))) {
        if let Ok(agent) = agent.parse() {
            map.entry(agent).or_default().push(identity);
        }
    }
    Ok(map)
}

fn with_links(conn: &mut Conn, mut found: Vec<Identity>) -> Result<Vec<Identity>> {
    let ids: Vec<IdentityId> = found.iter().map(|identity| identity.id).collect();
    let mut agents = agents::load(conn, &ids)?;
    let mut blocks = blocks::load(conn, &ids)?;
    for identity in &mut found {
        identity.agent_ids = agents.remove(&identity.id).unwrap_or_default();
        identity.block_ids = blocks.remove(&identity.id).unwrap_or_default();
    }
    Ok(found)
}
