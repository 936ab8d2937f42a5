//! Making room in the model's window while a turn goes on: the compaction of its history.

use muisti_orm::{
    frames, histories, messages,
    schema::{CompactionMode, CompactionSettingsInput, MessageId, StepId, StreamEvent, UsageStatistics, WireMessage},
};

use super::{
    compaction::{CompactRequest, Trigger, compact, event, threshold},
    loaded::{ChatModel, Loaded},
    turn::{Halt, Turn, Turned},
};
use crate::{Error, prompt};

impl Turn {
    /// Whether a step with this usage has nearly filled the window. The model's own count is what is gone by.
    pub(super) const fn is_full(&self, usage: &UsageStatistics, model: &ChatModel) -> bool {
        let window = model.config.context_window;
        window > 0 && usage.total_tokens > threshold(window)
    }

    /// Compacts the history after a step that has nearly filled the window. A history that cannot be made shorter is no
    /// reason to fail what has gone well.
    pub(super) async fn make_room(
        &mut self,
        step: Option<StepId>,
        loaded: &mut Loaded,
        model: &ChatModel,
    ) -> Turned<()> {
        match self.shorten_for(Trigger::PostStep, step, loaded, model, None).await {
            Err(Halt::Failed(error)) => {
                tracing::warn!(run_id = %self.run_id, %error, "a full history could not be compacted");
                Ok(())
            }
            done => done.map(drop),
        }
    }

    /// Compacts the history for a question that does not fit. From the second attempt on nothing of it stays but a
    /// summary and the input. Returns whether there was something to leave out.
    pub(super) async fn shorten(
        &mut self,
        trigger: Trigger,
        step: StepId,
        loaded: &mut Loaded,
        model: &ChatModel,
        attempt: usize,
    ) -> Turned<bool> {
        let all = CompactionSettingsInput { mode: Some(CompactionMode::All), ..Default::default() };
        let overrides = (attempt > 1).then_some(&all);
        self.shorten_for(trigger, Some(step), loaded, model, overrides).await
    }

    async fn shorten_for(
        &mut self,
        trigger: Trigger,
        step: Option<StepId>,
        loaded: &mut Loaded,
        model: &ChatModel,
        overrides: Option<&CompactionSettingsInput>,
    ) -> Turned<bool> {
        let names: Vec<String> = loaded.tools.iter().map(|tool| tool.name.clone()).collect();
        let tools = loaded.offer(&names, &self.request);
        let tokens = match trigger {
            Trigger::PostStep => self.usage.context_tokens,
            _ => self.gauge.as_ref().map(|gauge| gauge.tokens(&loaded.context, &tools)),
        };
        let shown = self.request.include_compaction_messages;
        if shown {
            let window = model.config.context_window;
            let event = event(trigger, tokens, window, Some(self.run_id), step);
            self.show(vec![StreamEvent::Message(event)]).await?;
        }
        let request = CompactRequest {
            history: self.history,
            agent: &loaded.agent,
            run: Some(self.run_id),
            step,
            context: &loaded.context,
            protected: self.input.len(),
            model,
            tools: &tools,
            trigger,
            tokens_before: tokens,
            overrides,
        };
        let compacted = tokio::select! {
            biased;
            () = self.active.cancelled() => return Err(Halt::Cancelled),
            compacted = compact(&self.services, &self.actor, &request) => compacted?,
        };
        let Some(mut compacted) = compacted else { return Ok(false) };
        let (evicted, way) = (compacted.evicted.len(), compacted.way);
        tracing::info!(run_id = %self.run_id, trigger = trigger.as_str(), evicted, ?way, "the history is compacted");
        compacted.summary.run_id = Some(self.run_id);
        compacted.summary.step_id = step;
        let summary = shown.then(|| compacted.shown());
        // The input is not in the history yet.
        let stored = compacted.context.len().saturating_sub(self.input.len());
        let ids: Vec<MessageId> = compacted.context.iter().take(stored).map(|message| message.id).collect();
        self.usage.context_tokens = compacted.stats.context_tokens_after.or(self.usage.context_tokens);
        let row = compacted.summary.clone();
        loaded.context = compacted.context;
        self.store_shorter(row, ids, summary, loaded).await?;
        Ok(true)
    }

    /// Stores a summary with the new context, and brings the system message up to date.
    async fn store_shorter(
        &mut self,
        summary: muisti_orm::schema::StoredMessage,
        ids: Vec<MessageId>,
        shown: Option<WireMessage>,
        loaded: &mut Loaded,
    ) -> Turned<()> {
        let staged = self.sink.stage(shown.into_iter().map(StreamEvent::Message).collect());
        let (actor, history, rows) = (self.actor, self.history, staged.rows.clone());
        let agent = loaded.agent.clone();
        let system = self.services.db().write(move |conn| {
            messages::insert(conn, &actor, &[summary])?;
            histories::replace(conn, &actor, &history, &ids)?;
            match history.conversation_id {
                None => prompt::rebuild(conn, actor.organization_id, &[agent.id])?,
                Some(conversation) => {
                    prompt::rebuild_conversation(conn, actor.organization_id, &agent, conversation)?;
                }
            }
            frames::append(conn, &rows)?;
            let Some(first) = ids.first() else { return Ok(None) };
            messages::get(conn, actor.organization_id, *first).map_err(Error::from)
        });
        let system = system.await?;
        if let (Some(first), Some(system)) = (loaded.context.first_mut(), system) {
            first.content = system.content;
        }
        self.sink.publish(staged);
        Ok(())
    }
}
