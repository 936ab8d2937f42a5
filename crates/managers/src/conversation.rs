//! Conversations: histories of an agent beside its default one, made, forked, changed, deleted and read.

mod memory;
mod past;

use std::time::Duration;

pub use crate::orm::conversations::{ArchiveStatus, ConversationFilter, ConversationSort};
pub(crate) use memory::shown_blocks;

use crate::{
    Actor, MessageQuery, Services,
    error::{Error, FieldError, Result},
    message, model,
    orm::{
        Conn, HistoryId, Order, Page,
        agents::{self, AgentRow},
        conversations, histories, messages,
        messages::History,
        runs,
    },
    prompt,
    schema::{
        AgentId, ContentPart, Conversation, ConversationId, CreateConversation, ImportMessages, InvalidId, LlmConfig,
        MessageId, MessageRole, OrganizationId, RunId, StoredMessage, Timestamp, UpdateConversation, WireMessage,
        to_wire_list,
    },
};

/// How long a change of a history waits for the turn that works on it.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is done with conversations.
#[derive(Debug, Clone, Copy)]
pub struct ConversationManager<'a>(&'a Services);

impl Services {
    /// What is done with conversations.
    pub fn conversations(&self) -> ConversationManager<'_> {
        ConversationManager(self)
    }
}

/// A history as a client names it where a conversation is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryName {
    /// `default`: the default history of an agent that is named elsewhere in the request.
    Default,
    /// The default history of this agent.
    Agent(AgentId),
    /// The history of this conversation.
    Conversation(ConversationId),
}

impl std::str::FromStr for HistoryName {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        match text {
            "default" => Ok(Self::Default),
            agent if agent.starts_with("agent-") => agent.parse().map(Self::Agent),
            conversation => conversation.parse().map(Self::Conversation),
        }
    }
}

