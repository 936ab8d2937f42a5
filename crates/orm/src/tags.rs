//! Tags of agents and blocks.

use std::collections::{BTreeSet, HashMap};

use diesel::prelude::*;

use crate::{
    Actor, Conn, Order, Page, Result,
    connection::with_backend,
    schema::{AgentId, BlockId, OrganizationId, Timestamp},
    tables::{agents_tags, blocks_tags},
    text::{clean, contains},
};

/// How many tags one statement writes: SQLite counts the values of a statement, and has a bound for them.
const ROWS: usize = 1000;

/// The functions of one of the two tables, which are alike but for their names.
macro_rules! tags_of {
    ($table:ident, $owner:ident, $Id:ty) => {
        use super::*;

        /// The tags of these owners, in the order in which they were given. One without tags is not in the map.
        pub(crate) fn load(conn: &mut Conn, owners: &[$Id]) -> Result<HashMap<$Id, Vec<String>>> {
            let by_text: HashMap<String, $Id> = owners.iter().map(|id| (id.to_string(), *id)).collect();
            let ids: Vec<&str> = by_text.keys().map(String::as_str).collect();
            let rows: Vec<(String, String)> = with_backend!(conn, c => {
                $table::table
                    .filter($table::$owner.eq_any(&ids))
                    .order(($table::created_at, $table::tag))
                    .select(($table::$owner, $table::tag))
                    .load(c)
            })?;
            let mut map: HashMap<_, Vec<_>> = HashMap::new();
            for (owner, tag) in rows {
                if let Some(id) = by_text.get(&owner) {
                    map.entry(*id).or_default().push(tag);
                }
            }
            Ok(map)
        }

        /// Makes `tags` the tags of the owner; repeats count once.
        pub(crate) fn replace(conn: &mut Conn, actor: &Actor, owner: $Id, tags: &[String]) -> Result<()> {
            let now = Timestamp::now().utc();
            let mut seen = BTreeSet::new();
            let tags: Vec<String> = tags.iter().cloned().map(clean).filter(|tag| seen.insert(tag.clone())).collect();
            let row = |(n, tag): (i64, &String)| {
                (
                    $table::$owner.eq(owner.to_string()),
                    $table::tag.eq(tag.clone()),
                    $table::organization_id.eq(actor.organization_id.to_string()),
                    // Times a microsecond apart keep the order.
                    $table::created_at.eq((now + chrono::Duration::microseconds(n)).naive_utc()),
                )
            };
            let rows: Vec<_> = (0..).zip(&tags).map(row).collect();
            with_backend!(conn, c => {
                diesel::delete($table::table.filter($table::$owner.eq(owner.to_string()))).execute(c)?;
                for rows in rows.chunks(ROWS) {
                    diesel::insert_into($table::table).values(rows.to_vec()).execute(c)?;
                }
                QueryResult::Ok(())
            })?;
            Ok(())
        }

        /// Up to `limit` distinct tags between the bounds, which are exclusive.
        pub(super) fn list(conn: &mut Conn, range: &Range<'_>) -> Result<Vec<String>> {
            Ok(with_backend!(conn, c => {
                let mut query = $table::table
                    .filter($table::organization_id.eq(range.organization.to_string()))
                    .select($table::tag)
                    .distinct()
                    .limit(range.limit)
                    .into_boxed();
                if let Some(part) = range.part {
                    query = query.filter(contains($table::tag, part));
                }
                if let Some(bound) = range.above {
                    query = query.filter($table::tag.gt(bound));
                }
                if let Some(bound) = range.below {
                    query = query.filter($table::tag.lt(bound));
                }
                match range.read {
                    Order::Asc => query.order($table::tag.asc()).load(c),
                    Order::Desc => query.order($table::tag.desc()).load(c),
                }
            })?)
        }
    };
}

mod agents {
    tags_of!(agents_tags, agent_id, AgentId);
}

pub(crate) mod blocks {
    tags_of!(blocks_tags, block_id, BlockId);
}

struct Range<'a> {
    organization: OrganizationId,
    part: Option<&'a str>,
    above: Option<&'a str>,
    below: Option<&'a str>,
    read: Order,
    limit: i64,
}

/// The tags of these agents, in the order in which they were given. An agent without tags is not in the map.
pub fn of_agents(conn: &mut Conn, agents: &[AgentId]) -> Result<HashMap<AgentId, Vec<String>>> {
    agents::load(conn, agents)
}

/// Makes `tags` the tags of the agent; repeats count once.
pub fn replace_of_agent(conn: &mut Conn, actor: &Actor, agent: AgentId, tags: &[String]) -> Result<()> {
    agents::replace(conn, actor, agent, tags)
}

/// A page of the distinct tags of agents and blocks, sorted by code point. A cursor is a tag; it need not exist.
/// `part` is a substring in any case.
pub fn list(conn: &mut Conn, organization: OrganizationId, part: Option<&str>, page: &Page) -> Result<Vec<String>> {
    let cursor = |cursor: &'_ Option<String>| cursor.clone().filter(|tag| !tag.is_empty());
    let (after, before) = (cursor(&page.after), cursor(&page.before));
    let (after, before) = (after.as_deref(), before.as_deref());
    let (above, below) = match page.order {
        Order::Asc => (after, before),
        Order::Desc => (before, after),
    };
    let backward = before.is_some() && after.is_none();
    let read = if backward { page.order.reversed() } else { page.order };
    let limit = page.limit.max(0);
    let range = Range { organization, part, above, below, read, limit };
    let mut tags = agents::list(conn, &range)?;
    tags.append(&mut blocks::list(conn, &range)?);
    tags.sort_unstable();
    tags.dedup();
    if read == Order::Desc {
        tags.reverse();
    }
    tags.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    if backward {
        tags.reverse();
    }
    Ok(tags)
}
