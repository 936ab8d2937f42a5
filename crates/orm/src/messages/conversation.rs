//! The messages of one conversation, those that it shares with others among them.

use std::collections::HashSet;

use diesel::prelude::*;

use super::row::MessageRow;
use crate::{
    Conn, Error, HistoryId, Order, Page, Result,
    connection::with_backend,
    row::readable,
    schema::{ConversationId, OrganizationId, StoredMessage},
    tables::{conversation_messages as members, messages as t},
};

/// A page of a conversation's messages in the order in which they came to it, in the page's order. As in
/// [`super::list`], `after` means later and `before` earlier, whatever the order.
///
/// # Errors
/// [`Error::CursorNotFound`] for a cursor that names no message of the conversation.
pub fn of_conversation(
    conn: &mut Conn,
    organization: OrganizationId,
    conversation: ConversationId,
    group: Option<&str>,
    page: &Page,
) -> Result<Vec<StoredMessage>> {
    let conversation = conversation.to_string();
    let after = position(conn, &conversation, page.after.as_deref())?;
    let before = position(conn, &conversation, page.before.as_deref())?;
    let rows: Vec<MessageRow> = with_backend!(conn, c => {
        let mut query = members::table
            .inner_join(t::table.on(t::id.eq(members::message_id)))
            .filter(members::conversation_id.eq(&conversation))
            .filter(t::organization_id.eq(organization.to_string()))
            .into_boxed();
        if let Some(group) = group {
            query = query.filter(t::group_id.eq(group));
        }
        if let Some(after) = after {
            query = query.filter(members::position.gt(after));
        }
        if let Some(before) = before {
            query = query.filter(members::position.lt(before));
        }
        query = match page.order {
            Order::Asc => query.order(members::position.asc()),
            Order::Desc => query.order(members::position.desc()),
        };
        query.limit(page.limit.max(0)).select(MessageRow::as_select()).load(c)
    })?;
    Ok(readable(rows, MessageRow::into_message))
}

/// Which of these client's ids messages that came into the history have already.
pub fn known_otids(
    conn: &mut Conn,
    organization: OrganizationId,
    history: &HistoryId,
    otids: &[&str],
) -> Result<HashSet<String>> {
    if otids.is_empty() {
        return Ok(HashSet::new());
    }
    let known: Vec<Option<String>> = with_backend!(conn, c => {
        let mut query = t::table
            .filter(t::organization_id.eq(organization.to_string()))
            .filter(t::agent_id.eq(history.agent_id.to_string()))
            .filter(t::otid.eq_any(otids.to_vec()))
            .select(t::otid)
            .into_boxed();
        query = match history.conversation_id {
            Some(conversation) => query.filter(t::conversation_id.eq(conversation.to_string())),
            None => query.filter(t::conversation_id.is_null()),
        };
        query.load(c)
    })?;
    Ok(known.into_iter().flatten().collect())
}

/// The place of the message that a cursor names.
fn position(conn: &mut Conn, conversation: &str, id: Option<&str>) -> Result<Option<i64>> {
    let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(None) };
    let query = members::table.find((conversation, id)).select(members::position);
    let place: Option<i64> = with_backend!(conn, c => query.first(c).optional())?;
    place.map(Some).ok_or_else(|| Error::CursorNotFound { model: "message", id: id.to_owned() })
}
