//! Organizations: the tenants.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Conn, Result,
    connection::with_backend,
    row::Reader,
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

/// The organization with this id.
pub fn get(conn: &mut Conn, id: OrganizationId) -> Result<Option<OrganizationRow>> {
    let record: Option<Record> = with_backend!(conn, c => {
        organizations::table.find(id.to_string()).select(Record::as_select()).first(c).optional()
    })?;
    record.map(Record::read).transpose()
}