impl ConversationManager<'_> {
    /// The history of this name. `agent` is the one that the request names beside it, for `default`.
    ///
    /// # Errors
    /// 404 for a conversation or an agent that does not exist, and for `default` without an agent.
    pub async fn history(&self, actor: &Actor, name: HistoryName, agent: Option<AgentId>) -> Result<HistoryId> {
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| {
            let agent = match (name, agent) {
                (HistoryName::Conversation(id), _) => {
                    let conversation = conversations::for_turn(conn, organization, id)?.ok_or_else(|| missing(id))?;
                    return Ok(HistoryId::of_conversation(conversation.agent_id, id));
                }
                (HistoryName::Agent(agent), _) | (HistoryName::Default, Some(agent)) => agent,
                (HistoryName::Default, None) => {
                    return Err(Error::NotFound(
                        "The conversation 'default' is the default history of an agent. Say of which: send agent_id, \
                         or put the agent's id in place of 'default'."
                            .to_owned(),
                    ));
                }
            };
            if agents::is_there(conn, organization, agent)? {
                Ok(HistoryId::default_of(agent))
            } else {
                Err(Error::missing("Agent", agent))
            }
        };
        self.0.db().read(read).await
    }

    /// Makes a conversation of an agent. It begins with a system message that shows the agent's memory as it is now,
    /// and with what was said before, if that is given.
    ///
    /// # Errors
    /// 404 for the agent or the model; 400 for a label that no block of the agent has; 422 for a limit that is none,
    /// and for past messages that cannot be taken in.
    pub async fn create(&self, actor: &Actor, agent: AgentId, request: CreateConversation) -> Result<Conversation> {
        if let Some(handle) = &request.model {
            self.0.models().resolve(actor, handle).await?;
        }
        check_window(request.context_window_limit)?;
        let past = past::checked(request.messages.unwrap_or_default()).await?;
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            let agent = find_agent(conn, actor.organization_id, agent)?;
            let labels = request.isolated_block_labels.as_deref().unwrap_or_default();
            let isolated_block_ids = memory::isolate(conn, &actor, agent.id, labels)?;
            let conversation = Conversation {
                summary: request.summary,
                description: request.description,
                model: request.model,
                model_settings: request.model_settings,
                context_window_limit: request.context_window_limit,
                isolated_block_ids,
                ..empty(agent.id)
            };
            begin(conn, &actor, &agent, &conversation, request.hidden == Some(true))?;
            past::store(conn, &actor, &agent, &history_of(&conversation), past)?;
            get(conn, actor.organization_id, conversation.id)
        };
        self.0.db().write(write).await
    }

    /// One conversation, with the ids of the messages in its context.
    ///
    /// # Errors
    /// 404.
    pub async fn get(&self, actor: &Actor, id: ConversationId) -> Result<Conversation> {
        let organization = actor.organization_id;
        self.0.db().read(move |conn| get(conn, organization, id)).await
    }

    /// A page of the conversations that match and are not hidden, without what is in their contexts.
    ///
    /// # Errors
    /// 404 for an agent that does not exist, and for a cursor that names no conversation.
    pub async fn list(
        &self,
        actor: &Actor,
        filter: ConversationFilter,
        sort: ConversationSort,
        page: Page,
    ) -> Result<Vec<Conversation>> {
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| {
            if let Some(agent) = filter.agent_id
                && !agents::is_there(conn, organization, agent)?
            {
                return Err(Error::missing("Agent", agent));
            }
            Ok(conversations::list(conn, organization, &filter, sort, &page)?)
        };
        self.0.db().read(read).await
    }

    /// Changes a conversation. What is absent or null stays as it is.
    ///
    /// # Errors
    /// 404 for the conversation or the model, 422 for a limit that is none.
    pub async fn update(&self, actor: &Actor, id: ConversationId, change: UpdateConversation) -> Result<Conversation> {
        if let Some(handle) = change.model.as_value() {
            self.0.models().resolve(actor, handle).await?;
        }
        check_window(change.context_window_limit.as_value().copied())?;
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            let stored = conversations::lock(conn, actor.organization_id, id)?.ok_or_else(|| missing(id))?;
            let wanted = Conversation {
                summary: change.summary.value().or(stored.summary.clone()),
                description: change.description.value().or(stored.description.clone()),
                archived_at: match change.archived.value() {
                    Some(true) => stored.archived_at.or_else(|| Some(Timestamp::now())),
                    Some(false) => None,
                    None => stored.archived_at,
                },
                model: change.model.value().or(stored.model.clone()),
                model_settings: change.model_settings.value().or(stored.model_settings.clone()),
                context_window_limit: change.context_window_limit.value().or(stored.context_window_limit),
                last_message_at: change.last_message_at.value().or(stored.last_message_at),
                ..stored.clone()
            };
            if wanted != stored {
                conversations::update(conn, &actor, &wanted)?;
            }
            get(conn, actor.organization_id, id)
        };
        self.0.db().write(write).await
    }

    /// Deletes a conversation with its own blocks, and with its messages but for those that a fork shows.
    ///
    /// # Errors
    /// 404; 409 while a run works on it.
    pub async fn delete(&self, actor: &Actor, id: ConversationId) -> Result<()> {
        let history = self.history(actor, HistoryName::Conversation(id), None).await?;
        let held = self.0.hold(history, PATIENCE).await.map_err(|error| match error {
            Error::Busy(run) => in_use(id, run),
            error => error,
        })?;
        let organization = actor.organization_id;
        let delete = move |conn: &mut Conn| {
            if let Some(run) = runs::newest_going(conn, organization, &id.to_string())? {
                return Err(in_use(id, Some(run)));
            }
            if conversations::delete(conn, organization, id)? { Ok(()) } else { Err(missing(id)) }
        };
        held.write(delete).await
    }

    /// Makes a conversation that goes on from where a history is: it shares the messages in context, and has a system
    /// message and isolated blocks of its own.
    ///
    /// # Errors
    /// 404 when the history is gone, or does not have the last message in its context.
    pub async fn fork(&self, actor: &Actor, source: HistoryId, how: Fork) -> Result<Conversation> {
        let actor = *actor;
        let write = move |conn: &mut Conn| {
            let organization = actor.organization_id;
            let agent = find_agent(conn, organization, source.agent_id)?;
            let origin = match source.conversation_id {
                Some(id) => conversations::get(conn, organization, id)?.ok_or_else(|| missing(id))?,
                None => empty(agent.id),
            };
            let shared = shared_messages(conn, organization, &source, how.until)?;
            let fork = Conversation {
                isolated_block_ids: memory::copies(conn, &actor, &origin.isolated_block_ids)?,
                model: origin.model,
                model_settings: origin.model_settings,
                context_window_limit: origin.context_window_limit,
                ..empty(agent.id)
            };
            begin(conn, &actor, &agent, &fork, how.hidden)?;
            histories::append(conn, &actor, &history_of(&fork), &shared)?;
            get(conn, organization, fork.id)
        };
        self.0.db().write(write).await
    }

    /// Renders the system message of a history anew and returns it; with `dry_run` nothing is stored. It shows the time
    /// at which it was made.
    ///
    /// # Errors
    /// 400 when the context is empty or does not begin with a system message; 404 when its row is gone.
    pub async fn recompile(&self, actor: &Actor, history: HistoryId, dry_run: bool) -> Result<String> {
        let Some(id) = history.conversation_id else {
            return self.0.agents().recompile(actor, history.agent_id, false, dry_run).await;
        };
        let organization = actor.organization_id;
        let compile = move |conn: &mut Conn| {
            let agent = find_agent(conn, organization, history.agent_id)?;
            let system = system_message(conn, organization, &history)?;
            Ok((system.id, prompt::compile_in(conn, organization, &agent, Some(id), system.created_at)?))
        };
        if dry_run {
            return self.0.db().read(move |conn| compile(conn).map(|(_, text)| text)).await;
        }
        let write = move |conn: &mut Conn| {
            conversations::lock(conn, organization, id)?.ok_or_else(|| missing(id))?;
            let (system, text) = compile(conn)?;
            messages::set_content(conn, organization, system, &[ContentPart::text(&text)])?;
            Ok(text)
        };
        self.0.db().write(write).await
    }

    /// A page of a history's messages. Those of a conversation come in the page's order; those of a default history as
    /// an agent's always do, from old to new.
    ///
    /// # Errors
    /// 404 for an unknown cursor, or when the history is gone.
    pub async fn messages(&self, actor: &Actor, history: HistoryId, query: MessageQuery) -> Result<Vec<WireMessage>> {
        let Some(id) = history.conversation_id else {
            let query = MessageQuery { history: History::Default, ..query };
            return self.0.messages().list_of_agent(actor, history.agent_id, query).await;
        };
        let organization = actor.organization_id;
        let read = move |conn: &mut Conn| {
            let group = query.group_id.as_deref();
            let mut rows = messages::of_conversation(conn, organization, id, group, &query.page)?;
            let newest_first = query.page.order == Order::Desc;
            if newest_first {
                rows.reverse();
            }
            // What is shown of a message depends on those before it, so they are read from old to new.
            let shown = to_wire_list(&rows, &query.config.wire_options(true));
            if !newest_first {
                return Ok(shown);
            }
            // The parts of one message stay in their order.
            let messages = shown.chunk_by(|one, next| one.base().id == next.base().id);
            Ok::<_, Error>(messages.rev().flatten().cloned().collect())
        };
        self.0.db().read(read).await
    }

    /// Takes in messages of a conversation that took place elsewhere, behind those that are there. No run is started.
    /// Returns the messages that were taken in.
    ///
    /// # Errors
    /// 422 for messages that cannot be taken in; 409 while a turn works on the history, or waits for an approval.
    pub async fn import(&self, actor: &Actor, history: HistoryId, request: ImportMessages) -> Result<Vec<WireMessage>> {
        let past = past::checked(request.messages).await?;
        let actor = *actor;
        let held = self.0.hold(history, PATIENCE).await?;
        let write = move |conn: &mut Conn| {
            let agent = find_agent(conn, actor.organization_id, history.agent_id)?;
            let stored = past::store(conn, &actor, &agent, &history, past)?;
            let config = crate::schema::RunRequestConfig::default();
            let in_text = message::speaks_in_text(agent.agent_type);
            Ok(to_wire_list(&stored, &config.wire_options(in_text)))
        };
        held.write(write).await
    }

    /// The configuration of the model that is asked in a conversation: none when it has neither a model nor a limit of
    /// its own, and the agent's is asked.
    ///
    /// # Errors
    /// 404 for a model that no provider has, 400 for settings that it does not have.
    pub async fn model_config(
        &self,
        actor: &Actor,
        agent: &AgentRow,
        conversation: &Conversation,
    ) -> Result<Option<LlmConfig>> {
        let window = conversation.context_window_limit.unwrap_or(agent.llm_config.context_window);
        let Some(handle) = &conversation.model else {
            let limited = LlmConfig { context_window: window, ..agent.llm_config.clone() };
            return Ok((limited != agent.llm_config).then_some(limited));
        };
        let info = self.0.models().resolve(actor, handle).await?;
        let settings = conversation.model_settings.as_ref();
        let mut config = model::config::of_conversation(&info, agent.agent_type, window, settings)?;
        config.parallel_tool_calls = config.parallel_tool_calls.or(agent.llm_config.parallel_tool_calls);
        Ok(Some(config))
    }
}

