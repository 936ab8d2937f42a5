//! Folders of files, which the older routes and the tables call sources, and which agents have them attached.

mod links;
mod list;
mod record;

pub use links::{agents_of, attach, attached_to, detach, list_attached, of_agents};
pub use list::{count, list, list_agents};

use diesel::prelude::*;
use record::{Columns, Record};

use crate::{
    Actor, Conn, Result,
    connection::{lock_row, owned_by, with_backend},
    row::{changed, readable},
    schema::{OrganizationId, Source, SourceId, Timestamp},
    tables::sources,
};

const MODEL: &str = "Source";

/// Stores a new folder; it is made by the actor, now.
///
/// # Errors
/// [`crate::Error::Unique`] when the organization has a folder of this name.
pub fn insert(conn: &mut Conn, actor: &Actor, source: &Source) -> Result<()> {
    let record = Record::new(actor, source)?;
    with_backend!(conn, c => diesel::insert_into(sources::table).values(&record).execute(c))?;
    Ok(())
}

/// The folder with this id.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: SourceId) -> Result<Option<Source>> {
    let record: Option<Record> = with_backend!(conn, c => {
        sources::table
            .find(id.to_string())
            .filter(sources::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// [`get`] for a change that depends on what is read: nobody else changes the row until the transaction ends.
pub fn lock(conn: &mut Conn, organization: OrganizationId, id: SourceId) -> Result<Option<Source>> {
    lock_row!(conn, sources, id);
    get(conn, organization, id)
}

/// The folders with these ids that exist, in no order.
pub fn get_many(conn: &mut Conn, organization: OrganizationId, ids: &[SourceId]) -> Result<Vec<Source>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        sources::table
            .filter(sources::id.eq_any(&ids))
            .filter(owned_by!(sources, organization))
            .select(Record::as_select())
            .load(c)
    })?;
    Ok(readable(records, Record::read))
}

/// The folder of this name.
pub fn by_name(conn: &mut Conn, organization: OrganizationId, name: &str) -> Result<Option<Source>> {
    let record: Option<Record> = with_backend!(conn, c => {
        sources::table
            .filter(sources::organization_id.eq(organization.to_string()))
            .filter(sources::name.eq(name))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// Writes all columns of the folder. False when there is no such folder.
///
/// # Errors
/// [`crate::Error::Unique`] when the organization has another folder of this name.
pub fn update(conn: &mut Conn, actor: &Actor, source: &Source) -> Result<bool> {
    let columns = Columns::of(actor, source, Timestamp::now())?;
    let rows = with_backend!(conn, c => {
        diesel::update(
            sources::table
                .find(source.id.to_string())
                .filter(sources::organization_id.eq(actor.organization_id.to_string())),
        )
        .set(&columns)
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// Deletes the folder with its files and links; the agents stay. False when there is no such folder.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: SourceId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(sources::table.find(id.to_string()).filter(sources::organization_id.eq(organization.to_string())))
            .execute(c)
    })?;
    Ok(changed(rows))
}
