//! Agents: the rows themselves. What is attached to them is in the modules of those things.

mod changes;
mod list;
mod record;

pub use changes::{AgentChanges, update};
pub use list::{AgentFilter, AgentSort, count, list, of_block};
pub use record::AgentRow;

use diesel::{dsl::exists, prelude::*};
use record::Record;

use crate::{
    Actor, Conn, Result,
    connection::{lock_row, owned_by, with_backend},
    conversations,
    json::Json,
    leases,
    row::{changed, readable},
    schema::{AgentId, MessageId, OrganizationId, Timestamp},
    tables::agents,
};

const MODEL: &str = "Agent";

/// Stores a new agent. Its tags, blocks, tools and secrets are attached through their own modules.
pub fn insert(conn: &mut Conn, agent: &AgentRow) -> Result<()> {
    let record = Record::of(agent)?;
    with_backend!(conn, c => diesel::insert_into(agents::table).values(&record).execute(c))?;
    Ok(())
}

/// The agent with this id.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<Option<AgentRow>> {
    let record: Option<Record> = with_backend!(conn, c => {
        agents::table
            .find(id.to_string())
            .filter(agents::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// [`get`] for a change that depends on what is read: nobody else changes the row until the transaction ends.
pub fn lock(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<Option<AgentRow>> {
    lock_row!(conn, agents, id);
    get(conn, organization, id)
}

/// The agents with these ids that exist, in no order.
pub fn get_many(conn: &mut Conn, organization: OrganizationId, ids: &[AgentId]) -> Result<Vec<AgentRow>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        agents::table
            .filter(agents::id.eq_any(&ids))
            .filter(owned_by!(agents, organization))
            .select(Record::as_select())
            .load(c)
    })?;
    Ok(readable(records, Record::read))
}

/// Whether there is such an agent.
pub fn is_there(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<bool> {
    Ok(with_backend!(conn, c => {
        diesel::select(exists(
            agents::table.find(id.to_string()).filter(agents::organization_id.eq(organization.to_string())),
        ))
        .get_result(c)
    })?)
}

/// Deletes the agent with its conversations, messages, runs, steps, tags, secrets and links. Blocks and tools stay, but
/// for the blocks that a conversation has for itself. False when there is no such agent.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<bool> {
    conversations::delete_blocks_of_agent(conn, organization, id)?;
    leases::release_all_of(conn, organization, id)?;
    let rows = with_backend!(conn, c => {
        diesel::delete(agents::table.find(id.to_string()).filter(agents::organization_id.eq(organization.to_string())))
            .execute(c)
    })?;
    Ok(changed(rows))
}

/// The messages in the agent's context, oldest first; none when there is no such agent.
pub fn context(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<Option<Vec<MessageId>>> {
    let ids: Option<Json<Vec<MessageId>>> = with_backend!(conn, c => {
        agents::table
            .find(id.to_string())
            .filter(agents::organization_id.eq(organization.to_string()))
            .select(agents::message_ids)
            .first(c)
            .optional()
    })?;
    Ok(ids.map(|ids| ids.0))
}

/// [`context`], empty when there is no such agent.
pub fn message_ids(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<Vec<MessageId>> {
    Ok(context(conn, organization, id)?.unwrap_or_default())
}

/// Replaces the list of messages in context. False when there is no such agent.
pub fn set_message_ids(conn: &mut Conn, actor: &Actor, id: AgentId, ids: &[MessageId]) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::update(
            agents::table.find(id.to_string()).filter(agents::organization_id.eq(actor.organization_id.to_string())),
        )
        .set((
            agents::message_ids.eq(Json(ids)),
            agents::updated_at.eq(Timestamp::now().naive()),
            agents::last_updated_by_id.eq(actor.user_id.to_string()),
        ))
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// Adds messages to the end of the context. False when there is no such agent.
pub fn append_message_ids(conn: &mut Conn, actor: &Actor, id: AgentId, new: &[MessageId]) -> Result<bool> {
    lock_row!(conn, agents, id);
    let mut ids = message_ids(conn, actor.organization_id, id)?;
    ids.extend_from_slice(new);
    set_message_ids(conn, actor, id, &ids)
}
