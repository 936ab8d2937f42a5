//! Search in messages by words, with the full-text index of the database in use.

use std::collections::HashMap;

use diesel::{pg::Pg, prelude::*, sqlite::Sqlite};

use super::{History, row::MessageRow};
use crate::{
    Conn, Result,
    connection::{Backend, with_backend},
    row::readable,
    schema::{AgentId, MessageRole, OrganizationId, StoredMessage, Timestamp},
    statement::{self, Bind, Conditions, Index, hits},
    tables::messages as t,
    text::{pattern, words},
};

/// What is searched for, and where.
#[derive(Debug, Clone, Default)]
pub struct SearchQuery<'a> {
    /// Among the messages of this agent.
    pub agent_id: Option<AgentId>,
    /// Among those of the agents of this project.
    pub project_id: Option<&'a str>,
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

/// The best of the index; where the index has none, the newest that contain the text as it stands, since the index knows
/// whole words alone; without a text the newest.
pub(super) fn search(conn: &mut Conn, organization: OrganizationId, query: &SearchQuery<'_>) -> Result<Vec<Found>> {
    let Some(text) = query.text.map(str::trim).filter(|text| !text.is_empty()) else {
        return newest(conn, organization, query, None);
    };
    let words = words(text);
    if !words.is_empty() {
        let hits = ranked(conn, organization, query, &words)?;
        if !hits.is_empty() {
            let found = in_order(conn, &hits)?.into_iter().zip(1..);
            return Ok(found.map(|(message, rank)| Found { message, rank: Some(rank) }).collect());
        }
    }
    newest(conn, organization, query, Some(text))
}

/// Demands what the query does of `messages m`.
fn demand(with: &mut Conditions, organization: OrganizationId, query: &SearchQuery<'_>) {
    with.and("m.organization_id =", Bind::Text(organization.to_string()));
    if let Some(agent) = query.agent_id {
        with.and("m.agent_id =", Bind::Text(agent.to_string()));
    }
    if let Some(project) = query.project_id {
        let place = with.bind(Bind::Text(project.to_owned()));
        with.sql += &format!(" AND m.agent_id IN (SELECT a.id FROM agents a WHERE a.project_id = {place})");
    }
    match query.history {
        History::Any => {}
        History::Default => with.sql += " AND m.conversation_id IS NULL",
        History::Conversation(id) => with.and("m.conversation_id =", Bind::Text(id.to_string())),
    }
    if !query.roles.is_empty() {
        let places = with.bind_all(query.roles.iter().map(|role| Bind::Text(role.as_str().to_owned())));
        with.sql += &format!(" AND m.role IN ({places})");
    }
    if let Some(start) = query.start {
        with.and("m.created_at >=", Bind::Time(start.naive()));
    }
    if let Some(end) = query.end {
        with.and("m.created_at <=", Bind::Time(end.naive()));
    }
}

/// The best hits of the index, best first, the newer of equals first.
fn ranked(conn: &mut Conn, organization: OrganizationId, query: &SearchQuery<'_>, words: &[&str]) -> Result<Vec<i64>> {
    let index = Index { table: "messages", alias: "m", order: "m.sequence_id DESC" };
    statement::ranked(conn, &index, words, query.limit, |with| demand(with, organization, query))
}

/// The newest messages that have a text, and this part in it.
fn newest(
    conn: &mut Conn,
    organization: OrganizationId,
    query: &SearchQuery<'_>,
    part: Option<&str>,
) -> Result<Vec<Found>> {
    let statement = |mut with: Conditions, contains: Option<(&str, String, &str)>| {
        demand(&mut with, organization, query);
        if let Some((before, value, after)) = contains {
            with.and(before, Bind::Text(value));
            with.sql += after;
        }
        let limit = with.bind(Bind::Number(query.limit.max(0)));
        let sql = format!(
            "SELECT m.sequence_id FROM messages m WHERE m.search_text IS NOT NULL{} \
             ORDER BY m.sequence_id DESC LIMIT {limit}",
            with.sql
        );
        (sql, with.binds)
    };
    let hits = match conn.backend() {
        Backend::Sqlite(c) => {
            let contains = part.map(|part| ("muisti_contains(m.search_text,", part.to_lowercase(), ")"));
            let (sql, binds) = statement(Conditions::of_sqlite(), contains);
            hits!(Sqlite, c, sql, binds)
        }
        Backend::Postgres(c) => {
            let contains = part.map(|part| ("m.search_text ILIKE", pattern(part), " ESCAPE '\\'"));
            let (sql, binds) = statement(Conditions::of_postgres(), contains);
            hits!(Pg, c, sql, binds)
        }
    };
    let messages = in_order(conn, &hits)?.into_iter();
    Ok(messages.map(|message| Found { message, rank: None }).collect())
}

/// The messages of these hits, in their order.
fn in_order(conn: &mut Conn, hits: &[i64]) -> Result<Vec<StoredMessage>> {
    let places: HashMap<i64, usize> = hits.iter().enumerate().map(|(place, hit)| (*hit, place)).collect();
    let mut rows: Vec<MessageRow> = with_backend!(conn, c => {
        t::table.filter(t::sequence_id.eq_any(hits)).select(MessageRow::as_select()).load(c)
    })?;
    rows.sort_by_key(|row| places.get(&row.sequence_id).copied().unwrap_or(usize::MAX));
    Ok(readable(rows, MessageRow::into_message))
}
