//! Users: who acts, within one organization.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Conn, Result,
    connection::with_backend,
    row::Reader,
    schema::{OrganizationId, Timestamp, UserId},
    tables::users,
    text::clean,
};

/// A user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserRow {
    /// Its id.
    pub id: UserId,
    /// The organization it belongs to.
    pub organization_id: OrganizationId,
    /// Its name; not unique.
    pub name: String,
    /// An IANA time zone.
    pub timezone: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = users)]
struct Record {
    id: String,
    organization_id: String,
    name: String,
    timezone: String,
    created_at: NaiveDateTime,
    updated_at: NaiveDateTime,
}

impl Record {
    fn read(self) -> Result<UserRow> {
        let reader = Reader { model: "User", id: &self.id };
        Ok(UserRow {
            id: reader.id("id", &self.id)?,
            organization_id: reader.id("organization_id", &self.organization_id)?,
            name: self.name,
            timezone: self.timezone,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}

/// Makes the user unless it exists; an existing one is left alone.
pub fn ensure(conn: &mut Conn, id: UserId, organization_id: OrganizationId, name: &str) -> Result<()> {
    let now = Timestamp::now().naive();
    let row = (
        users::id.eq(id.to_string()),
        users::organization_id.eq(organization_id.to_string()),
        users::name.eq(clean(name.to_owned())),
        users::created_at.eq(now),
        users::updated_at.eq(now),
    );
    with_backend!(conn, c => {
        diesel::insert_into(users::table).values(row).on_conflict(users::id).do_nothing().execute(c)
    })?;
    Ok(())
}

/// The user with this id, whatever its organization: this is how the actor of a request is found.
pub fn get(conn: &mut Conn, id: UserId) -> Result<Option<UserRow>> {
    let record: Option<Record> = with_backend!(conn, c => {
        users::table.find(id.to_string()).select(Record::as_select()).first(c).optional()
    })?;
    record.map(Record::read).transpose()
}
