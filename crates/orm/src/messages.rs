//! Stored messages: the rows of all histories, in the order in which they came.

mod conversation;
mod row;
mod search;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    str::FromStr,
};

use diesel::prelude::*;

pub use conversation::{known_otids, of_conversation};
pub use row::search_text;
pub use search::{Found, SearchQuery};

use crate::{
    Actor, Conn, Error, Order, Page, Result,
    connection::{owned_by, with_backend},
    histories::HistoryId,
    json::RawJson,
    row::readable,
    schema::{
        AgentId, ContentPart, ConversationId, GroupId, InvalidId, MessageId, MessageRole, OrganizationId, RunId,
        StepId, StoredMessage, Timestamp,
    },
    tables::messages as t,
};
use row::{MessageRow, NewRow};

const MODEL: &str = "Message";
/// How many ids one statement names: SQLite counts the values of a statement, and has a bound for them.
const IDS: usize = 10_000;
/// How many messages one statement writes, for the same reason: each has some thirty values.
const ROWS: usize = 500;

/// Which history of an agent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum History {
    /// All of them.
    #[default]
    Any,
    /// The default one.
    Default,
    /// That of a conversation.
    Conversation(ConversationId),
}

impl FromStr for History {
    type Err = InvalidId;

    /// `default`, or the id of a conversation.
    fn from_str(name: &str) -> std::result::Result<Self, InvalidId> {
        match name {
            "default" => Ok(Self::Default),
            id => id.parse().map(Self::Conversation),
        }
    }
}

impl From<Option<ConversationId>> for History {
    fn from(conversation: Option<ConversationId>) -> Self {
        conversation.map_or(Self::Default, Self::Conversation)
    }
}

/// What a list of messages is limited to.
#[derive(Debug, Clone, Default)]
pub struct MessageFilter {
    /// Those of this agent.
    pub agent_id: Option<AgentId>,
    /// Those of this history.
    pub history: History,
    /// Those of this run.
    pub run_id: Option<RunId>,
    /// Those of this step.
    pub step_id: Option<StepId>,
    /// Those of this group.
    pub group_id: Option<String>,
}

/// Stores new messages, in their order.
pub fn insert(conn: &mut Conn, actor: &Actor, messages: &[StoredMessage]) -> Result<()> {
    for messages in messages.chunks(ROWS) {
        let rows = messages.iter().map(|message| NewRow::new(actor, message)).collect::<Result<Vec<_>>>()?;
        with_backend!(conn, c => diesel::insert_into(t::table).values(&rows).execute(c))?;
    }
    Ok(())
}

/// One message.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: MessageId) -> Result<Option<StoredMessage>> {
    Ok(by_ids(conn, organization, &[id])?.pop())
}

/// The messages with these ids, in the order of the ids; what is not there is left out.
pub fn by_ids(conn: &mut Conn, organization: OrganizationId, ids: &[MessageId]) -> Result<Vec<StoredMessage>> {
    let keys: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let mut found: HashMap<String, MessageRow> = HashMap::with_capacity(keys.len());
    for keys in keys.chunks(IDS) {
        let query = t::table.filter(owned_by!(t, organization)).filter(t::id.eq_any(keys));
        let rows: Vec<MessageRow> = with_backend!(conn, c => query.select(MessageRow::as_select()).load(c))?;
        found.extend(rows.into_iter().map(|row| (row.id.clone(), row)));
    }
    keys.iter().filter_map(|id| found.remove(id)).map(MessageRow::into_message).collect()
}

/// A page of messages, in the page's order.
///
/// Unlike in other lists `after` means stored later and `before` stored earlier, whatever the order: clients poll
/// with the one and read history with the other.
pub fn list(
    conn: &mut Conn,
    organization: OrganizationId,
    filter: &MessageFilter,
    page: &Page,
) -> Result<Vec<StoredMessage>> {
    let after = cursor(conn, organization, page.after.as_deref())?;
    let before = cursor(conn, organization, page.before.as_deref())?;
    let rows: Vec<MessageRow> = with_backend!(conn, c => {
        let mut query = t::table.filter(t::organization_id.eq(organization.to_string())).into_boxed();
        if let Some(agent) = filter.agent_id {
            query = query.filter(t::agent_id.eq(agent.to_string()));
        }
        match filter.history {
            History::Any => {}
            History::Default => query = query.filter(t::conversation_id.is_null()),
            History::Conversation(id) => query = query.filter(t::conversation_id.eq(id.to_string())),
        }
        if let Some(run) = filter.run_id {
            query = query.filter(t::run_id.eq(run.to_string()));
        }
        if let Some(step) = filter.step_id {
            query = query.filter(t::step_id.eq(step.to_string()));
        }
        if let Some(group) = &filter.group_id {
            query = query.filter(t::group_id.eq(group));
        }
        if let Some(after) = after {
            query = query.filter(t::sequence_id.gt(after));
        }
        if let Some(before) = before {
            query = query.filter(t::sequence_id.lt(before));
        }
        query = match page.order {
            Order::Asc => query.order(t::sequence_id.asc()),
            Order::Desc => query.order(t::sequence_id.desc()),
        };
        query.limit(page.limit.max(0)).select(MessageRow::as_select()).load(c)
    })?;
    Ok(readable(rows, MessageRow::into_message))
}

