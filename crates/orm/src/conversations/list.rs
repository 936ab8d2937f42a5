//! Lists of conversations.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{MODEL, blocks, record::Record};
use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::readable,
    schema::{AgentId, Conversation, ConversationId, OrganizationId},
    tables::conversations as t,
    text::contains,
};

/// Which conversations a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConversationFilter {
    /// Those of this agent.
    pub agent_id: Option<AgentId>,
    /// A part of the summary, in any case.
    pub summary_search: Option<String>,
    /// Those that were put aside, or those that were not.
    pub archive_status: ArchiveStatus,
}

/// Whether a list shows the conversations that were put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ArchiveStatus {
    /// It leaves them out.
    #[default]
    Unarchived,
    /// It shows nothing else.
    Archived,
    /// It shows all.
    All,
}

/// What a list of conversations is sorted by. Conversations without the time come last in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ConversationSort {
    /// When the conversation was made.
    #[default]
    CreatedAt,
    /// When the last of its runs ended.
    LastRunCompletion,
    /// When the last message was sent.
    LastMessageAt,
}

/// A page of the conversations that match and are not hidden, without their contexts.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(
    conn: &mut Conn,
    organization: OrganizationId,
    filter: &ConversationFilter,
    sort: ConversationSort,
    page: &Page,
) -> Result<Vec<Conversation>> {
    let window = page.window(MODEL, |cursor| key(conn, organization, cursor, sort))?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let mut query =
            t::table.filter(t::organization_id.eq(organization.to_string())).filter(t::hidden.eq(false)).into_boxed();
        if let Some(agent) = filter.agent_id {
            query = query.filter(t::agent_id.eq(agent.to_string()));
        }
        if let Some(part) = &filter.summary_search {
            query = query.filter(contains(t::summary, part));
        }
        query = match filter.archive_status {
            ArchiveStatus::Unarchived => query.filter(t::archived_at.is_null()),
            ArchiveStatus::Archived => query.filter(t::archived_at.is_not_null()),
            ArchiveStatus::All => query,
        };
        let query = query.select(Record::as_select());
        match sort {
            ConversationSort::CreatedAt => load_page!(c, query, &window, t::created_at, t::id => Record),
            ConversationSort::LastRunCompletion => {
                load_page!(c, query, &window, t::last_run_completion, t::id => Record)
            }
            ConversationSort::LastMessageAt => load_page!(c, query, &window, t::last_message_at, t::id => Record),
        }
    })?;
    let mut found = readable(records, Record::read);
    let ids: Vec<ConversationId> = found.iter().map(|conversation| conversation.id).collect();
    let mut isolated = blocks::load(conn, &ids)?;
    for conversation in &mut found {
        conversation.isolated_block_ids = isolated.remove(&conversation.id).unwrap_or_default();
    }
    Ok(found)
}

/// The place of a conversation in a list.
fn key(conn: &mut Conn, organization: OrganizationId, cursor: &str, sort: ConversationSort) -> Result<Option<Key>> {
    type Times = (NaiveDateTime, Option<NaiveDateTime>, Option<NaiveDateTime>);
    let times: Option<Times> = with_backend!(conn, c => {
        t::table
            .find(cursor)
            .filter(t::organization_id.eq(organization.to_string()))
            .select((t::created_at, t::last_run_completion, t::last_message_at))
            .first(c)
            .optional()
    })?;
    let id = cursor.to_owned();
    Ok(times.map(|(created, completed, sent)| match sort {
        ConversationSort::CreatedAt => Key::from((created, id)),
        ConversationSort::LastRunCompletion => Key::from((completed, id)),
        ConversationSort::LastMessageAt => Key::from((sent, id)),
    }))
}
