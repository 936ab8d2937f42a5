//! Searching archives: from what is asked to a query, and from what is found to what is read.

use chrono::{Days, NaiveTime, TimeDelta};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use crate::{
    error::{Error, FieldError, Result},
    orm::{
        Conn, agents, archives,
        passages::{self, Found, PassageQuery, Scope},
    },
    prompt::time::{instant, timezone},
    schema::{AgentId, ArchivalMemorySearchResult, OrganizationId, PassageSearchResult, TagMatchMode, Timestamp},
};

/// How many passages are found when nothing is said about it.
const DEFAULT_TOP_K: i64 = 5;
/// All of them, within reason.
const ALL: i64 = 10_000;
/// The most tags that one search names: each is a condition.
const MOST_TAGS: usize = 500;
/// What a rank counts in a score: reciprocal rank fusion with its usual constant, words weighing one half.
const RANK_OFFSET: f64 = 60.0;
const WORDS_WEIGHT: f64 = 0.5;

/// What is asked of an agent's archival memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivalQuery {
    /// What to look for; blank finds nothing.
    pub query: String,
    /// Tags that a passage must have.
    pub tags: Vec<String>,
    /// Whether one of the tags is enough.
    pub tag_match_mode: TagMatchMode,
    /// Most results; 0 for all.
    pub top_k: Option<i64>,
    /// Not before this time: ISO 8601, without an offset in the agent's timezone.
    pub start_datetime: Option<String>,
    /// Not after this time; a date alone includes its day.
    pub end_datetime: Option<String>,
}

impl Default for ArchivalQuery {
    fn default() -> Self {
        Self {
            query: String::new(),
            tags: Vec::new(),
            tag_match_mode: TagMatchMode::Any,
            top_k: None,
            start_datetime: None,
            end_datetime: None,
        }
    }
}

/// An argument of a search that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidQuery {
    field: &'static str,
    message: String,
}

impl From<InvalidQuery> for Error {
    fn from(InvalidQuery { field, message }: InvalidQuery) -> Self {
        let location = vec!["query".to_owned(), field.to_owned()];
        Self::Unprocessable(vec![FieldError { kind: "value_error", location, message }])
    }
}

/// A passage that an agent's search found.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ArchivalFound {
    pub(crate) result: ArchivalMemorySearchResult,
    rank: Option<i64>,
}

impl ArchivalFound {
    /// What the agent itself gets to read.
    pub(crate) fn entry(&self) -> Value {
        let ArchivalMemorySearchResult { id, timestamp, content, tags } = &self.result;
        let relevance = match self.rank {
            Some(rank) => json!({ "rrf_score": score(rank), "fts_rank": rank, "search_mode": "fts" }),
            None => json!({ "search_mode": "sql" }),
        };
        json!({ "id": id, "timestamp": timestamp, "content": content, "tags": tags, "relevance": relevance })
    }
}

/// Searches the archive of an agent.
///
/// # Errors
/// 404 for the agent. What is wrong with the query itself is inside.
pub(crate) fn search_of_agent(
    conn: &mut Conn,
    organization: OrganizationId,
    agent: AgentId,
    query: &ArchivalQuery,
) -> Result<Result<Vec<ArchivalFound>, InvalidQuery>> {
    if query.query.trim().is_empty() {
        return Ok(Ok(Vec::new()));
    }
    let row = agents::get(conn, organization, agent)?.ok_or_else(|| Error::missing("Agent", agent))?;
    let zone = row.timezone.as_deref().and_then(timezone).unwrap_or(Tz::UTC);
    let bounds = match Bounds::of(query, zone) {
        Ok(bounds) => bounds,
        Err(invalid) => return Ok(Err(invalid)),
    };
    let Some(archive) = archives::of_agent(conn, agent)? else { return Ok(Ok(Vec::new())) };
    let query = PassageQuery {
        scope: Scope::Archive(archive.id),
        text: Some(&query.query),
        tags: &query.tags,
        tag_match_mode: query.tag_match_mode,
        start: bounds.start,
        end: bounds.end,
        limit: bounds.limit,
    };
    let found = passages::search(conn, organization, &query)?;
    Ok(Ok(found.into_iter().map(|found| shown(found, zone)).collect()))
}

/// The arguments that are not taken as they come.
#[derive(Debug, PartialEq, Eq)]
struct Bounds {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    limit: i64,
}

