//! Bringing the stored system messages of agents up to date with their memory.

use super::{PromptInput, compile};
use crate::{
    conversation::shown_blocks,
    file::view,
    orm::{
        self, Conn, HistoryId, agents, agents::AgentRow, conversations, file_agents, histories, messages, passages,
        sources,
    },
    schema::{AgentId, ContentPart, ConversationId, MessageId, MessageRole, OrganizationId, Timestamp},
};

/// The line that shows the time, by its beginning.
const TIME_LINE: &str = "- System prompt last recompiled: ";

/// Renders the prompts of these agents anew, within the transaction that changed what they show. A system message
/// whose text stays the same, but for the time of rendering, is left as it is; agents without messages are passed
/// over.
///
/// # Errors
///
/// Those of the database. An agent whose rows cannot be read is logged and passed over: it must not keep others
/// from being changed.
pub fn rebuild(conn: &mut Conn, organization: OrganizationId, agents: &[AgentId]) -> orm::Result<()> {
    let mut agents = agents.to_vec();
    agents.sort_unstable();
    agents.dedup();
    for id in agents {
        // Locked one after the other in the order of their ids, so that a change to another block of the agent
        // comes wholly before or after this one.
        let done = agents::lock(conn, organization, id)
            .and_then(|agent| agent.map_or(Ok(()), |agent| rebuild_one(conn, organization, &agent)));
        match done {
            Err(error @ orm::Error::Corrupt { .. }) => {
                tracing::error!(%error, agent = %id, "the system message could not be brought up to date");
            }
            done => done?,
        }
    }
    Ok(())
}

fn rebuild_one(conn: &mut Conn, organization: OrganizationId, agent: &AgentRow) -> orm::Result<()> {
    let Some(id) = agent.message_ids.first() else { return Ok(()) };
    let text = compile_now(conn, organization, agent, Timestamp::now())?;
    replace(conn, organization, *id, text)
}

/// Renders the system message of a history anew, within the transaction that has changed its context. One whose text
/// stays the same, but for the time of rendering, is left as it is.
///
/// # Errors
///
/// Those of the database.
pub fn rebuild_history(
    conn: &mut Conn,
    organization: OrganizationId,
    agent: &AgentRow,
    history: &HistoryId,
) -> orm::Result<()> {
    if history.conversation_id.is_none() {
        return rebuild(conn, organization, &[agent.id]);
    }
    let context = histories::context(conn, organization, history)?.unwrap_or_default();
    let Some(id) = context.first() else { return Ok(()) };
    let text = compile_in(conn, organization, agent, history.conversation_id, Timestamp::now())?;
    replace(conn, organization, *id, text)
}

/// Makes this the text of a system message, unless it says the same already.
fn replace(conn: &mut Conn, organization: OrganizationId, id: MessageId, text: String) -> orm::Result<()> {
    let Some(message) = messages::get(conn, organization, id)? else { return Ok(()) };
    if message.role != MessageRole::System || same_but_time(&message.text(), &text) {
        return Ok(());
    }
    messages::set_content(conn, organization, id, &[ContentPart::text(text)])
}

/// The system message of the agent's default history as it would be now, with `shown` as its time.
///
/// # Errors
///
/// Those of the database.
pub fn compile_now(
    conn: &mut Conn,
    organization: OrganizationId,
    agent: &AgentRow,
    shown: Timestamp,
) -> orm::Result<String> {
    compile_in(conn, organization, agent, None, shown)
}

/// The system message of a conversation, or else of the agent's default history, as it would be now, with `shown` as
/// its time.
///
/// # Errors
///
/// Those of the database.
pub fn compile_in(
    conn: &mut Conn,
    organization: OrganizationId,
    agent: &AgentRow,
    conversation: Option<ConversationId>,
    shown: Timestamp,
) -> orm::Result<String> {
    let blocks = shown_blocks(conn, agent.id, conversation)?;
    let in_context = match conversation {
        Some(id) => histories::context(conn, organization, &HistoryId::of_conversation(agent.id, id))?,
        None => None,
    };
    let in_context = in_context.map_or(agent.message_ids.len(), |ids| ids.len());
    // Each other history has a system message too, which nobody has said.
    let unsaid = conversations::count_of_agent(conn, agent.id)?;
    let stored = messages::count_of_agent(conn, agent.id)?;
    let folders = sources::attached_to(conn, agent.id)?;
    let files = if folders.is_empty() { Vec::new() } else { file_agents::attached_to(conn, agent.id)? };
    let files = view::blocks(files, view::char_limit(agent));
    let input = PromptInput::of(agent, &blocks, shown);
    let archival_count = passages::count_of_agent(conn, agent.id)?;
    Ok(compile(&PromptInput {
        conversation_id: conversation,
        recall_count: stored.saturating_sub(unsaid).saturating_sub(i64::try_from(in_context).unwrap_or(i64::MAX)),
        archival_count,
        folders: &folders,
        files: &files,
        ..input
    }))
}

/// Whether two system messages differ in nothing but the time that they show.
#[must_use]
pub fn same_but_time(a: &str, b: &str) -> bool {
    fn timeless(text: &str) -> impl Iterator<Item = &str> {
        text.split('\n').filter(|line| !line.starts_with(TIME_LINE))
    }
    timeless(a).eq(timeless(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_time_may_differ() {
        let text = |time: &str, value: &str| format!("a\n{value}\n{TIME_LINE}{time}\nb");
        assert!(same_but_time(&text("1", "x"), &text("2", "x")));
        assert!(!same_but_time(&text("1", "x"), &text("1", "y")));
        assert!(!same_but_time(&text("1", "x"), &format!("{}\n", text("1", "x"))));
    }
}
