//! Organizations: the tenants.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::load_page,
    row::{Reader, changed, readable},
    schema::{OrganizationId, Timestamp},
    tables::organizations,
    text::clean,
};

/// An organization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrganizationRow {
    /// Its id.
    pub id: OrganizationId,
    /// Its name; not unique.
    pub name: String,
    /// Whether its tools run on this machine even where a remote sandbox is configured.
    pub privileged_tools: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = organizations)]
struct Record {
    id: String,
    name: String,
    privileged_tools: bool,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl Record {
    fn read(self) -> Result<OrganizationRow> {
        let reader = Reader { model: "Organization", id: &self.id };
        Ok(OrganizationRow {
            id: reader.id("id", &self.id)?,
            name: self.name,
            privileged_tools: self.privileged_tools,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

/// Makes the organization unless it exists; the name of an existing one is left alone.
pub fn ensure(conn: &mut Conn, id: OrganizationId, name: &str) -> Result<()> {
    let now = Timestamp::now().naive();
    let row = (
        organizations::id.eq(id.to_string()),
        organizations::name.eq(clean(name.to_owned())),
        organizations::created_at.eq(now),
        organizations::updated_at.eq(now),
    );
    with_backend!(conn, c => {
        diesel::insert_into(organizations::table).values(row).on_conflict(organizations::id).do_nothing().execute(c)
    })?;
    Ok(())
}

/// Changes an organization; what is `None` stays. Returns whether there is such an organization.
pub fn update(
    conn: &mut Conn,
    id: OrganizationId,
    name: Option<String>,
    privileged_tools: Option<bool>,
) -> Result<bool> {
    let change = (
        name.map(|name| organizations::name.eq(clean(name))),
        privileged_tools.map(|privileged| organizations::privileged_tools.eq(privileged)),
        organizations::updated_at.eq(Timestamp::now().naive()),
    );
    let organization = organizations::table.find(id.to_string());
    Ok(changed(with_backend!(conn, c => diesel::update(organization).set(change).execute(c))?))
}

/// Deletes an organization with all that belongs to it. Returns whether there was one.
pub fn delete(conn: &mut Conn, id: OrganizationId) -> Result<bool> {
    let organization = organizations::table.find(id.to_string());
    Ok(changed(with_backend!(conn, c => diesel::delete(organization).execute(c))?))
}

/// A page of the organizations, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(conn: &mut Conn, page: &Page) -> Result<Vec<OrganizationRow>> {
    let window = page.window("Organization", |cursor| {
        let query = organizations::table.find(cursor.to_owned()).select((organizations::created_at, organizations::id));
        let key: Option<(NaiveDateTime, String)> = with_backend!(conn, c => query.first(c).optional())?;
        Ok(key.map(Into::into))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let query = organizations::table.select(Record::as_select()).into_boxed();
        load_page!(c, query, &window, organizations::created_at, organizations::id => Record)
    })?;
    Ok(readable(records, Record::read))
}

/// The organization with this id.
pub fn get(conn: &mut Conn, id: OrganizationId) -> Result<Option<OrganizationRow>> {
    let record: Option<Record> = with_backend!(conn, c => {
        organizations::table.find(id.to_string()).select(Record::as_select()).first(c).optional()
    })?;
    record.map(Record::read).transpose()
}
