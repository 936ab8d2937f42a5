//! What the model sees of an agent: its system message rendered anew, its history begun afresh.

use super::{
    AgentManager, Include, find,
    initial::{self, Start},
    load_states, lock, one_state,
};
use crate::{
    Actor,
    agent_loop::{hold::PATIENCE, reset_pending},
    error::{Error, Result},
    orm::{self, Conn, HistoryId, agents::AgentRow},
    prompt,
    schema::{AgentId, AgentState, ContentPart, MessageId, MessageRole, OrganizationId, StoredMessage, Timestamp},
};

impl AgentManager<'_> {
    /// Renders the system message anew and returns it. It shows the time at which it was made, or with
    /// `update_timestamp` the current one. With `dry_run` nothing is stored.
    ///
    /// # Errors
    /// 404 for the agent, or when it has no system message.
    pub async fn recompile(&self, actor: &Actor, id: AgentId, update_timestamp: bool, dry_run: bool) -> Result<String> {
        let organization = actor.organization_id;
        let compile = move |conn: &mut Conn, agent: &AgentRow| {
            let message = system_message(conn, organization, agent)?;
            let message =
                message.ok_or_else(|| Error::NotFound(format!("No system message found for agent '{}'", agent.id)))?;
            let shown = if update_timestamp { Timestamp::now() } else { message.created_at };
            Ok((message.id, prompt::compile_now(conn, organization, agent, shown)?))
        };
        if dry_run {
            let read = move |conn: &mut Conn| {
                let agent = find(conn, organization, id)?;
                compile(conn, &agent).map(|(_, text)| text)
            };
            return self.0.db().read(read).await;
        }
        let write = move |conn: &mut Conn| {
            let agent = lock(conn, organization, id)?;
            let (message, text) = compile(conn, &agent)?;
            orm::messages::set_content(conn, organization, message, &[ContentPart::text(&text)])?;
            Ok(text)
        };
        self.0.db().write(write).await
    }

    /// Takes everything but the system message out of the context; the messages stay stored, and calls that wait for the
    /// client are denied. With `add_default_initial_messages` the messages that agents of the type begin with follow.
    ///
    /// # Errors
    /// 404, and 409 while a turn works on the history for long.
    pub async fn reset_messages(
        &self,
        actor: &Actor,
        id: AgentId,
        add_default_initial_messages: bool,
    ) -> Result<AgentState> {
        // Nobody waits for an agent that is not there.
        self.row(actor, id).await?;
        let held = self.0.hold(HistoryId::default_of(id), PATIENCE).await?;
        let (actor, cipher) = (*actor, self.0.cipher().clone());
        let write = move |conn: &mut Conn| {
            let organization = actor.organization_id;
            // Out of sight nobody could answer it any more.
            reset_pending(conn, &actor, HistoryId::default_of(id))?;
            let mut agent = lock(conn, organization, id)?;
            let system = fresh_system_message(conn, &actor, &mut agent)?;
            let mut ids = vec![system];
            if add_default_initial_messages {
                let messages = initial::messages(&Start::of(&agent, true), None);
                ids.extend(messages.iter().map(|message| message.id));
                orm::messages::insert(conn, &actor, &messages)?;
            }
            orm::agents::set_message_ids(conn, &actor, id, &ids)?;
            let row = find(conn, organization, id)?;
            one_state(id, load_states(conn, organization, &cipher, vec![row], Include::ALL)?)
        };
        held.write(write).await
    }
}

fn system_message(conn: &mut Conn, organization: OrganizationId, agent: &AgentRow) -> Result<Option<StoredMessage>> {
    match agent.message_ids.first() {
        Some(id) => Ok(orm::messages::get(conn, organization, *id)?),
        None => Ok(None),
    }
}

/// The agent's system message with the current time, alone in its context; a new one if it has none.
fn fresh_system_message(conn: &mut Conn, actor: &Actor, agent: &mut AgentRow) -> Result<MessageId> {
    let organization = actor.organization_id;
    let stored = system_message(conn, organization, agent)?;
    agent.message_ids.truncate(1);
    let text = prompt::compile_now(conn, organization, agent, Timestamp::now())?;
    let content = vec![ContentPart::text(text)];
    if let Some(message) = stored {
        orm::messages::set_content(conn, organization, message.id, &content)?;
        return Ok(message.id);
    }
    let mut message = StoredMessage::new(agent.id, MessageRole::System, content);
    message.model = Some(agent.llm_config.model.clone());
    orm::messages::insert(conn, actor, std::slice::from_ref(&message))?;
    Ok(message.id)
}
