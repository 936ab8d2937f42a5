//! The memory blocks of a conversation: its agent's, with copies of its own in place of some.

use crate::{
    Actor,
    error::{Error, Result},
    orm::{self, Conn, blocks},
    schema::{AgentId, Block, BlockId, ConversationId},
};

/// The blocks that the agent is shown in a history: its own in the order of attachment, and in the place of each the
/// one of that label that the conversation has for itself. What the conversation has beyond them comes last.
pub(crate) fn shown_blocks(
    conn: &mut Conn,
    agent: AgentId,
    conversation: Option<ConversationId>,
) -> orm::Result<Vec<Block>> {
    let mut shown = blocks::attached_to(conn, agent)?;
    let Some(conversation) = conversation else { return Ok(shown) };
    for isolated in blocks::of_conversation(conn, conversation)? {
        match shown.iter_mut().find(|block| block.label == isolated.label) {
            Some(place) => *place = isolated,
            None => shown.push(isolated),
        }
    }
    Ok(shown)
}

/// Copies the agent's blocks of these labels, each once, for a conversation.
///
/// # Errors
/// 400 for a label that none of them has.
pub(super) fn isolate(conn: &mut Conn, actor: &Actor, agent: AgentId, labels: &[String]) -> Result<Vec<BlockId>> {
    let attached = if labels.is_empty() { Vec::new() } else { blocks::attached_to(conn, agent)? };
    let mut wanted: Vec<&Block> = Vec::with_capacity(labels.len());
    for label in labels {
        let block = attached.iter().find(|block| block.label == *label).ok_or_else(|| {
            Error::InvalidArgument(format!("Block with label '{label}' not found on agent '{agent}'"))
        })?;
        if wanted.iter().all(|other| other.id != block.id) {
            wanted.push(block);
        }
    }
    wanted.into_iter().map(|block| copy(conn, actor, block)).collect()
}

/// Copies these blocks for another conversation.
pub(super) fn copies(conn: &mut Conn, actor: &Actor, ids: &[BlockId]) -> Result<Vec<BlockId>> {
    let mut copied = Vec::with_capacity(ids.len());
    for id in ids {
        if let Some(block) = blocks::get(conn, actor.organization_id, *id)? {
            copied.push(copy(conn, actor, &block)?);
        }
    }
    Ok(copied)
}

/// Stores a block that is the same but for its place in the world: it belongs to no template and has no tags.
fn copy(conn: &mut Conn, actor: &Actor, block: &Block) -> Result<BlockId> {
    let copy = Block {
        id: BlockId::random(),
        is_template: false,
        template_name: None,
        template_id: None,
        base_template_id: None,
        deployment_id: None,
        entity_id: None,
        tags: Vec::new(),
        ..block.clone()
    };
    blocks::insert(conn, actor, &copy)?;
    Ok(copy.id)
}
