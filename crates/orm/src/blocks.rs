//! Memory blocks, and which agents have them attached.

mod links;
mod list;
mod record;

pub use links::{
    agents_of, any_labelled, attach, attached_to, by_label, detach, list_attached, of_agents, of_conversation,
};
pub use list::{BlockFilter, count, list};

use diesel::prelude::*;
use record::{Columns, Record};

use crate::{
    Actor, Conn, Error, Result,
    connection::{lock_row, owned_by, with_backend},
    row::{changed, readable},
    schema::{Block, BlockId, OrganizationId, Timestamp},
    tables::{blocks, blocks_agents},
    tags,
};

const MODEL: &str = "Block";

/// A block with the count of its writes, to be changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedBlock {
    /// The block.
    pub block: Block,
    /// Give it back to [`update`].
    pub version: i32,
}

/// Stores a new block with its tags; it is made by the actor, now.
pub fn insert(conn: &mut Conn, actor: &Actor, block: &Block) -> Result<()> {
    let record = Record::new(actor, block)?;
    with_backend!(conn, c => diesel::insert_into(blocks::table).values(&record).execute(c))?;
    if !block.tags.is_empty() {
        tags::blocks::replace(conn, actor, block.id, &block.tags)?;
    }
    Ok(())
}

/// The block with this id.
pub fn get(conn: &mut Conn, organization: OrganizationId, id: BlockId) -> Result<Option<Block>> {
    Ok(load(conn, organization, id)?.map(|locked| locked.block))
}

/// The block with this id, to be changed: nobody else changes the row until the transaction ends.
pub fn lock(conn: &mut Conn, organization: OrganizationId, id: BlockId) -> Result<Option<LockedBlock>> {
    lock_row!(conn, blocks, id);
    load(conn, organization, id)
}

fn load(conn: &mut Conn, organization: OrganizationId, id: BlockId) -> Result<Option<LockedBlock>> {
    let row: Option<(Record, i32)> = with_backend!(conn, c => {
        blocks::table
            .find(id.to_string())
            .filter(blocks::organization_id.eq(organization.to_string()))
            .select((Record::as_select(), blocks::version))
            .first(c)
            .optional()
    })?;
    let Some((record, version)) = row else { return Ok(None) };
    let mut block = [record.read()?];
    fill_tags(conn, &mut block)?;
    let [block] = block;
    Ok(Some(LockedBlock { block, version }))
}

/// The blocks with these ids that exist, in no order.
pub fn get_many(conn: &mut Conn, organization: OrganizationId, ids: &[BlockId]) -> Result<Vec<Block>> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    let records: Vec<Record> = with_backend!(conn, c => {
        blocks::table
            .filter(blocks::id.eq_any(&ids))
            .filter(owned_by!(blocks, organization))
            .select(Record::as_select())
            .load(c)
    })?;
    let mut blocks = readable(records, Record::read);
    fill_tags(conn, &mut blocks)?;
    Ok(blocks)
}

/// Writes all columns of the block, but for its tags, and its label into the links to agents.
///
/// # Errors
/// [`Error::Stale`] when the row was written since `version`, or is gone; [`Error::Unique`] when one of the agents
/// has another block with the label.
pub fn update(conn: &mut Conn, actor: &Actor, block: &Block, version: i32) -> Result<()> {
    let columns = Columns::of(actor, block, Timestamp::now())?;
    let id = block.id.to_string();
    let rows = with_backend!(conn, c => {
        diesel::update(
            blocks::table
                .find(&id)
                .filter(blocks::organization_id.eq(actor.organization_id.to_string()))
                .filter(blocks::version.eq(version)),
        )
        .set((&columns, blocks::version.eq(version.wrapping_add(1))))
        .execute(c)
    })?;
    if !changed(rows) {
        return Err(Error::Stale { model: MODEL, id });
    }
    with_backend!(conn, c => {
        diesel::update(
            blocks_agents::table
                .filter(blocks_agents::block_id.eq(&id))
                .filter(blocks_agents::label.ne(&columns.label)),
        )
        .set(blocks_agents::label.eq(&columns.label))
        .execute(c)
    })?;
    Ok(())
}

/// Makes `tags` the tags of the block; repeats count once. The row itself is not touched.
pub fn set_tags(conn: &mut Conn, actor: &Actor, id: BlockId, tags: &[String]) -> Result<()> {
    tags::blocks::replace(conn, actor, id, tags)
}

/// Deletes the block with its tags and links; the agents stay. False when there is no such block.
pub fn delete(conn: &mut Conn, organization: OrganizationId, id: BlockId) -> Result<bool> {
    let rows = with_backend!(conn, c => {
        diesel::delete(blocks::table.find(id.to_string()).filter(blocks::organization_id.eq(organization.to_string())))
            .execute(c)
    })?;
    Ok(changed(rows))
}

/// Gives the blocks their tags.
fn fill_tags(conn: &mut Conn, blocks: &mut [Block]) -> Result<()> {
    if blocks.is_empty() {
        return Ok(());
    }
    let ids: Vec<BlockId> = blocks.iter().map(|block| block.id).collect();
    let mut tags = tags::blocks::load(conn, &ids)?;
    for block in blocks {
        block.tags = tags.remove(&block.id).unwrap_or_default();
    }
    Ok(())
}
