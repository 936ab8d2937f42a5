//! Compaction because somebody asks for it.

use muisti_llm::ToolSpec;
use muisti_orm::{
    Conn,
    agents::{self, AgentRow},
    conversations,
    histories::{self, HistoryId},
    messages,
    schema::{
        CompactionResponse, CompactionSettingsInput, ContentPart, MessageId, MessageRole, StoredMessage, Timestamp,
    },
    tools,
};

use super::{
    super::{
        AgentLoop,
        hold::PATIENCE,
        loaded::{ChatModel, Loaded},
    },
    CompactRequest, Compacted, Trigger, compact, number,
    plan::Ground,
    summary,
};
use crate::{Actor, Error, Result, model, prompt};

/// What a refusal begins with where there would be as many messages as before. Clients know it.
const NOT_FEWER: &str = "Summarization failed to reduce the number of messages.";

impl AgentLoop {
    /// Summarises the older messages of a history, which then leave its context. `overrides` go over the agent's own
    /// settings, this time only.
    ///
    /// Where nothing but a summary is in context already, that is the answer. If no model can write one, nothing
    /// changes.
    ///
    /// # Errors
    /// 404 for an unknown agent or conversation, 400 where there would be as many messages as before, 409 while a turn
    /// works on the history for long or when this is broken off, and what the model provider failed with.
    pub async fn compact(
        &self,
        actor: &Actor,
        history: HistoryId,
        overrides: Option<CompactionSettingsInput>,
    ) -> Result<CompactionResponse> {
        let services = &self.services;
        let actor = *actor;
        model::compaction::check(overrides.as_ref())?;
        // Nobody waits for a history that is not there.
        services.db().read(move |conn| context_ids(conn, &actor, &history).map(drop)).await?;
        let held = services.hold(history, PATIENCE).await?;
        match held.unless_broken_off(self.made(&actor, history, overrides.as_ref())).await {
            Ok(Made { answer, compacted: Some((compacted, agent)) }) => {
                let write = move |conn: &mut Conn| {
                    compacted.store(conn, &actor, &history)?;
                    Ok(prompt::rebuild_history(conn, actor.organization_id, &agent, &history)?)
                };
                held.write(write).await?;
                Ok(answer)
            }
            done => {
                held.give_back().await;
                Ok(done?.answer)
            }
        }
    }

    /// The compaction of a history that nobody else works on. Nothing of it is stored.
    async fn made(
        &self,
        actor: &Actor,
        history: HistoryId,
        overrides: Option<&CompactionSettingsInput>,
    ) -> Result<Made> {
        let services = &self.services;
        let actor = *actor;
        let loaded = services.db().read(move |conn| read(conn, &actor, &history)).await?;
        let context = &loaded.context;
        if let Some(answer) = nothing_to_compact(context, &history)? {
            return Ok(Made { answer, compacted: None });
        }
        let chat = ChatModel::for_turn(services, &actor, &loaded, None).await?;
        let names: Vec<String> = loaded.tools.iter().map(|tool| tool.name.clone()).collect();
        let tools: Vec<ToolSpec> = loaded.tool_specs(&names);
        let request = CompactRequest {
            history,
            agent: &loaded.agent,
            run: None,
            step: None,
            context,
            protected: 0,
            system: None,
            model: &chat,
            tools: &tools,
            trigger: Trigger::Manual,
            tokens_before: None,
            overrides,
            hard: false,
        };
        let compacted = compact(services, &actor, &request).await?.ok_or_else(|| not_fewer(context.len()))?;
        let (before, after) = (context.len(), compacted.context.len());
        if after >= before {
            return Err(not_fewer(before));
        }
        let answer = CompactionResponse {
            summary: compacted.text.clone(),
            num_messages_before: number(before),
            num_messages_after: number(after),
        };
        Ok(Made { answer, compacted: Some((compacted, loaded.agent)) })
    }
}

/// What is answered, and what is to be stored with it.
struct Made {
    answer: CompactionResponse,
    compacted: Option<(Compacted, AgentRow)>,
}

fn context_ids(conn: &mut Conn, actor: &Actor, history: &HistoryId) -> Result<Vec<MessageId>> {
    let ids = histories::context(conn, actor.organization_id, history)?;
    ids.ok_or_else(|| match history.conversation_id {
        Some(conversation) => Error::missing("Conversation", conversation),
        None => Error::missing("Agent", history.agent_id),
    })
}

fn read(conn: &mut Conn, actor: &Actor, history: &HistoryId) -> Result<Loaded> {
    let organization = actor.organization_id;
    let ids = context_ids(conn, actor, history)?;
    let agent = agents::get(conn, organization, history.agent_id)?;
    let agent = agent.ok_or_else(|| Error::missing("Agent", history.agent_id))?;
    let mut context = messages::by_ids(conn, organization, &ids)?;
    // As it will be stored: it may show what has long been shortened.
    if let Some(first) = context.first_mut().filter(|first| first.role == MessageRole::System) {
        let text = prompt::compile_in(conn, organization, &agent, history.conversation_id, Timestamp::now())?;
        first.content = vec![ContentPart::text(text)];
    }
    let conversation = match history.conversation_id {
        Some(conversation) => conversations::for_turn(conn, organization, conversation)?,
        None => None,
    };
    Ok(Loaded { agent, tools: tools::attached_to(conn, history.agent_id)?, skills: Vec::new(), context, conversation })
}

/// The answer where no message could leave, without asking a model.
fn nothing_to_compact(context: &[StoredMessage], history: &HistoryId) -> Result<Option<CompactionResponse>> {
    if context.is_empty() {
        return Err(Error::BadRequest("No in-context messages found for this conversation.".to_owned()));
    }
    let said = |message: &StoredMessage| !matches!(message.role, MessageRole::System | MessageRole::Summary);
    if context.iter().any(said) {
        let ground = Ground::new(context, 0);
        let movable = ground.cut_all().map_or(0, |cut| cut - ground.head());
        return if movable > 1 { Ok(None) } else { Err(not_fewer(context.len())) };
    }
    let existing = context.iter().rev().find(|message| message.role == MessageRole::Summary);
    if existing.is_none() && history.conversation_id.is_some() {
        return Err(not_fewer(context.len()));
    }
    let count = number(context.len());
    Ok(Some(CompactionResponse {
        summary: existing.map(summary::text_of).unwrap_or_default(),
        num_messages_before: count,
        num_messages_after: count,
    }))
}

fn not_fewer(count: usize) -> Error {
    Error::BadRequest(format!(
        "{NOT_FEWER} There are {count} in context, and what could leave is no more than the summary that would take its \
         place. Nothing has changed."
    ))
}
