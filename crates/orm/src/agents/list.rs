//! Lists of agents.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use diesel::{
    dsl::{count_star, exists},
    prelude::*,
};

use super::{AgentRow, MODEL, record::Record};
use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::readable,
    schema::{ArchiveId, BlockId, OrganizationId, StopReason, Timestamp},
    tables::{agents, agents_tags, archives_agents, blocks_agents, identities, identities_agents},
    text::contains,
};

/// Which agents a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentFilter {
    /// The exact name.
    pub name: Option<String>,
    /// A part of the name, in any case.
    pub query_text: Option<String>,
    /// Tags, of which the agent has at least one; repeats do no harm.
    pub tags: Vec<String>,
    /// The agent has all of the tags.
    pub match_all_tags: bool,
    /// The exact project.
    pub project_id: Option<String>,
    /// The exact template.
    pub template_id: Option<String>,
    /// The exact base template.
    pub base_template_id: Option<String>,
    /// Who made the agent.
    pub created_by_id: Option<String>,
    /// How its last run may have ended; in any way when empty.
    pub last_stop_reasons: Vec<StopReason>,
    /// Those made at this time or later.
    pub start: Option<Timestamp>,
    /// Those made at this time or earlier.
    pub end: Option<Timestamp>,
    /// The id of an identity that the agent works for.
    pub identity_id: Option<String>,
    /// Keys of identities, of which the agent works for at least one.
    pub identifier_keys: Vec<String>,
    /// The archive that it searches in.
    pub archive_id: Option<ArchiveId>,
    /// Also the agents that are hidden.
    pub show_hidden: bool,
}

/// What a list of agents is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AgentSort {
    /// When the agent was made.
    #[default]
    CreatedAt,
    /// When it was last changed.
    UpdatedAt,
    /// When its last run ended; agents without one come last in both directions.
    LastRunCompletion,
}

/// A boxed query over the agents that match, with nothing selected yet.
macro_rules! matching {
    ($organization:expr, $filter:expr) => {{
        let filter: &AgentFilter = $filter;
        let mut query = agents::table.filter(agents::organization_id.eq($organization.to_string())).into_boxed();
        if let Some(name) = &filter.name {
            query = query.filter(agents::name.eq(name.clone()));
        }
        if let Some(text) = &filter.query_text {
            query = query.filter(contains(agents::name, text));
        }
        let all: BTreeSet<&String> = if filter.match_all_tags { filter.tags.iter().collect() } else { BTreeSet::new() };
        if let Some(first) = all.first() {
            // One of them by the index, and then their number: a planner takes long over a condition for each.
            let tagged = || agents_tags::table.filter(agents_tags::agent_id.eq(agents::id));
            let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
            let of_all =
                tagged().filter(agents_tags::tag.eq_any(all.iter().map(ToString::to_string).collect::<Vec<_>>()));
            query = query.filter(exists(tagged().filter(agents_tags::tag.eq(first.to_string()))));
            query = query.filter(of_all.select(count_star()).single_value().ge(count));
        } else if !filter.tags.is_empty() {
            let tagged = agents_tags::table
                .filter(agents_tags::agent_id.eq(agents::id))
                .filter(agents_tags::tag.eq_any(filter.tags.clone()));
            query = query.filter(exists(tagged));
        }
        if let Some(project) = &filter.project_id {
            query = query.filter(agents::project_id.eq(project.clone()));
        }
        if let Some(template) = &filter.template_id {
            query = query.filter(agents::template_id.eq(template.clone()));
        }
        if let Some(template) = &filter.base_template_id {
            query = query.filter(agents::base_template_id.eq(template.clone()));
        }
        if let Some(user) = &filter.created_by_id {
            query = query.filter(agents::created_by_id.eq(user.clone()));
        }
        if !filter.last_stop_reasons.is_empty() {
            let reasons: Vec<&str> = filter.last_stop_reasons.iter().map(|reason| reason.as_str()).collect();
            query = query.filter(agents::last_stop_reason.eq_any(reasons));
        }
        if let Some(start) = filter.start {
            query = query.filter(agents::created_at.ge(start.naive()));
        }
        if let Some(end) = filter.end {
            query = query.filter(agents::created_at.le(end.naive()));
        }
        if let Some(identity) = &filter.identity_id {
            let linked = identities_agents::table
                .filter(identities_agents::agent_id.eq(agents::id))
                .filter(identities_agents::identity_id.eq(identity.clone()));
            query = query.filter(exists(linked));
        }
        if !filter.identifier_keys.is_empty() {
            let linked = identities_agents::table
                .inner_join(identities::table)
                .filter(identities_agents::agent_id.eq(agents::id))
                .filter(identities::identifier_key.eq_any(filter.identifier_keys.clone()));
            query = query.filter(exists(linked));
        }
        if let Some(archive) = filter.archive_id {
            let attached = archives_agents::table
                .filter(archives_agents::agent_id.eq(agents::id))
                .filter(archives_agents::archive_id.eq(archive.to_string()));
            query = query.filter(exists(attached));
        }
        if !filter.show_hidden {
            query = query.filter(agents::hidden.is_null().or(agents::hidden.eq(false)));
        }
        query
    }};
}

