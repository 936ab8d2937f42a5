//! Lists of tools.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use super::{MODEL, record::Record};
use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::{Key, load_page},
    row::readable,
    schema::{OrganizationId, Tool, ToolId, ToolType},
    tables::tools,
    text::contains,
};

/// Which tools a list shows; all conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolFilter {
    /// One of these names; `None` for any.
    pub names: Option<Vec<String>>,
    /// One of these ids; `None` for any.
    pub ids: Option<Vec<ToolId>>,
    /// A part of the name, in any case.
    pub search: Option<String>,
    /// One of these types; `None` for any.
    pub types: Option<Vec<ToolType>>,
    /// None of these types.
    pub exclude_types: Vec<ToolType>,
    /// None of these names.
    pub exclude_names: Vec<String>,
    /// Only tools of this project or of none; `None` for those of all.
    pub project_id: Option<String>,
}

/// A boxed query over the tools that match, with nothing selected yet.
macro_rules! matching {
    ($organization:expr, $filter:expr) => {{
        let filter: &ToolFilter = $filter;
        let mut query = tools::table.filter(tools::organization_id.eq($organization.to_string())).into_boxed();
        if let Some(names) = &filter.names {
            query = query.filter(tools::name.eq_any(names.clone()));
        }
        if let Some(ids) = &filter.ids {
            query = query.filter(tools::id.eq_any(ids.iter().map(ToString::to_string).collect::<Vec<_>>()));
        }
        if let Some(part) = &filter.search {
            query = query.filter(contains(tools::name, part));
        }
        if let Some(types) = &filter.types {
            query = query.filter(tools::tool_type.eq_any(texts(types)));
        }
        if !filter.exclude_types.is_empty() {
            query = query.filter(tools::tool_type.ne_all(texts(&filter.exclude_types)));
        }
        if !filter.exclude_names.is_empty() {
            query = query.filter(tools::name.ne_all(filter.exclude_names.clone()));
        }
        if let Some(project) = &filter.project_id {
            query = query.filter(tools::project_id.is_null().or(tools::project_id.eq(project.clone())));
        }
        query
    }};
}

fn texts(types: &[ToolType]) -> Vec<&'static str> {
    types.iter().map(|kind| kind.as_str()).collect()
}

/// A page of the tools that match, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(conn: &mut Conn, organization: OrganizationId, filter: &ToolFilter, page: &Page) -> Result<Vec<Tool>> {
    let window = page.window(MODEL, |cursor| {
        let created: Option<NaiveDateTime> = with_backend!(conn, c => {
            tools::table
                .find(cursor)
                .filter(tools::organization_id.eq(organization.to_string()))
                .select(tools::created_at)
                .first(c)
                .optional()
        })?;
        Ok(created.map(|created| Key::from((created, cursor.to_owned()))))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let query = matching!(organization, filter).select(Record::as_select());
        load_page!(c, query, &window, tools::created_at, tools::id => Record)
    })?;
    Ok(readable(records, Record::read))
}

/// How many tools match.
pub fn count(conn: &mut Conn, organization: OrganizationId, filter: &ToolFilter) -> Result<i64> {
    Ok(with_backend!(conn, c => matching!(organization, filter).count().get_result(c))?)
}
