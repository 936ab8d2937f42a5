//! Search in messages by words, with the full-text index of the database in use.

use diesel::{
    prelude::*,
    sql_types::{BigInt, Text},
};

use super::{History, row::MessageRow};
use crate::{
    Conn, Result,
    connection::{Backend, with_backend},
    row::readable,
    schema::{AgentId, MessageRole, OrganizationId, StoredMessage, Timestamp},
    tables::messages as t,
    text::{any_in_postgres, any_in_sqlite, contains, words},
};

/// What is searched for, and where.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery<'a> {
    /// Among the messages of this agent.
    pub agent_id: Option<AgentId>,
    /// Among those of this history.
    pub history: History,
    /// Words, any of which a message must have. Without them the newest messages are found.
    pub text: Option<&'a str>,
    /// Only these roles; all when empty.
    pub roles: &'a [MessageRole],
    /// Not before this time.
    pub start: Option<Timestamp>,
    /// Not after this time.
    pub end: Option<Timestamp>,
    /// Most results.
    pub limit: i64,
}

/// A message that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// The message.
    pub message: StoredMessage,
    /// Its place among the results of the full-text index, from 1; none if it was found without the index.
    pub rank: Option<i64>,
}

/// The place of a message in the table, with what the index thinks of it.
#[derive(QueryableByName)]
struct Hit {
    #[diesel(sql_type = BigInt)]
    sequence_id: i64,
}

/// How many of the best hits of the index are looked at for one result that is wanted: the other conditions are
/// applied to them.
const HITS_PER_RESULT: i64 = 40;

pub(super) fn search(conn: &mut Conn, organization: OrganizationId, query: &SearchQuery<'_>) -> Result<Vec<Found>> {
    let Some(text) = query.text.map(str::trim).filter(|text| !text.is_empty()) else {
        return newest(conn, organization, query, None);
    };
    let words = words(text);
    if !words.is_empty() {
        let hits = ranked(conn, organization, query, &words)?;
        let found = by_rank(conn, organization, query, &hits)?;
        if !found.is_empty() {
            return Ok(found);
        }
    }
    // The index knows whole words; what is part of one, or no word at all, is found the slow way.
    newest(conn, organization, query, Some(text))
}

/// The best hits of the index among the organization's (and the agent's) messages, best first.
fn ranked(conn: &mut Conn, organization: OrganizationId, query: &SearchQuery<'_>, words: &[&str]) -> Result<Vec<i64>> {
    let organization = organization.to_string();
    let agent = query.agent_id.map(|id| id.to_string()).unwrap_or_default();
    let most = query.limit.max(0).saturating_mul(HITS_PER_RESULT);
    let hits: Vec<Hit> = match conn.backend() {
        Backend::Sqlite(c) => diesel::sql_query(
            "SELECT m.sequence_id FROM messages_fts f JOIN messages m ON m.sequence_id = f.rowid \
                 WHERE messages_fts MATCH ? AND m.organization_id = ? AND (? = '' OR m.agent_id = ?) \
                 ORDER BY f.rank, m.sequence_id DESC LIMIT ?",
        )
        .bind::<Text, _>(any_in_sqlite(words))
        .bind::<Text, _>(&organization)
        .bind::<Text, _>(&agent)
        .bind::<Text, _>(&agent)
        .bind::<BigInt, _>(most)
        .load(c)?,
        Backend::Postgres(c) => diesel::sql_query(
            "SELECT m.sequence_id FROM messages m, to_tsquery('simple', $1) q \
                 WHERE m.search_vector @@ q AND m.organization_id = $2 AND ($3 = '' OR m.agent_id = $3) \
                 ORDER BY ts_rank(m.search_vector, q) DESC, m.sequence_id DESC LIMIT $4",
        )
        .bind::<Text, _>(any_in_postgres(words))
        .bind::<Text, _>(&organization)
        .bind::<Text, _>(&agent)
        .bind::<BigInt, _>(most)
        .load(c)?,
    };
    Ok(hits.into_iter().map(|hit| hit.sequence_id).collect())
}

macro_rules! conditions {
    ($organization:expr, $query:expr) => {{
        let mut rows = t::table.filter(t::organization_id.eq($organization.to_string())).into_boxed();
        if let Some(agent) = $query.agent_id {
            rows = rows.filter(t::agent_id.eq(agent.to_string()));
        }
        match $query.history {
            History::Any => {}
            History::Default => rows = rows.filter(t::conversation_id.is_null()),
            History::Conversation(id) => rows = rows.filter(t::conversation_id.eq(id.to_string())),
        }
        if !$query.roles.is_empty() {
            let roles: Vec<&str> = $query.roles.iter().map(|role| role.as_str()).collect();
            rows = rows.filter(t::role.eq_any(roles));
        }
        if let Some(start) = $query.start {
            rows = rows.filter(t::created_at.ge(start.naive()));
        }
        if let Some(end) = $query.end {
            rows = rows.filter(t::created_at.le(end.naive()));
        }
        rows
    }};
}

fn by_rank(conn: &mut Conn, organization: OrganizationId, query: &SearchQuery<'_>, hits: &[i64]) -> Result<Vec<Found>> {
    let mut rows: Vec<MessageRow> = with_backend!(conn, c => {
        conditions!(organization, query)
            .filter(t::sequence_id.eq_any(hits))
            .select(MessageRow::as_select())
            .load(c)
    })?;
    let place = |row: &MessageRow| hits.iter().position(|hit| *hit == row.sequence_id).unwrap_or(usize::MAX);
    rows.sort_by_key(place);
    rows.truncate(usize::try_from(query.limit).unwrap_or_default());
    let found = readable(rows, MessageRow::into_message).into_iter().zip(1..);
    Ok(found.map(|(message, rank)| Found { message, rank: Some(rank) }).collect())
}

fn newest(
    conn: &mut Conn,
    organization: OrganizationId,
    query: &SearchQuery<'_>,
    substring: Option<&str>,
) -> Result<Vec<Found>> {
    let rows: Vec<MessageRow> = with_backend!(conn, c => {
        let mut rows = conditions!(organization, query).filter(t::search_text.is_not_null());
        if let Some(substring) = substring {
            rows = rows.filter(contains(t::search_text, substring));
        }
        rows.order(t::sequence_id.desc()).limit(query.limit.max(0)).select(MessageRow::as_select()).load(c)
    })?;
    let messages = readable(rows, MessageRow::into_message).into_iter();
    Ok(messages.map(|message| Found { message, rank: None }).collect())
}
