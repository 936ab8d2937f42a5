//! The agents that tend the memory of another one in the background: what is shared with them, and what goes when one
//! of the two goes.

use crate::{
    Actor,
    error::{Error, Result},
    orm::{self, Conn, agents::AgentChanges, blocks, groups},
    schema::{AgentId, AgentType, Block, BlockId, Group, ManagerType, OrganizationId},
};

/// The least length of a message buffer, less one.
const SHORTEST: i64 = 4;

/// How many messages a voice agent keeps in its context.
pub(super) struct BufferLengths;

impl BufferLengths {
    /// Both or neither, each of some size, and room between them.
    pub(super) fn check(max: Option<i64>, min: Option<i64>) -> Result<()> {
        match (max, min) {
            (None, None) => Ok(()),
            (Some(max), Some(min)) if min > SHORTEST && max > min => Ok(()),
            (Some(max), Some(min)) => Err(Error::BadRequest(format!(
                "The message buffer cannot be {min} to {max} messages long: min_message_buffer_length must be above \
                 {SHORTEST}, and max_message_buffer_length above that."
            ))),
            _ => Err(Error::BadRequest(
                "max_message_buffer_length and min_message_buffer_length go together: give both or neither.".to_owned(),
            )),
        }
    }
}

/// Attaches blocks that an agent has got to its companions too, and returns these. Where a companion has another block
/// of the label, that one stays.
pub(crate) fn attach_to_companions(conn: &mut Conn, agent: AgentId, new: &[&Block]) -> Result<Vec<AgentId>> {
    let companions = groups::companions_of(conn, agent)?;
    for companion in &companions {
        let theirs = blocks::attached_to(conn, *companion)?;
        let free: Vec<&Block> =
            new.iter().copied().filter(|block| theirs.iter().all(|other| other.label != block.label)).collect();
        blocks::attach(conn, *companion, &free)?;
    }
    Ok(companions)
}

/// Takes a block that an agent has lost off its companions too, and returns these.
pub(crate) fn detach_from_companions(conn: &mut Conn, agent: AgentId, block: BlockId) -> Result<Vec<AgentId>> {
    let companions = groups::companions_of(conn, agent)?;
    for companion in &companions {
        blocks::detach(conn, *companion, block)?;
    }
    Ok(companions)
}

/// Deletes an agent, its companions and their groups. When the agent is a companion itself, only the group goes with
/// it, and the agent that it worked for is no longer set to have one.
///
/// # Errors
/// 404 for the agent; 409 when it manages a group whose agents work for themselves.
pub(crate) fn delete_with_companions(conn: &mut Conn, actor: &Actor, id: AgentId) -> Result<()> {
    let organization = actor.organization_id;
    let agent = orm::agents::lock(conn, organization, id)?.ok_or_else(|| Error::missing("Agent", id))?;
    if matches!(agent.agent_type, AgentType::SleeptimeAgent | AgentType::VoiceSleeptimeAgent) {
        for group in groups::with_member(conn, id)?.iter().filter(|group| is_background(group)) {
            groups::delete(conn, organization, group.id)?;
            if let Some(manager) = group.manager_agent_id.filter(|manager| *manager != id) {
                let changes = AgentChanges { enable_sleeptime: Some(None), ..AgentChanges::default() };
                orm::agents::update(conn, actor, manager, changes)?;
            }
        }
    }
    let mut doomed = vec![id];
    let mut next = 0;
    while let Some(agent) = doomed.get(next).copied() {
        next = next.saturating_add(1);
        for group in free_of_groups(conn, organization, agent)? {
            doomed.extend(group.agent_ids.iter().copied().filter(|id| !doomed.contains(id)).collect::<Vec<_>>());
        }
    }
    for agent in doomed {
        orm::agents::delete(conn, organization, agent)?;
    }
    Ok(())
}

/// Deletes the groups of companions that the agent manages, and returns them.
fn free_of_groups(conn: &mut Conn, organization: OrganizationId, agent: AgentId) -> Result<Vec<Group>> {
    let managed = groups::managed_by(conn, &[agent])?;
    if let Some(group) = managed.iter().find(|group| !is_background(group)) {
        return Err(Error::Conflict(format!(
            "The agent {agent} manages the group {}. Delete the group, or give it another manager, first.",
            group.id
        )));
    }
    for group in &managed {
        groups::delete(conn, organization, group.id)?;
    }
    Ok(managed)
}

const fn is_background(group: &Group) -> bool {
    matches!(group.manager_type, ManagerType::Sleeptime | ManagerType::VoiceSleeptime)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_lengths_go_together_and_leave_room() {
        for (max, min) in [(None, None), (Some(30), Some(15)), (Some(6), Some(5))] {
            assert!(BufferLengths::check(max, min).is_ok());
        }
        for (max, min) in [(Some(30), None), (None, Some(15)), (Some(15), Some(15)), (Some(10), Some(4))] {
            assert!(matches!(BufferLengths::check(max, min), Err(Error::BadRequest(_))));
        }
    }
}