/// How a history is forked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fork {
    /// The last message that is shared; none for all that are in context.
    pub until: Option<MessageId>,
    /// Whether lists leave the fork out.
    pub hidden: bool,
}

fn check_window(limit: Option<i64>) -> Result<()> {
    match limit {
        Some(limit) if limit < 1 => Err(Error::Unprocessable(vec![FieldError::body(
            "context_window_limit",
            format!("context_window_limit is {limit}, but it must be at least 1."),
        )])),
        _ => Ok(()),
    }
}

fn missing(id: ConversationId) -> Error {
    Error::missing("Conversation", id)
}

fn in_use(id: ConversationId, run: Option<RunId>) -> Error {
    let run = run.map_or_else(|| "A request".to_owned(), |run| format!("The run {run}"));
    Error::Conflict(format!(
        "{run} is working on the conversation {id}. Delete the conversation when that has ended, or cancel it first \
         with POST /v1/conversations/{id}/cancel."
    ))
}

fn find_agent(conn: &mut Conn, organization: OrganizationId, id: AgentId) -> Result<AgentRow> {
    agents::get(conn, organization, id)?.ok_or_else(|| Error::missing("Agent", id))
}

/// The conversation with its context.
fn get(conn: &mut Conn, organization: OrganizationId, id: ConversationId) -> Result<Conversation> {
    let mut conversation = conversations::get(conn, organization, id)?.ok_or_else(|| missing(id))?;
    let context = histories::context(conn, organization, &history_of(&conversation))?;
    conversation.in_context_message_ids = context.unwrap_or_default();
    Ok(conversation)
}

