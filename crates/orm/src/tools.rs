//! Tools, and which agents have them attached.

mod links;
mod list;
mod record;

pub use links::{agents_of, attach, attached_to, detach, list_attached, of_agents};
pub use list::{ToolFilter, count, list};

use diesel::prelude::*;
use record::{Columns, Record};

use crate::{
    Actor, Conn, Result,
    connection::{lock_row, owned_by, with_backend},
    row::{changed, readable},
    schema::{OrganizationId, Timestamp, Tool, ToolId},
    tables::tools,
};

const MODEL: &str = "Tool";

/// Stores a new tool; it is made by the actor, now.
///
/// # Errors
/// [`crate::Error::Unique`] when the organization has a tool of this name.
pub fn insert(conn: &mut Conn, actor: &Actor, tool: &Tool) -> Result<()> {
    let record = Record::new(actor, tool)?;
    with_backend!(conn, c => diesel::insert_into(tools::table).values(&record).execute(c))?;
    Ok(())
}

/// Stores the tool, over the one of the same name if there is one, which keeps its id, creator and time of creation.
/// Returns the id under which it is stored.
pub fn upsert(conn: &mut Conn, actor: &Actor, tool: &Tool) -> Result<ToolId> {
    let record = Record::new(actor, tool)?;
    let id: String = with_backend!(conn, c => {
        diesel::insert_into(tools::table)
            .values(&record)
            .on_conflict((tools::organization_id, tools::name))
            .do_update()
            .set(&record.columns)
            .returning(tools::id)
            .get_result(c)
    })?;
    crate::row::Reader { model: MODEL, id: &id }.id("id", &id)
}

/// The tool with this id.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: ToolId) -> Result<Option<Tool>> {
    let record: Option<Record> = with_backend!(conn, c => {
        tools::table
            .find(id.to_string())
            .filter(tools::organization_id.eq(organization.to_string()))
            .select(Record::as_select())
            .first(c)
            .optional()
    })?;
    record.map(Record::read).transpose()
}

/// [`get`] for a change that depends on what is read: nobody else changes the row until the transaction ends.
pub fn lock(conn: &mut Conn, organization: OrganizationId, id: ToolId) -> Result<Option<Tool>> {
    lock_row!(conn, tools, id);
    get(conn, organization, id)
}

/// The tools with these ids that exist, in no order.
pub fn get_many(conn: &mut Conn, organization: OrganizationId, ids: &[ToolId]) -> Result<Vec<Tool>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        tools::table
            .filter(tools::id.eq_any(&ids))
            .filter(owned_by!(tools, organization))
            .select(Record::as_select())
            .load(c)
    })?;
    Ok(readable(records, Record::read))
}

/// The tools with these names that exist, in no order.
pub fn by_names<N: AsRef<str>>(conn: &mut Conn, organization: OrganizationId, names: &[N]) -> Result<Vec<Tool>> {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        tools::table
            .filter(tools::organization_id.eq(organization.to_string()))
            .filter(tools::name.eq_any(&names))
            .select(Record::as_select())
            .load(c)
    })?;
    Ok(readable(records, Record::read))
}

/// Writes all columns of the tool. False when there is no such tool.
///
/// # Errors
/// [`crate::Error::Unique`] when the organization has another tool of this name.
pub fn update(conn: &mut Conn, actor: &Actor, tool: &Tool) -> Result<bool> {
    let columns = Columns::of(actor, tool, Timestamp::now())?;
    let rows = with_backend!(conn, c => {
        diesel::update(
            tools::table
                .find(tool.id.to_string())
                .filter(tools::organization_id.eq(actor.organization_id.to_string())),
        )
        .set(&columns)
        .execute(c)
    })?;
    Ok(changed(rows))
}

/// Deletes the tool with its links; the agents stay. False when there is no such tool.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: ToolId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(tools::table.find(id.to_string()).filter(tools::organization_id.eq(organization.to_string())))
            .execute(c)
    })?;
    Ok(changed(rows))
}
