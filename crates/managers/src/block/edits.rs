//! The edits that an agent's memory tools ask for, carried out.

use serde_json::{Map, Value};

use super::{create, write};
use crate::{
    conversation::shown_blocks,
    error::{Error, Result},
    group,
    orm::{Actor, Conn, blocks, conversations},
    prompt,
    schema::{AgentId, Block, BlockId, ConversationId, CreateBlock},
    tool::memory::{self, BlockEdit, MemoryBlock, MemoryError},
};

/// Runs the memory tool `name` for an agent, within a transaction: its edits are all done, or none. What the tool
/// returns is inside; so is its refusal, after which nothing has changed. Called in a conversation it edits the blocks
/// that the conversation has for itself, where it has them.
///
/// # Errors
///
/// Those of the database; [`crate::orm::Error::Stale`] among them when another writer was faster.
pub(crate) fn edit_memory(
    conn: &mut Conn,
    actor: &Actor,
    agent: AgentId,
    conversation: Option<ConversationId>,
    name: &str,
    args: &Map<String, Value>,
) -> Result<std::result::Result<Option<String>, MemoryError>> {
    // Read one by one under lock, in one order for all agents: what is computed from a value is written over that
    // same value, and no two agents wait for each other.
    let shown = shown_blocks(conn, agent, conversation)?;
    let mut locked: Vec<BlockId> = shown.iter().map(|block| block.id).collect();
    locked.sort_unstable();
    let mut current = Vec::with_capacity(locked.len());
    for id in locked {
        current.extend(blocks::lock(conn, actor.organization_id, id)?.map(|locked| locked.block));
    }
    // Back in the order in which they are shown, in which errors name them.
    let place = |block: &Block| shown.iter().position(|other| other.id == block.id);
    current.sort_by_key(place);

    let view: Vec<MemoryBlock> = current
        .iter()
        .map(|block| MemoryBlock { label: block.label.clone(), value: block.value.clone(), read_only: block.read_only })
        .collect();
    let edited = match memory::run(name, args, &view) {
        Ok(edited) => edited,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut owner = Owner { agent, isolated: Vec::new() };
    if let Some(conversation) = conversation {
        owner
            .isolated
            .extend(conversations::blocks::load(conn, &[conversation])?.remove(&conversation).unwrap_or_default());
    }
    let mut agents = Vec::new();
    for edit in edited.edits {
        apply(conn, actor, &owner, &mut current, &mut agents, edit)?;
    }
    prompt::rebuild(conn, actor.organization_id, &agents)?;
    Ok(Ok(edited.returns))
}

/// Whose memory is edited.
struct Owner {
    agent: AgentId,
    /// The blocks among it that belong to the conversation alone.
    isolated: Vec<BlockId>,
}

/// Carries out one edit and notes the agents whose prompts it changes.
fn apply(
    conn: &mut Conn,
    actor: &Actor,
    owner: &Owner,
    current: &mut Vec<Block>,
    agents: &mut Vec<AgentId>,
    edit: BlockEdit,
) -> Result<()> {
    let mut change = |label: &str, set: &dyn Fn(&mut Block)| -> Result<()> {
        let place = current.iter_mut().find(|block| block.label == label).ok_or_else(|| gone(label))?;
        let mut wanted = place.clone();
        set(&mut wanted);
        *place = write(conn, actor, place.id, |_| wanted, agents)?;
        Ok(())
    };
    match edit {
        BlockEdit::SetValue { label, value } => change(&label, &|block| block.value.clone_from(&value)),
        BlockEdit::SetDescription { label, description } => {
            change(&label, &|block| block.description = Some(description.clone()))
        }
        BlockEdit::Rename { label, to } => change(&label, &|block| block.label.clone_from(&to)),
        BlockEdit::Create { label, description, value } => {
            let block = CreateBlock { description: Some(description), ..CreateBlock::new(label, value) };
            let block = create(conn, actor, block)?;
            blocks::attach(conn, owner.agent, &[&block])?;
            agents.extend(group::attach_to_companions(conn, owner.agent, &[&block])?);
            current.push(block);
            agents.push(owner.agent);
            Ok(())
        }
        BlockEdit::Detach { label } => {
            let place = current.iter().position(|block| block.label == label).ok_or_else(|| gone(&label))?;
            let block = current.remove(place);
            if owner.isolated.contains(&block.id) {
                // Nobody else has it.
                blocks::delete(conn, actor.organization_id, block.id)?;
                return Ok(());
            }
            blocks::detach(conn, owner.agent, block.id)?;
            agents.extend(group::detach_from_companions(conn, owner.agent, block.id)?);
            agents.push(owner.agent);
            Ok(())
        }
    }
}

fn gone(label: &str) -> Error {
    Error::Internal(format!("a memory tool edits the block '{label}', which it cannot have seen"))
}
