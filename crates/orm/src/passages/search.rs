//! Search in passages by words, with the full-text index of the database in use.

use std::collections::{BTreeSet, HashMap};

use diesel::{dsl::count_star, prelude::*};

use super::row::PassageRow;
use crate::{
    Conn, Result,
    connection::with_backend,
    row::readable,
    schema::{ArchiveId, OrganizationId, Passage, TagMatchMode, Timestamp},
    statement::{self, Bind, Conditions, Index},
    tables::{passages as t, passages_tags},
    text::{contains, words},
};

/// Where passages are searched for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// In all archives of the organization.
    #[default]
    Organization,
    /// In this one.
    Archive(ArchiveId),
}

/// What is searched for, and where. All conditions must hold.
#[derive(Debug, Clone)]
pub struct PassageQuery<'a> {
    /// Where.
    pub scope: Scope,
    /// Words, any of which a passage must have. Without them the oldest passages are found.
    pub text: Option<&'a str>,
    /// Tags; none for any passage. Repeats do no harm.
    pub tags: &'a [String],
    /// Whether one of the tags is enough.
    pub tag_match_mode: TagMatchMode,
    /// Not before this time.
    pub start: Option<Timestamp>,
    /// Not after this time.
    pub end: Option<Timestamp>,
    /// Most results.
    pub limit: i64,
}

/// A passage that was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The passage.
    pub passage: Passage,
    /// Its place among the results of the full-text index, from 1; none if it was found without the index.
    pub rank: Option<i64>,
}

/// Which passages are found: the best of the index; where the index has none, the newest that contain the text as it
/// stands, since the index knows whole words alone; without a text the oldest.
pub fn search(conn: &mut Conn, organization: OrganizationId, query: &PassageQuery<'_>) -> Result<Vec<Found>> {
    let Some(text) = query.text.map(str::trim).filter(|text| !text.is_empty()) else {
        return by_age(conn, organization, query, None);
    };
    let words = words(text);
    if !words.is_empty() {
        let hits = ranked(conn, organization, query, &words)?;
        if !hits.is_empty() {
            return in_order(conn, &hits);
        }
    }
    by_age(conn, organization, query, Some(text))
}

/// Demands what the query does of `passages p`.
fn demand(with: &mut Conditions, organization: OrganizationId, query: &PassageQuery<'_>) {
    with.and("p.organization_id =", Bind::Text(organization.to_string()));
    if let Scope::Archive(archive) = query.scope {
        with.and("p.archive_id =", Bind::Text(archive.to_string()));
    }
    if let Some(start) = query.start {
        with.and("p.created_at >=", Bind::Time(start.naive()));
    }
    if let Some(end) = query.end {
        with.and("p.created_at <=", Bind::Time(end.naive()));
    }
    let tags: BTreeSet<&String> = query.tags.iter().collect();
    if tags.is_empty() {
        return;
    }
    let needed = match query.tag_match_mode {
        TagMatchMode::Any => 1,
        TagMatchMode::All => i64::try_from(tags.len()).unwrap_or(i64::MAX),
    };
    let places = with.bind_all(tags.into_iter().map(|tag| Bind::Text(tag.clone())));
    let tagged = format!("(SELECT count(*) FROM passages_tags g WHERE g.passage_id = p.id AND g.tag IN ({places})) >=");
    with.and(&tagged, Bind::Number(needed));
}

/// The best hits of the index that match, best first, the newer of equals first.
fn ranked(conn: &mut Conn, organization: OrganizationId, query: &PassageQuery<'_>, words: &[&str]) -> Result<Vec<i64>> {
    let index = Index { table: "passages", alias: "p", order: "p.created_at DESC, p.id DESC" };
    statement::ranked(conn, &index, words, query.limit, |with| demand(with, organization, query))
}

/// The passages of these hits, in their order.
fn in_order(conn: &mut Conn, hits: &[i64]) -> Result<Vec<Found>> {
    let places: HashMap<i64, usize> = hits.iter().enumerate().map(|(place, hit)| (*hit, place)).collect();
    let mut rows: Vec<PassageRow> = with_backend!(conn, c => {
        t::table.filter(t::sequence_id.eq_any(hits)).select(PassageRow::as_select()).load(c)
    })?;
    rows.sort_by_key(|row| places.get(&row.sequence_id).copied().unwrap_or(usize::MAX));
    let found = readable(rows, PassageRow::read).into_iter().zip(1..);
    Ok(found.map(|(passage, rank)| Found { passage, rank: Some(rank) }).collect())
}

fn by_age(
    conn: &mut Conn,
    organization: OrganizationId,
    query: &PassageQuery<'_>,
    part: Option<&str>,
) -> Result<Vec<Found>> {
    let rows: Vec<PassageRow> = with_backend!(conn, c => {
        let mut rows = t::table.filter(t::organization_id.eq(organization.to_string())).into_boxed();
        if let Scope::Archive(archive) = query.scope {
            rows = rows.filter(t::archive_id.eq(archive.to_string()));
        }
        if let Some(start) = query.start {
            rows = rows.filter(t::created_at.ge(start.naive()));
        }
        if let Some(end) = query.end {
            rows = rows.filter(t::created_at.le(end.naive()));
        }
        let tags: BTreeSet<&String> = query.tags.iter().collect();
        let tagged = |tags: Vec<String>| {
            passages_tags::table.filter(passages_tags::tag.eq_any(tags)).select(passages_tags::passage_id)
        };
        match query.tag_match_mode {
            _ if tags.is_empty() => {}
            TagMatchMode::Any => {
                rows = rows.filter(t::id.eq_any(tagged(tags.into_iter().cloned().collect())));
            }
            TagMatchMode::All => {
                // One of them by the index, and then their number: a planner takes long over a condition for each.
                let count = i64::try_from(tags.len()).unwrap_or(i64::MAX);
                let tags: Vec<String> = tags.into_iter().cloned().collect();
                let of_all = passages_tags::table
                    .filter(passages_tags::passage_id.eq(t::id))
                    .filter(passages_tags::tag.eq_any(tags.clone()))
                    .select(count_star());
                rows = rows.filter(t::id.eq_any(tagged(tags.into_iter().take(1).collect())));
                rows = rows.filter(of_all.single_value().ge(count));
            }
        }
        let rows = match part {
            Some(part) => rows.filter(contains(t::text, part)).order((t::created_at.desc(), t::id.desc())),
            None => rows.order((t::created_at.asc(), t::id.asc())),
        };
        rows.limit(query.limit.max(0)).select(PassageRow::as_select()).load(c)
    })?;
    Ok(readable(rows, PassageRow::read).into_iter().map(|passage| Found { passage, rank: None }).collect())
}
