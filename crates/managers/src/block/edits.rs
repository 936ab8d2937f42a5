//! The edits that an agent's memory tools ask for, carried out.

use serde_json::{Map, Value};

use super::{create, write};
use crate::{
    error::{Error, Result},
    group,
    orm::{Actor, Conn, blocks},
    prompt,
    schema::{AgentId, Block, BlockId, CreateBlock},
    tool::memory::{self, BlockEdit, MemoryBlock, MemoryError},
};

/// Runs the memory tool `name` for an agent, within a transaction: its edits are all done, or none. What the tool
/// returns is inside; so is its refusal, after which nothing has changed.
///
/// # Errors
///
/// Those of the database; [`crate::orm::Error::Stale`] among them when another writer was faster.
pub(crate) fn edit_memory(
    conn: &mut Conn,
    actor: &Actor,
    agent: AgentId,
    name: &str,
    args: &Map<String, Value>,
) -> Result<std::result::Result<Option<String>, MemoryError>> {
    // Read one by one under lock, in one order for all agents: what is computed from a value is written over that
    // same value, and no two agents wait for each other.
    let attached = blocks::attached_to(conn, agent)?;
    let mut locked: Vec<BlockId> = attached.iter().map(|block| block.id).collect();
    locked.sort_unstable();
    let mut current = Vec::with_capacity(locked.len());
    for id in locked {
        current.extend(blocks::lock(conn, actor.organization_id, id)?.map(|locked| locked.block));
    }
    // Back in the order of attachment, in which errors name them.
    let place = |block: &Block| attached.iter().position(|other| other.id == block.id);
    current.sort_by_key(place);

    let view: Vec<MemoryBlock> = current
        .iter()
        .map(|block| MemoryBlock { label: block.label.clone(), value: block.value.clone(), read_only: block.read_only })
        .collect();
    let edited = match memory::run(name, args, &view) {
        Ok(edited) => edited,
        Err(refused) => return Ok(Err(refused)),
    };
    let mut agents = Vec::new();
    for edit in edited.edits {
        apply(conn, actor, agent, &mut current, &mut agents, edit)?;
    }
    prompt::rebuild(conn, actor.organization_id, &agents)?;
    Ok(Ok(edited.returns))
}

/// Carries out one edit and notes the agents whose prompts it changes.
fn apply(
    conn: &mut Conn,
    actor: &Actor,
    agent: AgentId,
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
            blocks::attach(conn, agent, &[&block])?;
            agents.extend(group::attach_to_companions(conn, agent, &[&block])?);
            current.push(block);
            agents.push(agent);
            Ok(())
        }
        BlockEdit::Detach { label } => {
            let place = current.iter().position(|block| block.label == label).ok_or_else(|| gone(&label))?;
            let block = current.remove(place);
            blocks::detach(conn, agent, block.id)?;
            agents.extend(group::detach_from_companions(conn, agent, block.id)?);
            agents.push(agent);
            Ok(())
        }
    }
}

fn gone(label: &str) -> Error {
    Error::Internal(format!("a memory tool edits the block '{label}', which it cannot have seen"))
}