/// A conversation about nothing yet.
fn empty(agent: AgentId) -> Conversation {
    Conversation {
        id: ConversationId::random(),
        agent_id: agent,
        summary: None,
        description: None,
        archived: false,
        archived_at: None,
        in_context_message_ids: Vec::new(),
        isolated_block_ids: Vec::new(),
        model: None,
        model_settings: None,
        context_window_limit: None,
        last_message_at: None,
        created_at: None,
        updated_at: None,
        created_by_id: None,
        last_updated_by_id: None,
    }
}

const fn history_of(conversation: &Conversation) -> HistoryId {
    HistoryId::of_conversation(conversation.agent_id, conversation.id)
}

/// Stores a conversation with its system message.
fn begin(conn: &mut Conn, actor: &Actor, agent: &AgentRow, conversation: &Conversation, hidden: bool) -> Result<()> {
    conversations::insert(conn, actor, conversation, hidden)?;
    let now = Timestamp::now();
    let text = prompt::compile_in(conn, actor.organization_id, agent, Some(conversation.id), now)?;
    let mut system = StoredMessage::new(agent.id, MessageRole::System, vec![ContentPart::text(text)]);
    system.conversation_id = Some(conversation.id);
    system.model = Some(agent.llm_config.model.clone());
    system.created_at = now;
    messages::insert(conn, actor, std::slice::from_ref(&system))?;
    Ok(histories::append(conn, actor, &history_of(conversation), &[system.id])?)
}

/// The messages in context that a fork shares: all until this one, but for the system message.
fn shared_messages(
    conn: &mut Conn,
    organization: OrganizationId,
    source: &HistoryId,
    until: Option<MessageId>,
) -> Result<Vec<MessageId>> {
    let mut context = histories::context(conn, organization, source)?.unwrap_or_default();
    if let Some(last) = until {
        let place = context.iter().position(|id| *id == last).ok_or_else(|| {
            Error::NotFound(format!("The message {last} is not in the context of the history that is to be forked."))
        })?;
        context.truncate(place + 1);
    }
    let Some(first) = context.first().copied() else { return Ok(context) };
    let is_system = |message: StoredMessage| message.role == MessageRole::System;
    if messages::get(conn, organization, first)?.is_some_and(is_system) {
        context.remove(0);
    }
    Ok(context)
}

/// The system message of a conversation.
fn system_message(conn: &mut Conn, organization: OrganizationId, history: &HistoryId) -> Result<StoredMessage> {
    let context = histories::context(conn, organization, history)?.unwrap_or_default();
    let first = context
        .first()
        .ok_or_else(|| Error::BadRequest("No in-context messages found for this conversation.".to_owned()))?;
    let message = messages::get(conn, organization, *first)?
        .ok_or_else(|| Error::NotFound(format!("No system message found: the message {first} is gone.")))?;
    if message.role == MessageRole::System {
        Ok(message)
    } else {
        Err(Error::BadRequest("Conversation does not have a system message in the first position.".to_owned()))
    }
}