/// The newest message of a history that holds what tools returned.
pub fn newest_returns(
    conn: &mut Conn,
    organization: OrganizationId,
    history: HistoryId,
) -> Result<Option<StoredMessage>> {
    let row: Option<MessageRow> = with_backend!(conn, c => {
        let mut query = t::table
            .filter(t::organization_id.eq(organization.to_string()))
            .filter(t::agent_id.eq(history.agent_id.to_string()))
            .filter(t::role.eq(MessageRole::Tool.as_str()))
            .into_boxed();
        query = match history.conversation_id {
            Some(conversation) => query.filter(t::conversation_id.eq(conversation.to_string())),
            None => query.filter(t::conversation_id.is_null()),
        };
        query.order(t::sequence_id.desc()).select(MessageRow::as_select()).first(c).optional()
    })?;
    row.map(MessageRow::into_message).transpose()
}

/// How many messages of the agent there are, in all its histories. The caller has looked the agent up for its
/// organization.
pub fn count_of_agent(conn: &mut Conn, agent: AgentId) -> Result<i64> {
    // By the agent alone, so that an index answers without a look at the rows.
    let query = t::table.filter(t::agent_id.eq(agent.to_string())).count();
    Ok(with_backend!(conn, c => query.get_result(c))?)
}

/// Deletes these messages. The contexts that they are in are left to the caller.
pub fn delete(conn: &mut Conn, organization: OrganizationId, ids: &[MessageId]) -> Result<()> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    for ids in ids.chunks(IDS) {
        let rows = t::table.filter(owned_by!(t, organization)).filter(t::id.eq_any(ids));
        with_backend!(conn, c => diesel::delete(rows).execute(c))?;
    }
    Ok(())
}

/// Deletes the messages of a group, and gives them by agent.
pub fn delete_of_group(
    conn: &mut Conn,
    organization: OrganizationId,
    group: GroupId,
) -> Result<BTreeMap<AgentId, BTreeSet<MessageId>>> {
    let group = group.to_string();
    let organization = organization.to_string();
    let pairs: Vec<(String, String)> = with_backend!(conn, c => {
        let of_group = || t::table.filter(t::organization_id.eq(&organization)).filter(t::group_id.eq(&group));
        let pairs = of_group().select((t::agent_id, t::id)).load(c)?;
        diesel::delete(of_group()).execute(c)?;
        QueryResult::Ok(pairs)
    })?;
    let mut map: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for (agent, message) in pairs {
        if let (Ok(agent), Ok(message)) = (agent.parse(), message.parse()) {
            map.entry(agent).or_default().insert(message);
        }
    }
    Ok(map)
}

/// Replaces what a message says: for system messages, which show the agent's memory as it is now.
pub fn set_content(
    conn: &mut Conn,
    organization: OrganizationId,
    id: MessageId,
    content: &[ContentPart],
) -> Result<()> {
    let content = RawJson::of(content)?;
    let row = t::table.filter(t::organization_id.eq(organization.to_string())).filter(t::id.eq(id.to_string()));
    let change = (t::content.eq(content), t::updated_at.eq(Timestamp::now().naive()));
    with_backend!(conn, c => diesel::update(row).set(change).execute(c))?;
    Ok(())
}

/// The most relevant messages for a text, or without one the newest.
pub fn search(conn: &mut Conn, organization: OrganizationId, query: &SearchQuery<'_>) -> Result<Vec<Found>> {
    search::search(conn, organization, query)
}

/// The place of the message that a cursor names.
fn cursor(conn: &mut Conn, organization: OrganizationId, id: Option<&str>) -> Result<Option<i64>> {
    let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(None) };
    let query =
        t::table.filter(t::organization_id.eq(organization.to_string())).filter(t::id.eq(id)).select(t::sequence_id);
    let place: Option<i64> = with_backend!(conn, c => query.first(c).optional())?;
    place.map(Some).ok_or_else(|| Error::CursorNotFound { model: "message", id: id.to_owned() })
}