/// A page of the agents that match.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(
    conn: &mut Conn,
    organization: OrganizationId,
    filter: &AgentFilter,
    sort: AgentSort,
    page: &Page,
) -> Result<Vec<AgentRow>> {
    let window = page.window(MODEL, |cursor| key(conn, organization, cursor, sort))?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let query = matching!(organization, filter).select(Record::as_select());
        match sort {
            AgentSort::CreatedAt => load_page!(c, query, &window, agents::created_at, agents::id => Record),
            AgentSort::UpdatedAt => load_page!(c, query, &window, agents::updated_at, agents::id => Record),
            AgentSort::LastRunCompletion => {
                load_page!(c, query, &window, agents::last_run_completion, agents::id => Record)
            }
        }
    })?;
    Ok(readable(records, Record::read))
}

/// How many agents match.
pub fn count(conn: &mut Conn, organization: OrganizationId, filter: &AgentFilter) -> Result<i64> {
    Ok(with_backend!(conn, c => matching!(organization, filter).count().get_result(c))?)
}

/// A page of the agents that have the block attached, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn of_block(
    conn: &mut Conn,
    organization: OrganizationId,
    block: BlockId,
    show_hidden: bool,
    page: &Page,
) -> Result<Vec<AgentRow>> {
    let window = page.window(MODEL, |cursor| key(conn, organization, cursor, AgentSort::CreatedAt))?;
    let filter = AgentFilter { show_hidden, ..AgentFilter::default() };
    let records: Vec<Record> = with_backend!(conn, c => {
        let attached = blocks_agents::table
            .filter(blocks_agents::agent_id.eq(agents::id))
            .filter(blocks_agents::block_id.eq(block.to_string()));
        let query = matching!(organization, &filter).filter(exists(attached)).select(Record::as_select());
        load_page!(c, query, &window, agents::created_at, agents::id => Record)
    })?;
    Ok(readable(records, Record::read))
}

/// The place of an agent in a list.
fn key(conn: &mut Conn, organization: OrganizationId, cursor: &str, sort: AgentSort) -> Result<Option<Key>> {
    type Times = (NaiveDateTime, NaiveDateTime, Option<NaiveDateTime>);
    let times: Option<Times> = with_backend!(conn, c => {
        agents::table
            .find(cursor)
            .filter(agents::organization_id.eq(organization.to_string()))
            .select((agents::created_at, agents::updated_at, agents::last_run_completion))
            .first(c)
            .optional()
    })?;
    let id = cursor.to_owned();
    Ok(times.map(|(created, updated, completed)| match sort {
        AgentSort::CreatedAt => Key::from((created, id)),
        AgentSort::UpdatedAt => Key::from((updated, id)),
        AgentSort::LastRunCompletion => Key::from((completed, id)),
    }))
}
