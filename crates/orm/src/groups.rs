//! Groups: agents that work together, and the one that manages them.

mod record;

/// The members of groups.
pub mod members {
    crate::id_links::id_links!(groups_agents: group_id GroupId => agent_id AgentId);
}

/// The blocks that the agents of groups share.
pub mod blocks {
    crate::id_links::id_links!(groups_blocks: group_id GroupId => block_id BlockId);
}

use chrono::NaiveDateTime;
use diesel::{dsl::exists, prelude::*};
use record::{Columns, Record};

use crate::{
    Actor, Conn, Page, Result,
    connection::{lock_row, with_backend},
    page::{Key, load_page},
    row::{changed, readable},
    schema::{AgentId, Group, GroupId, ManagerType, OrganizationId, Timestamp},
    tables::{groups, groups_agents},
};

const MODEL: &str = "Group";

/// Which groups a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupFilter {
    /// How the agents take turns.
    pub manager_type: Option<ManagerType>,
    /// The exact project.
    pub project_id: Option<String>,
    /// A member; the managing agent is none.
    pub member: Option<AgentId>,
    /// Also the groups that are hidden.
    pub show_hidden: bool,
}

/// Stores a new group with its members and blocks, which the caller has made sure are of the organization.
pub fn insert(conn: &mut Conn, actor: &Actor, group: &Group) -> Result<()> {
    let record = Record::new(actor, group);
    with_backend!(conn, c => diesel::insert_into(groups::table).values(&record).execute(c))?;
    members::attach(conn, group.id, &group.agent_ids)?;
    blocks::attach(conn, group.id, &group.shared_block_ids)
}

/// The group with this id.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: GroupId) -> Result<Option<Group>> {
    let record: Option<Record> = with_backend!(conn, c => {
        groups::table
            .find(id.to_string())
            .filter(groups::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    let Some(record) = record else { return Ok(None) };
    Ok(with_links(conn, vec![record.read()?])?.pop())
}

/// [`get`] for a change that depends on what is read: nobody else changes the row until the transaction ends.
pub fn lock(conn: &mut Conn, organization: OrganizationId, id: GroupId) -> Result<Option<Group>> {
    lock_row!(conn, groups, id);
    get(conn, organization, id)
}

/// Writes all columns of the group. Its members and blocks are changed through [`members`] and [`blocks`].
pub fn update(conn: &mut Conn, actor: &Actor, group: &Group) -> Result<bool> {
    let columns = Columns::of(actor, group, Timestamp::now());
    let rows = with_backend!(conn, c => {
        diesel::update(
            groups::table
                .find(group.id.to_string())
                .filter(groups::organization_id.eq(actor.organization_id.to_string())),
        )
        .set(&columns)
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// Deletes the group; its agents, blocks and messages stay. False when there is no such group.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: GroupId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(groups::table.find(id.to_string()).filter(groups::organization_id.eq(organization.to_string())))
            .execute(c)
    })?;
    Ok(changed(rows))
}

/// A page of the groups that match, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(conn: &mut Conn, organization: OrganizationId, filter: &GroupFilter, page: &Page) -> Result<Vec<Group>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            groups::table
                .find(cursor)
                .filter(groups::organization_id.eq(organization.to_string()))
                .select(groups::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let mut query = groups::table.filter(groups::organization_id.eq(organization.to_string())).into_boxed();
        if let Some(kind) = filter.manager_type {
            query = query.filter(groups::manager_type.eq(kind.as_str()));
        }
        if let Some(project) = &filter.project_id {
            query = query.filter(groups::project_id.eq(project.clone()));
        }
        if let Some(agent) = filter.member {
            let member = groups_agents::table
                .filter(groups_agents::group_id.eq(groups::id))
                .filter(groups_agents::agent_id.eq(agent.to_string()));
            query = query.filter(exists(member));
        }
        if !filter.show_hidden {
            query = query.filter(groups::hidden.is_null().or(groups::hidden.eq(false)));
        }
        let query = query.select(Record::as_select());
        load_page!(c, query, &window, groups::created_at, groups::id => Record)
    })?;
    with_links(conn, readable(records, Record::read))
}

/// How many groups there are, hidden ones included.
pub fn count(conn: &mut Conn, organization: OrganizationId) -> Result<i64> {
    Ok(with_backend!(conn, c => {
        groups::table.filter(groups::organization_id.eq(organization.to_string())).count().get_result(c)
    })?)
}

/// The groups that these agents manage, oldest first.
pub fn managed_by(conn: &mut Conn, agents: &[AgentId]) -> Result<Vec<Group>> {
    let ids: Vec<String> = agents.iter().map(ToString::to_string).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        groups::table
            .filter(groups::manager_agent_id.eq_any(&ids))
            .order((groups::created_at, groups::id))
            .select(Record::as_select())
            .load(c)
    })?;
    with_links(conn, readable(records, Record::read))
}

/// The groups that the agent is a member of, oldest first.
pub fn with_member(conn: &mut Conn, agent: AgentId) -> Result<Vec<Group>> {
    let records: Vec<Record> = with_backend!(conn, c => {
        groups::table
            .inner_join(groups_agents::table)
            .filter(groups_agents::agent_id.eq(agent.to_string()))
            .order((groups::created_at, groups::id))
            .select(Record::as_select())
            .load(c)
    })?;
    with_links(conn, readable(records, Record::read))
}

/// The agents that tend the memory of this one in the background.
pub fn companions_of(conn: &mut Conn, agent: AgentId) -> Result<Vec<AgentId>> {
    let ids: Vec<String> = with_backend!(conn, c => {
        groups_agents::table
            .inner_join(groups::table)
            .filter(groups::manager_agent_id.eq(agent.to_string()))
            .filter(groups::manager_type.eq_any([
                ManagerType::Sleeptime.as_str(),
                ManagerType::VoiceSleeptime.as_str(),
            ]))
            .filter(groups_agents::agent_id.ne(agent.to_string()))
            .order((groups_agents::created_at, groups_agents::agent_id))
            .select(groups_agents::agent_id)
            .load(c)
    })?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

fn with_links(conn: &mut Conn, mut found: Vec<Group>) -> Result<Vec<Group>> {
    let ids: Vec<GroupId> = found.iter().map(|group| group.id).collect();
    let mut members = members::load(conn, &ids)?;
    let mut blocks = blocks::load(conn, &ids)?;
    for group in &mut found {
        group.agent_ids = members.remove(&group.id).unwrap_or_default();
        group.shared_block_ids = blocks.remove(&group.id).unwrap_or_default();
    }
    Ok(found)
}
