//! Lists of blocks.

use std::collections::BTreeSet;

use chrono::NaiveDateTime;
use diesel::{
    dsl::{count_star, exists},
    prelude::*,
};

use super::{MODEL, fill_tags, record::Record};
use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::readable,
    schema::{Block, IdentityId, OrganizationId},
    tables::{blocks, blocks_agents, blocks_tags, identities, identities_blocks},
    text::contains,
};

/// Which blocks a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockFilter {
    /// The exact label.
    pub label: Option<String>,
    /// A part of the label, in any case.
    pub label_search: Option<String>,
    /// A part of the description, in any case.
    pub description_search: Option<String>,
    /// A part of the value, in any case.
    pub value_search: Option<String>,
    /// The exact name of the template.
    pub template_name: Option<String>,
    /// Only templates, or only blocks that are none.
    pub is_template: Option<bool>,
    /// The exact project.
    pub project_id: Option<String>,
    /// Tags, of which the block has at least one; repeats do no harm.
    pub tags: Vec<String>,
    /// The block has all of the tags.
    pub match_all_tags: bool,
    /// More agents than this have it attached.
    pub agents_more_than: Option<i64>,
    /// Fewer agents than this have it attached.
    pub agents_fewer_than: Option<i64>,
    /// One of these numbers of agents have it attached; empty for any.
    pub agents_exactly: Vec<i64>,
    /// The identity that the block is about.
    pub identity_id: Option<IdentityId>,
    /// Keys of identities, of which the block is about at least one.
    pub identifier_keys: Vec<String>,
    /// Also the blocks that are hidden.
    pub show_hidden: bool,
}

/// A boxed query over the blocks that match, with nothing selected yet.
macro_rules! matching {
    ($organization:expr, $filter:expr) => {{
        let filter: &BlockFilter = $filter;
        let mut query = blocks::table.filter(blocks::organization_id.eq($organization.to_string())).into_boxed();
        if let Some(label) = &filter.label {
            query = query.filter(blocks::label.eq(label.clone()));
        }
        if let Some(part) = &filter.label_search {
            query = query.filter(contains(blocks::label, part));
        }
        if let Some(part) = &filter.description_search {
            query = query.filter(contains(blocks::description, part));
        }
        if let Some(part) = &filter.value_search {
            query = query.filter(contains(blocks::value, part));
        }
        if let Some(name) = &filter.template_name {
            query = query.filter(blocks::template_name.eq(name.clone()));
        }
        if let Some(is_template) = filter.is_template {
            query = query.filter(blocks::is_template.eq(is_template));
        }
        if let Some(project) = &filter.project_id {
            query = query.filter(blocks::project_id.eq(project.clone()));
        }
        let all: BTreeSet<&String> = if filter.match_all_tags { filter.tags.iter().collect() } else { BTreeSet::new() };
        if let Some(first) = all.first() {
            // One of them by the index, and then their number: a planner takes long over a condition for each.
            let tagged = || blocks_tags::table.filter(blocks_tags::block_id.eq(blocks::id));
            let count = i64::try_from(all.len()).unwrap_or(i64::MAX);
            let of_all =
                tagged().filter(blocks_tags::tag.eq_any(all.iter().map(ToString::to_string).collect::<Vec<_>>()));
            query = query.filter(exists(tagged().filter(blocks_tags::tag.eq(first.to_string()))));
            query = query.filter(of_all.select(count_star()).single_value().ge(count));
        } else if !filter.tags.is_empty() {
            let tagged = blocks_tags::table
                .filter(blocks_tags::block_id.eq(blocks::id))
                .filter(blocks_tags::tag.eq_any(filter.tags.clone()));
            query = query.filter(exists(tagged));
        }
        let agents =
            || blocks_agents::table.filter(blocks_agents::block_id.eq(blocks::id)).select(count_star()).single_value();
        if let Some(number) = filter.agents_more_than {
            query = query.filter(agents().gt(number));
        }
        if let Some(number) = filter.agents_fewer_than {
            query = query.filter(agents().lt(number));
        }
        if !filter.agents_exactly.is_empty() {
            query = query.filter(agents().eq_any(filter.agents_exactly.clone()));
        }
        if let Some(identity) = filter.identity_id {
            let linked = identities_blocks::table
                .filter(identities_blocks::block_id.eq(blocks::id))
                .filter(identities_blocks::identity_id.eq(identity.to_string()));
            query = query.filter(exists(linked));
        }
        if !filter.identifier_keys.is_empty() {
            let linked = identities_blocks::table
                .inner_join(identities::table)
                .filter(identities_blocks::block_id.eq(blocks::id))
                .filter(identities::identifier_key.eq_any(filter.identifier_keys.clone()));
            query = query.filter(exists(linked));
        }
        if !filter.show_hidden {
            query = query.filter(blocks::hidden.is_null().or(blocks::hidden.eq(false)));
        }
        query
    }};
}

/// A page of the blocks that match, sorted by their age, with their tags.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(conn: &mut Conn, organization: OrganizationId, filter: &BlockFilter, page: &Page) -> Result<Vec<Block>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            blocks::table
                .find(cursor)
                .filter(blocks::organization_id.eq(organization.to_string()))
                .select(blocks::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let query = matching!(organization, filter).select(Record::as_select());
        load_page!(c, query, &window, blocks::created_at, blocks::id => Record)
    })?;
    let mut blocks = readable(records, Record::read);
    fill_tags(conn, &mut blocks)?;
    Ok(blocks)
}

/// How many blocks match.
pub fn count(conn: &mut Conn, organization: OrganizationId, filter: &BlockFilter) -> Result<i64> {
    Ok(with_backend!(conn, c => matching!(organization, filter).count().get_result(c))?)
}
