//! Lists of runs.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{MODEL, is_going, row::RunRow};
use crate::{
    Conn, Page, Result,
    connection::with_backend,
    json_list::has_any,
    page::{Key, load_page},
    row::readable,
    schema::{AgentId, ConversationId, OrganizationId, Run, RunStatus, StopReason, Timestamp},
    tables::runs as t,
};

/// How a number of a run compares with a given one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// It is this number.
    Equal(i64),
    /// It is larger.
    Above(i64),
    /// It is this number or larger.
    AtLeast(i64),
    /// It is smaller.
    Below(i64),
    /// It is this number or smaller.
    AtMost(i64),
}

/// What a list of runs is limited to; all conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// This one.
    pub id: Option<String>,
    /// Those of these agents; all when empty.
    pub agent_ids: Vec<AgentId>,
    /// Those of this conversation.
    pub conversation_id: Option<ConversationId>,
    /// Those in these states; all when empty.
    pub statuses: Vec<RunStatus>,
    /// Those that go on without their client, or do not.
    pub background: Option<bool>,
    /// Those that ended for this reason.
    pub stop_reason: Option<StopReason>,
    /// Those of this project.
    pub project_id: Option<String>,
    /// Those of agents of this base template.
    pub base_template_id: Option<String>,
    /// Those that took so many steps.
    pub steps: Option<Compare>,
    /// Those that called one of these tools, by their ids; all when empty.
    pub tools_used: Vec<String>,
    /// Those that took so many nanoseconds. Runs that have not ended do not count.
    pub duration: Option<Compare>,
    /// Those that took at least as long as this many hundredths of the others that match.
    pub duration_percentile: Option<i64>,
    /// Those that began at this time or later.
    pub start: Option<Timestamp>,
    /// Those that began at this time or earlier.
    pub end: Option<Timestamp>,
}

/// What a list of runs is sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunSort {
    /// When the run began.
    #[default]
    CreatedAt,
    /// How long it took; runs that have not ended come last in both directions.
    Duration,
}

/// The query with a condition on a number of the run.
macro_rules! compared {
    ($query:expr, $column:expr, $compare:expr, $number:ty) => {{
        let number = |number: i64| {
            <$number>::try_from(number).unwrap_or(if number < 0 { <$number>::MIN } else { <$number>::MAX })
        };
        match $compare {
            None => $query,
            Some(Compare::Equal(value)) => $query.filter($column.eq(number(value))),
            Some(Compare::Above(value)) => $query.filter($column.gt(number(value))),
            Some(Compare::AtLeast(value)) => $query.filter($column.ge(number(value))),
            Some(Compare::Below(value)) => $query.filter($column.lt(number(value))),
            Some(Compare::AtMost(value)) => $query.filter($column.le(number(value))),
        }
    }};
}

/// A boxed query over the runs that match, with nothing selected yet.
macro_rules! matching {
    ($organization:expr, $filter:expr) => {{
        let filter: &RunFilter = $filter;
        let mut query = t::table.filter(t::organization_id.eq($organization.to_string())).into_boxed();
        if let Some(id) = &filter.id {
            query = query.filter(t::id.eq(id.clone()));
        }
        query = match filter.agent_ids.as_slice() {
            [] => query,
            // With `= ANY` PostgreSQL would not see that the index has the runs of the one in order.
            [agent] => query.filter(t::agent_id.eq(agent.to_string())),
            agents => query.filter(t::agent_id.eq_any(agents.iter().map(ToString::to_string).collect::<Vec<_>>())),
        };
        if let Some(conversation) = filter.conversation_id {
            query = query.filter(t::conversation_id.eq(conversation.to_string()));
        }
        if filter.statuses == RunStatus::GOING {
            query = query.filter(is_going());
        } else if !filter.statuses.is_empty() {
            let statuses: Vec<&str> = filter.statuses.iter().map(|status| status.as_str()).collect();
            query = query.filter(t::status.eq_any(statuses));
        }
        if let Some(background) = filter.background {
            query = query.filter(t::background.eq(background));
        }
        if let Some(reason) = filter.stop_reason {
            query = query.filter(t::stop_reason.eq(reason.as_str()));
        }
        if let Some(project) = &filter.project_id {
            query = query.filter(t::project_id.eq(project.clone()));
        }
        if let Some(template) = &filter.base_template_id {
            query = query.filter(t::base_template_id.eq(template.clone()));
        }
        if !filter.tools_used.is_empty() {
            query = query.filter(has_any(t::tools_used, &filter.tools_used)?);
        }
        if let Some(start) = filter.start {
            query = query.filter(t::created_at.ge(start.naive()));
        }
        if let Some(end) = filter.end {
            query = query.filter(t::created_at.le(end.naive()));
        }
        query = compared!(query, t::num_steps, filter.steps, i32);
        compared!(query, t::total_duration_ns, filter.duration, i64)
    }};
}

/// A page of runs.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list_by(
    conn: &mut Conn,
    organization: OrganizationId,
    filter: &RunFilter,
    sort: RunSort,
    page: &Page,
) -> Result<Vec<Run>> {
    let window = page.window(MODEL, |cursor| key(conn, organization, cursor, sort))?;
    let longest = match filter.duration_percentile {
        None => None,
        Some(percentile) => match percentile_of(conn, organization, filter, percentile)? {
            None => return Ok(Vec::new()),
            limit => limit,
        },
    };
    let rows: Vec<RunRow> = with_backend!(conn, c => {
        let mut query = matching!(organization, filter).select(RunRow::as_select());
        if let Some(longest) = longest {
            query = query.filter(t::total_duration_ns.ge(longest));
        }
        match sort {
            RunSort::CreatedAt => load_page!(c, query, &window, t::created_at, t::id => RunRow),
            RunSort::Duration => load_page!(c, query, &window, t::total_duration_ns, t::id => RunRow),
        }
    })?;
    Ok(readable(rows, RunRow::into_run))
}

/// The duration that so many hundredths of the matching runs do not reach, if any of them has one.
fn percentile_of(
    conn: &mut Conn,
    organization: OrganizationId,
    filter: &RunFilter,
    percentile: i64,
) -> Result<Option<i64>> {
    with_backend!(conn, c => {
        let ended = matching!(organization, filter).filter(t::total_duration_ns.is_not_null());
        let count: i64 = ended.count().get_result(c)?;
        let place = (count * percentile.clamp(0, 100) / 100).min(count - 1).max(0);
        let ended = matching!(organization, filter).filter(t::total_duration_ns.is_not_null());
        let duration: Option<Option<i64>> = ended
            .select(t::total_duration_ns)
            .order((t::total_duration_ns.asc(), t::id.asc()))
            .offset(place)
            .limit(1)
            .first(c)
            .optional()?;
        Ok(duration.flatten())
    })
}

/// The place of a run in a list.
fn key(conn: &mut Conn, organization: OrganizationId, cursor: &str, sort: RunSort) -> Result<Option<Key>> {
    let query = t::table.find(cursor.to_owned()).filter(t::organization_id.eq(organization.to_string()));
    let place: Option<(NaiveDateTime, Option<i64>)> =
        with_backend!(conn, c => query.select((t::created_at, t::total_duration_ns)).first(c).optional())?;
    let id = cursor.to_owned();
    Ok(place.map(|(created, duration)| match sort {
        RunSort::CreatedAt => Key::from((created, id)),
        RunSort::Duration => Key::from((duration, id)),
    }))
}
