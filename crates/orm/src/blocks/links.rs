//! Blocks of agents.

use std::collections::HashMap;

use chrono::NaiveDateTime;
use diesel::{dsl::exists, prelude::*};

use super::{MODEL, fill_tags, record::Record};
use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::{changed, readable},
    schema::{AgentId, Block, BlockId, ConversationId, OrganizationId, Timestamp},
    tables::{blocks, blocks_agents as links, conversations_blocks},
};

/// Attaches the blocks to the agent, in this order; those that are attached already stay where they are. The caller
/// has made sure that the agent and the blocks are of one organization.
///
/// # Errors
/// [`crate::Error::Unique`] when the agent has another block with one of the labels.
pub fn attach(conn: &mut Conn, agent: AgentId, blocks: &[&Block]) -> Result<()> {
    let now = Timestamp::now().utc();
    for (n, block) in (0..).zip(blocks) {
        let row = (
            links::agent_id.eq(agent.to_string()),
            links::block_id.eq(block.id.to_string()),
            links::label.eq(&block.label),
            // Times a microsecond apart keep the order.
            links::created_at.eq((now + chrono::Duration::microseconds(n)).naive_utc()),
        );
        with_backend!(conn, c => {
            diesel::insert_into(links::table)
                .values(row)
                .on_conflict((links::agent_id, links::block_id))
                .do_nothing()
                .execute(c)
        })?;
    }
    Ok(())
}

/// Detaches the block from the agent. False when it was not attached.
pub fn detach(conn: &mut Conn, agent: AgentId, block: BlockId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(links::table.find((agent.to_string(), block.to_string()))).execute(c)
    })?;
    Ok(changed(rows))
}

/// The agents that have the block attached, in the order in which they got it.
pub fn agents_of(conn: &mut Conn, block: BlockId) -> Result<Vec<AgentId>> {
    let ids: Vec<String> = with_backend!(conn, c => {
        links::table
            .filter(links::block_id.eq(block.to_string()))
            .order((links::created_at, links::agent_id))
            .select(links::agent_id)
            .load(c)
    })?;
    Ok(ids.iter().filter_map(|id| id.parse().ok()).collect())
}

/// The block with this label that the agent has attached, with its tags.
pub fn by_label(conn: &mut Conn, organization: OrganizationId, agent: AgentId, label: &str) -> Result<Option<Block>> {
    let record: Option<Record> = with_backend!(conn, c => {
        blocks::table
            .inner_join(links::table)
            .filter(links::agent_id.eq(agent.to_string()))
            .filter(links::label.eq(label))
            .filter(blocks::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    let Some(record) = record else { return Ok(None) };
    let mut block = [record.read()?];
    fill_tags(conn, &mut block)?;
    let [block] = block;
    Ok(Some(block))
}

/// All blocks of one agent in the order in which they were attached, without their tags.
pub fn attached_to(conn: &mut Conn, agent: AgentId) -> Result<Vec<Block>> {
    Ok(of_agents(conn, &[agent])?.remove(&agent).unwrap_or_default())
}

/// The blocks of these agents in the order in which they were attached, without their tags. An agent that has none is
/// not in the map.
pub fn of_agents(conn: &mut Conn, agents: &[AgentId]) -> Result<HashMap<AgentId, Vec<Block>>> {
    let ids: Vec<String> = agents.iter().map(ToString::to_string).collect();
    let rows: Vec<(String, Record)> = with_backend!(conn, c => {
        links::table
            .inner_join(blocks::table)
            .filter(links::agent_id.eq_any(&ids))
            .order((links::created_at, links::block_id))
            .select((links::agent_id, Record::as_select()))
            .load(c)
    })?;
    let mut map: HashMap<_, Vec<_>> = HashMap::new();
    let owned = readable(rows, |(agent, record)| Ok((agent, record.read()?)));
    for (agent, block) in owned {
        if let Ok(agent) = agent.parse() {
            map.entry(agent).or_default().push(block);
        }
    }
    Ok(map)
}

/// Whether the agent has a block attached whose label begins like this, which has no wildcards of `LIKE` in it.
pub fn any_labelled(conn: &mut Conn, agent: AgentId, beginning: &str) -> Result<bool> {
    let agents = links::table.filter(links::agent_id.eq(agent.to_string()));
    let labelled = agents.filter(links::label.like(format!("{beginning}%")));
    Ok(with_backend!(conn, c => diesel::select(exists(labelled)).get_result(c))?)
}

/// The blocks that the conversation has for itself, in the order in which it got them, without their tags.
pub fn of_conversation(conn: &mut Conn, conversation: ConversationId) -> Result<Vec<Block>> {
    let records: Vec<Record> = with_backend!(conn, c => {
        conversations_blocks::table
            .inner_join(blocks::table)
            .filter(conversations_blocks::conversation_id.eq(conversation.to_string()))
            .order((conversations_blocks::created_at, conversations_blocks::block_id))
            .select(Record::as_select())
            .load(c)
    })?;
    Ok(readable(records, Record::read))
}

/// A page of the blocks of an agent, sorted by when they were attached, with their tags. A cursor is the id of a
/// block that the agent has attached.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list_attached(conn: &mut Conn, organization: OrganizationId, agent: AgentId, page: &Page) -> Result<Vec<Block>> {
    let window = page.window(MODEL, |cursor| {
        let attached: Option<NaiveDateTime> = with_backend!(conn, c => {
            links::table.find((agent.to_string(), cursor)).select(links::created_at).first(c).optional()
        })?;
        Ok(attached.map(|attached| Key::from((attached, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let query = links::table
            .inner_join(blocks::table)
            .filter(links::agent_id.eq(agent.to_string()))
            .filter(blocks::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .into_boxed();
        load_page!(c, query, &window, links::created_at, links::block_id => Record)
    })?;
    let mut blocks = readable(records, Record::read);
    fill_tags(conn, &mut blocks)?;
    Ok(blocks)
}
