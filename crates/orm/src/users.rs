//! Users: who acts, within one organization.

use chrono::NaiveDateTime;
use diesel::prelude::*;

use crate::{
    Conn, Page, Result,
    connection::with_backend,
    page::load_page,
    row::{Reader, changed, readable},
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

/// Changes the name or the organization of a user; what is `None` stays. Returns whether there is such a user.
///
/// # Errors
/// [`crate::Error::ForeignKey`] when there is no such organization.
pub fn update(
    conn: &mut Conn,
    id: UserId,
    name: Option<String>,
    organization_id: Option<OrganizationId>,
) -> Result<bool> {
    let change = (
        name.map(|name| users::name.eq(clean(name))),
        organization_id.map(|id| users::organization_id.eq(id.to_string())),
        users::updated_at.eq(Timestamp::now().naive()),
    );
    let rows = with_backend!(conn, c => diesel::update(users::table.find(id.to_string())).set(change).execute(c))?;
    Ok(changed(rows))
}

/// Deletes a user. What it has made stays. Returns whether there was such a user.
pub fn delete(conn: &mut Conn, id: UserId) -> Result<bool> {
    Ok(changed(with_backend!(conn, c => diesel::delete(users::table.find(id.to_string())).execute(c))?))
}

/// A page of the users of all organizations, sorted by their age.
///
/// # Errors
/// [`crate::Error::CursorNotFound`].
pub fn list(conn: &mut Conn, page: &Page) -> Result<Vec<UserRow>> {
    let window = page.window("User", |cursor| {
        let query = users::table.find(cursor.to_owned()).select((users::created_at, users::id));
        let key: Option<(NaiveDateTime, String)> = with_backend!(conn, c => query.first(c).optional())?;
        Ok(key.map(Into::into))
    })?;
    let records: Vec<Record> = with_backend!(conn, c => {
        let query = users::table.select(Record::as_select()).into_boxed();
        load_page!(c, query, &window, users::created_at, users::id => Record)
    })?;
    Ok(readable(records, Record::read))
}

/// The user with this id, whatever its organization: this is how the actor of a request is found.
pub fn get(conn: &mut Conn, id: UserId) -> Result<Option<UserRow>> {
    let record: Option<Record> = with_backend!(conn, c => {
        users::table.find(id.to_string()).select(Record::as_select()).first(c).optional()
    })?;
    record.map(Record::read).transpose()
}
