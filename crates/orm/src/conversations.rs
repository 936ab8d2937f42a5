//! Conversations: histories of an agent beside its default one. What is in them is in [`crate::histories`] and
//! [`crate::messages`].

mod list;
mod record;

/// The blocks that conversations have in place of their agent's.
pub mod blocks {
    crate::id_links::id_links!(conversations_blocks: conversation_id ConversationId => block_id BlockId);
}

pub use list::{ArchiveStatus, ConversationFilter, ConversationSort, list};

use diesel::{
    dsl::{exists, not},
    prelude::*,
};
use record::{Columns, Record};

use crate::{
    Actor, Conn, Result,
    connection::{lock_row, owned_by, with_backend},
    row::changed,
    schema::{AgentId, Conversation, ConversationId, OrganizationId, Timestamp},
    tables::{blocks as block_rows, conversation_messages as members, conversations, conversations_blocks, messages},
};

const MODEL: &str = "Conversation";

/// Stores a new conversation with its blocks, which the caller has made for it. Lists leave out a `hidden` one.
pub fn insert(conn: &mut Conn, actor: &Actor, conversation: &Conversation, hidden: bool) -> Result<()> {
    let record = Record::new(actor, conversation, hidden)?;
    with_backend!(conn, c => diesel::insert_into(conversations::table).values(&record).execute(c))?;
    blocks::attach(conn, conversation.id, &conversation.isolated_block_ids)
}

/// The conversation with this id, without its context.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: ConversationId) -> Result<Option<Conversation>> {
    let Some(mut conversation) = for_turn(conn, organization, id)? else { return Ok(None) };
    conversation.isolated_block_ids = blocks::load(conn, &[id])?.remove(&id).unwrap_or_default();
    Ok(Some(conversation))
}

/// [`get`] for a change that depends on what is read: nobody else changes the row until the transaction ends.
pub fn lock(conn: &mut Conn, organization: OrganizationId, id: ConversationId) -> Result<Option<Conversation>> {
    lock_row!(conn, conversations, id);
    get(conn, organization, id)
}

/// What a turn asks of the row: whose conversation it is, and its own model with its settings. Neither its context nor
/// the ids of its blocks are filled.
pub fn for_turn(conn: &mut Conn, organization: OrganizationId, id: ConversationId) -> Result<Option<Conversation>> {
    let record: Option<Record> = with_backend!(conn, c => {
        conversations::table
            .find(id.to_string())
            .filter(conversations::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// Writes what can change of the conversation.
pub fn update(conn: &mut Conn, actor: &Actor, conversation: &Conversation) -> Result<bool> {
    let columns = Columns::of(actor, conversation, Timestamp::now())?;
    let rows = with_backend!(conn, c => {
        diesel::update(
            conversations::table
                .find(conversation.id.to_string())
                .filter(conversations::organization_id.eq(actor.organization_id.to_string())),
        )
        .set(&columns)
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// Notes when the last message was sent.
pub fn touch(conn: &mut Conn, id: ConversationId, at: Timestamp) -> Result<()> {
    let conversation = conversations::table.find(id.to_string());
    let now = Timestamp::now().naive();
    let change = (conversations::last_message_at.eq(at.naive()), conversations::updated_at.eq(now));
    with_backend!(conn, c => diesel::update(conversation).set(change).execute(c))?;
    Ok(())
}

/// Notes when a run of the conversation ended.
pub fn run_ended(conn: &mut Conn, id: ConversationId, at: Timestamp) -> Result<()> {
    let conversation = conversations::table.find(id.to_string());
    let change = conversations::last_run_completion.eq(at.naive());
    with_backend!(conn, c => diesel::update(conversation).set(change).execute(c))?;
    Ok(())
}

/// How many conversations the agent has, its default history not among them.
pub fn count_of_agent(conn: &mut Conn, agent: AgentId) -> Result<i64> {
    let query = conversations::table.filter(conversations::agent_id.eq(agent.to_string())).count();
    Ok(with_backend!(conn, c => query.get_result(c))?)
}

/// Deletes the conversation with its own blocks, and with its messages but for those that another history shows. False
/// when there is no such conversation.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: ConversationId) -> Result<bool> {
    let (conversation, organization) = (id.to_string(), organization.to_string());
    let rows = with_backend!(conn, c => {
        let shown = members::table.filter(members::conversation_id.eq(&conversation)).select(members::message_id);
        let elsewhere = members::table
            .filter(members::message_id.eq(messages::id))
            .filter(members::conversation_id.ne(&conversation));
        diesel::delete(
            messages::table
                .filter(owned_by!(messages, organization))
                .filter(messages::id.eq_any(shown))
                // Those of the default history are shown there, whatever else shows them.
                .filter(messages::conversation_id.is_not_null())
                .filter(not(exists(elsewhere))),
        )
        .execute(c)?;
        let own = conversations_blocks::table
            .filter(conversations_blocks::conversation_id.eq(&conversation))
            .select(conversations_blocks::block_id);
        diesel::delete(
            block_rows::table.filter(owned_by!(block_rows, organization)).filter(block_rows::id.eq_any(own)),
        )
        .execute(c)?;
        diesel::delete(
            conversations::table.find(&conversation).filter(conversations::organization_id.eq(&organization)),
        )
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// Deletes the blocks that conversations of the agent have for themselves, before the agent takes the conversations
/// with it.
pub(crate) fn delete_blocks_of_agent(conn: &mut Conn, organization: OrganizationId, agent: AgentId) -> Result<()> {
    let (agent, organization) = (agent.to_string(), organization.to_string());
    with_backend!(conn, c => {
        let own = conversations_blocks::table
            .inner_join(conversations::table)
            .filter(conversations::agent_id.eq(&agent))
            .select(conversations_blocks::block_id);
        diesel::delete(
            block_rows::table.filter(owned_by!(block_rows, organization)).filter(block_rows::id.eq_any(own)),
        )
        .execute(c)
    })?;
    Ok(())
}
