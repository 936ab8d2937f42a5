//! Reading what was said and done.

mod capture;
mod search;

use muisti_orm::{
    Conn, Order, Page, agents,
    messages::{self, History, MessageFilter},
    schema::{AgentId, AgentType, MessageId, RunRequestConfig, StoredMessage, WireMessage, to_wire_list},
};

use crate::{Actor, Error, Result, Services, error::FieldError};

/// The most messages that were said elsewhere that one request may bring.
const MOST_PAST: usize = 1_000;

/// How a list of messages is to be read.
#[derive(Debug, Clone)]
pub struct MessageQuery {
    /// Which part of it. `after` means later and `before` earlier, whatever the order.
    pub page: Page,
    /// Of which history.
    pub history: History,
    /// Of which group.
    pub group_id: Option<String>,
    /// How messages are shown.
    pub config: RunRequestConfig,
}

/// Reads messages.
pub struct MessageManager<'a>(&'a Services);

impl Services {
    /// The messages of all agents.
    pub const fn messages(&self) -> MessageManager<'_> {
        MessageManager(self)
    }
}

impl MessageManager<'_> {
    /// A page of an agent's messages: the newest of them, or with ascending order the oldest, and in either case from
    /// old to new.
    ///
    /// # Errors
    /// 404 for an unknown agent or cursor.
    pub async fn list_of_agent(&self, actor: &Actor, agent: AgentId, query: MessageQuery) -> Result<Vec<WireMessage>> {
        let actor = *actor;
        let read = move |conn: &mut Conn| {
            let agent_row = agents::get(conn, actor.organization_id, agent)?;
            let agent_row = agent_row.ok_or_else(|| Error::missing("Agent", agent))?;
            let filter = MessageFilter {
                agent_id: Some(agent),
                history: query.history,
                group_id: query.group_id,
                ..Default::default()
            };
            let messages = chronological(conn, &actor, &filter, &query.page)?;
            let options = query.config.wire_options(speaks_in_text(agent_row.agent_type));
            Ok::<_, Error>(to_wire_list(&messages, &options))
        };
        self.0.db().read(read).await
    }

    /// A page of the messages of all agents, from old to new.
    ///
    /// # Errors
    /// 404 for an unknown cursor.
    pub async fn list(&self, actor: &Actor, query: MessageQuery) -> Result<Vec<WireMessage>> {
        let actor = *actor;
        let read = move |conn: &mut Conn| {
            let filter = MessageFilter { history: query.history, group_id: query.group_id, ..Default::default() };
            let messages = chronological(conn, &actor, &filter, &query.page)?;
            Ok::<_, Error>(to_wire_list(&messages, &query.config.wire_options(true)))
        };
        self.0.db().read(read).await
    }

    /// What clients see of one stored message: it may be several.
    ///
    /// # Errors
    /// 404 when there is no such message.
    pub async fn get(&self, actor: &Actor, id: MessageId) -> Result<Vec<WireMessage>> {
        let actor = *actor;
        let read = move |conn: &mut Conn| {
            let message = messages::get(conn, actor.organization_id, id)?;
            let message = message.ok_or_else(|| Error::NotFound(format!("Message with id {id} not found.")))?;
            let agent = agents::get(conn, actor.organization_id, message.agent_id)?;
            let text_is_assistant = agent.is_none_or(|agent| speaks_in_text(agent.agent_type));
            Ok::<_, Error>(message.to_wire(&RunRequestConfig::default().wire_options(text_is_assistant)))
        };
        self.0.db().read(read).await
    }
}

fn chronological(
    conn: &mut Conn,
    actor: &Actor,
    filter: &MessageFilter,
    page: &Page,
) -> muisti_orm::Result<Vec<StoredMessage>> {
    let mut messages = messages::list(conn, actor.organization_id, filter, page)?;
    if page.order == Order::Desc {
        messages.reverse();
    }
    Ok(messages)
}

/// Whether agents of this type say what they mean in plain text. The older ones think in it and speak with a tool.
pub(crate) const fn speaks_in_text(agent_type: AgentType) -> bool {
    matches!(agent_type, AgentType::LettaV1Agent | AgentType::SleeptimeAgent)
}

/// Refuses more past messages in a field of the body than one request may bring.
///
/// # Errors
/// 422 that names the field.
pub(crate) fn check_past(field: &str, count: usize) -> Result<()> {
    if count <= MOST_PAST {
        return Ok(());
    }
    let text = format!("One request carries at most {MOST_PAST} messages, not {count}. Send the rest with another.");
    Err(Error::Unprocessable(vec![FieldError::body(field, text)]))
}