impl Bounds {
    fn of(query: &ArchivalQuery, zone: Tz) -> Result<Self, InvalidQuery> {
        let date = |field: &'static str, text: &Option<String>, end| {
            let Some(text) = text.as_deref().map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
            instant(text, zone, end).map(Some).ok_or_else(|| InvalidQuery {
                field,
                message: format!(
                    "Invalid {field} format: {text}. Use ISO 8601 format (YYYY-MM-DD or YYYY-MM-DDTHH:MM)"
                ),
            })
        };
        if let Some(message) = too_many(&query.tags) {
            return Err(InvalidQuery { field: "tags", message });
        }
        let limit = match query.top_k.unwrap_or(DEFAULT_TOP_K) {
            0 => ALL,
            limit if limit > 0 => limit.min(ALL),
            limit => {
                let message = format!("top_k is {limit}, but it must be a number of passages, or 0 for all.");
                return Err(InvalidQuery { field: "top_k", message });
            }
        };
        Ok(Self {
            start: date("start_datetime", &query.start_datetime, false)?,
            end: date("end_datetime", &query.end_datetime, true)?,
            limit,
        })
    }
}

/// What is wrong with these tags, when they are more than a search can name.
pub(super) fn too_many(tags: &[String]) -> Option<String> {
    let count = tags.len();
    (count > MOST_TAGS).then(|| format!("One search names at most {MOST_TAGS} tags, not {count}."))
}

fn shown(Found { passage, rank }: Found, zone: Tz) -> ArchivalFound {
    let time = passage.created_at.map(|time| time.utc().with_timezone(&zone));
    let result = ArchivalMemorySearchResult {
        id: passage.id,
        timestamp: time.map_or_else(String::new, |time| time.format("%Y-%m-%dT%H:%M:%S%:z").to_string()),
        content: passage.text,
        tags: passage.tags.unwrap_or_default(),
    };
    ArchivalFound { result, rank }
}

/// A passage with its score; `asked` if there was something to search for.
pub(super) fn scored(Found { passage, rank }: Found, asked: bool) -> PassageSearchResult {
    let score = rank.map_or(0.0, score);
    let metadata = match rank {
        Some(rank) => json!({
            "combined_score": score, "vector_rank": null, "fts_rank": rank, "search_mode": "fts",
        }),
        None if asked => json!({ "search_mode": "sql" }),
        None => json!({}),
    };
    let metadata = match metadata {
        Value::Object(metadata) => metadata,
        _ => Map::new(),
    };
    PassageSearchResult { passage, score, metadata }
}

#[expect(clippy::cast_precision_loss, reason = "ranks are small")]
fn score(rank: i64) -> f64 {
    WORDS_WEIGHT / (RANK_OFFSET + rank as f64)
}

/// The end of a span: midnight stands for the day that begins with it.
pub(super) fn whole_day(end: Timestamp) -> Timestamp {
    let time = end.utc();
    if time.time() != NaiveTime::MIN {
        return end;
    }
    time.checked_add_days(Days::new(1)).map_or(end, |next| (next - TimeDelta::microseconds(1)).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(query: ArchivalQuery, zone: Tz) -> Result<Bounds, String> {
        Bounds::of(&query, zone).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn times_without_an_offset_are_in_the_agents_timezone() {
        let query = ArchivalQuery {
            start_datetime: Some("2025-03-01".to_owned()),
            end_datetime: Some("2025-03-01".to_owned()),
            ..ArchivalQuery::default()
        };
        let bounds = bounds(query, Tz::Europe__Helsinki).unwrap();
        assert_eq!(bounds.start.unwrap().to_string(), "2025-02-28T22:00:00Z");
        assert_eq!(bounds.end.unwrap().to_string(), "2025-03-01T21:59:59.999999Z");
    }

    #[test]
    fn a_time_that_is_none_is_named_with_the_form_it_should_have() {
        let query = ArchivalQuery { end_datetime: Some("soon".to_owned()), ..ArchivalQuery::default() };
        assert_eq!(
            bounds(query, Tz::UTC).unwrap_err(),
            "Invalid end_datetime format: soon. Use ISO 8601 format (YYYY-MM-DD or YYYY-MM-DDTHH:MM)"
        );
    }

    #[test]
    fn five_are_found_unless_another_number_is_asked_for() {
        let limit = |top_k| bounds(ArchivalQuery { top_k, ..ArchivalQuery::default() }, Tz::UTC).map(|b| b.limit);
        assert_eq!(limit(None), Ok(5));
        assert_eq!(limit(Some(7)), Ok(7));
        assert_eq!(limit(Some(0)), Ok(ALL));
        assert!(limit(Some(-1)).unwrap_err().contains("top_k is -1"));
    }

    #[test]
    fn midnight_as_an_end_includes_the_day() {
        let end = |text| whole_day(Timestamp::parse(text).unwrap()).to_string();
        assert_eq!(end("2025-03-01"), "2025-03-01T23:59:59.999999Z");
        assert_eq!(end("2025-03-01T10:00:00Z"), "2025-03-01T10:00:00Z");
    }
}
