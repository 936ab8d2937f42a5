//! Histories of agents: what the model sees of the default one, or of a conversation's.
//!
//! The default history has its context in the agent's row. A conversation has a row for each of its messages, which
//! says where the message is listed (for ever) and where the model sees it, if it does.

use diesel::{dsl::max, prelude::*, upsert::excluded};

use crate::{
    Actor, Conn, Result, agents,
    connection::{lock_row, with_backend},
    schema::{AgentId, ConversationId, MessageId, OrganizationId},
    tables::{conversation_messages as members, conversations},
};

/// Which history of an agent: the default one, or that of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HistoryId {
    /// The agent.
    pub agent_id: AgentId,
    /// Its conversation; none for the default history.
    pub conversation_id: Option<ConversationId>,
}

impl HistoryId {
    /// The default history of the agent.
    pub const fn default_of(agent: AgentId) -> Self {
        Self { agent_id: agent, conversation_id: None }
    }

    /// The history of the agent's conversation.
    pub const fn of_conversation(agent: AgentId, conversation: ConversationId) -> Self {
        Self { agent_id: agent, conversation_id: Some(conversation) }
    }

    /// What leases and runs know the history by: the id of the conversation, or else of the agent.
    pub fn key(&self) -> String {
        match self.conversation_id {
            Some(conversation) => conversation.to_string(),
            None => self.agent_id.to_string(),
        }
    }
}

/// A message of a conversation, as it is written.
#[derive(Insertable)]
#[diesel(table_name = members, treat_none_as_default_value = false)]
struct Member {
    conversation_id: String,
    message_id: String,
    position: i64,
    context_position: Option<i64>,
}

/// How many rows one statement writes: SQLite counts the values of a statement, and has a bound for them.
const ROWS: usize = 1000;

/// The messages in context, in their order; none when there is no such history.
pub fn context(conn: &mut Conn, organization: OrganizationId, history: &HistoryId) -> Result<Option<Vec<MessageId>>> {
    let Some(conversation) = history.conversation_id else {
        return agents::context(conn, organization, history.agent_id);
    };
    let in_context = members::conversation_id.eq(conversations::id).and(members::context_position.is_not_null());
    let ids: Vec<Option<String>> = with_backend!(conn, c => {
        conversations::table
            .left_join(members::table.on(in_context))
            .filter(conversations::id.eq(conversation.to_string()))
            .filter(conversations::organization_id.eq(organization.to_string()))
            .filter(conversations::agent_id.eq(history.agent_id.to_string()))
            .order(members::context_position)
            .select(members::message_id.nullable())
            .load(c)
    })?;
    // A conversation that is there gives at least one row, if an empty one.
    Ok((!ids.is_empty()).then(|| ids.into_iter().flatten().filter_map(|id| id.parse().ok()).collect()))
}

/// Adds messages, whose rows are there already, to the end of the history and of its context.
pub fn append(conn: &mut Conn, actor: &Actor, history: &HistoryId, ids: &[MessageId]) -> Result<()> {
    let Some(conversation) = history.conversation_id else {
        agents::append_message_ids(conn, actor, history.agent_id, ids)?;
        return Ok(());
    };
    let (position, seen) = next_places(conn, conversation)?;
    let places = (position..).zip((seen..).map(Some));
    enlist(conn, conversation, ids, places)
}

/// Adds messages, whose rows are there already, to the end of the history, out of the model's sight.
pub fn append_unseen(conn: &mut Conn, history: &HistoryId, ids: &[MessageId]) -> Result<()> {
    // In a default history whatever has no conversation is listed.
    let Some(conversation) = history.conversation_id else { return Ok(()) };
    let (position, _) = next_places(conn, conversation)?;
    enlist(conn, conversation, ids, (position..).map(|position| (position, None)))
}

/// Makes these the context, in this order. Messages that are no longer in it stay listed; new ones are listed at the
/// end.
pub fn replace(conn: &mut Conn, actor: &Actor, history: &HistoryId, ids: &[MessageId]) -> Result<()> {
    let Some(conversation) = history.conversation_id else {
        agents::set_message_ids(conn, actor, history.agent_id, ids)?;
        return Ok(());
    };
    let (position, _) = next_places(conn, conversation)?;
    let seen = members::table
        .filter(members::conversation_id.eq(conversation.to_string()))
        .filter(members::context_position.is_not_null());
    with_backend!(conn, c => diesel::update(seen).set(members::context_position.eq(None::<i64>)).execute(c))?;
    enlist(conn, conversation, ids, (position..).zip((0..).map(Some)))
}

/// The next free places of a conversation's listing and of its context, which stay free until the transaction ends.
fn next_places(conn: &mut Conn, conversation: ConversationId) -> Result<(i64, i64)> {
    lock_row!(conn, conversations, conversation);
    let of_conversation = members::table.filter(members::conversation_id.eq(conversation.to_string()));
    let last: (Option<i64>, Option<i64>) = with_backend!(conn, c => {
        let listed = of_conversation.clone().select(max(members::position)).first(c)?;
        let seen = of_conversation.filter(members::context_position.is_not_null());
        QueryResult::Ok((listed, seen.select(max(members::context_position)).first(c)?))
    })?;
    let next = |last: Option<i64>| last.map_or(0, |last| last.saturating_add(1));
    Ok((next(last.0), next(last.1)))
}

/// Writes where messages are listed and seen. Those that are listed already keep that place.
fn enlist(
    conn: &mut Conn,
    conversation: ConversationId,
    ids: &[MessageId],
    places: impl Iterator<Item = (i64, Option<i64>)>,
) -> Result<()> {
    let conversation_id = conversation.to_string();
    let rows: Vec<Member> = ids
        .iter()
        .zip(places)
        .map(|(id, (position, context_position))| Member {
            conversation_id: conversation_id.clone(),
            message_id: id.to_string(),
            position,
            context_position,
        })
        .collect();
    for rows in rows.chunks(ROWS) {
        with_backend!(conn, c => {
            diesel::insert_into(members::table)
                .values(rows)
                .on_conflict((members::conversation_id, members::message_id))
                .do_update()
                .set(members::context_position.eq(excluded(members::context_position)))
                .execute(c)
        })?;
    }
    Ok(())
}
