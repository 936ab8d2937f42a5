//! Making room in the model's window while a turn goes on: the compaction of its history.

use muisti_llm::ToolSpec;
use muisti_orm::{
    Conn, frames, histories, messages, runs,
    schema::{MessageRole, StepId, StoredMessage, StreamEvent, UsageStatistics, WireMessage},
    steps,
};

use super::{
    compaction::{CompactRequest, Compacted, Gauge, Trigger, can_shrink, compact, event, threshold},
    halt::{Halt, Turned},
    loaded::{ChatModel, Loaded},
    turn::Turn,
};
use crate::{Error, Result, prompt};

impl Turn {
    /// Whether a step with this usage has nearly filled the window. The model's own count is what is gone by, and an
    /// estimate where it gives none.
    pub(super) fn is_full(&self, usage: &UsageStatistics, loaded: &Loaded, model: &ChatModel) -> bool {
        let window = model.config.context_window;
        let tokens = match usage.total_tokens {
            0 => self.estimate(loaded, &self.all_offered(loaded)).unwrap_or_default(),
            tokens => tokens,
        };
        window > 0 && tokens > threshold(window)
    }

    /// Whether a question with these tools would not fit. The first estimate of a turn is on the high side, so it is
    /// compared with what the provider has said of the last answer in context before anything is left out for it.
    pub(super) async fn overflows(&mut self, loaded: &Loaded, model: &ChatModel, tools: &[ToolSpec]) -> Result<bool> {
        let gauge = self.gauge.get_or_insert_with(|| Gauge::of(model));
        let overflows = gauge.overflows(&loaded.context, tools);
        if gauge.is_confirmed() || !overflows {
            return Ok(overflows);
        }
        let Some((place, step)) = last_answer(&loaded.context) else { return Ok(true) };
        let organization = self.actor.organization_id;
        let step = self.services.db().read(move |conn: &mut Conn| steps::get(conn, organization, step)).await?;
        let same_model = step.filter(|step| step.model.as_ref() == Some(&model.config.model));
        if let (Some(tokens), Some(read)) =
            (same_model.and_then(|step| step.prompt_tokens), loaded.context.get(..place))
        {
            gauge.learn(read, tools, tokens);
        }
        Ok(gauge.overflows(&loaded.context, tools))
    }

    fn estimate(&self, loaded: &Loaded, tools: &[ToolSpec]) -> Option<i64> {
        self.gauge.as_ref().map(|gauge| gauge.tokens(&loaded.context, tools))
    }

    /// What the model may be told of all the agent's tools.
    fn all_offered(&self, loaded: &Loaded) -> Vec<ToolSpec> {
        let names: Vec<String> = loaded.tools.iter().map(|tool| tool.name.clone()).collect();
        loaded.offer(&names, &self.request)
    }

    /// Compacts the history after a step that has nearly filled the window. A history that cannot be made shorter is no
    /// reason to fail what has gone well.
    pub(super) async fn make_room(
        &mut self,
        step: Option<StepId>,
        loaded: &mut Loaded,
        model: &ChatModel,
    ) -> Turned<()> {
        match self.shorten_for(Trigger::PostStep, step, loaded, model, false).await {
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
        step: StepId,
        loaded: &mut Loaded,
        model: &ChatModel,
        attempt: usize,
    ) -> Turned<bool> {
        self.shorten_for(Trigger::Overflow, Some(step), loaded, model, attempt > 1).await
    }

    async fn shorten_for(
        &mut self,
        trigger: Trigger,
        step: Option<StepId>,
        loaded: &mut Loaded,
        model: &ChatModel,
        hard: bool,
    ) -> Turned<bool> {
        if !can_shrink(&loaded.context, self.input.len()) {
            return Ok(false);
        }
        let tools = self.all_offered(loaded);
        let said = self.usage.context_tokens.filter(|tokens| *tokens > 0 && trigger == Trigger::PostStep);
        let tokens = said.or_else(|| self.estimate(loaded, &tools));
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
            overrides: None,
            hard,
        };
        let compacted = tokio::select! {
            biased;
            halt = self.active.halted() => return Err(halt),
            compacted = compact(&self.services, &self.actor, &request) => compacted?,
        };
        let Some(mut compacted) = compacted else { return Ok(false) };
        let told = shown.then(|| compacted.shown());
        let system = self.store_shorter(&compacted, told, loaded).await?;
        if let (Some(first), Some(system)) = (compacted.context.first_mut(), system) {
            first.content = system.content;
        }
        self.usage.context_tokens = compacted.stats.context_tokens_after.or(self.usage.context_tokens);
        loaded.context = compacted.context;
        Ok(true)
    }

    /// Stores a summary with the new context, and brings the system message up to date, which is given.
    async fn store_shorter(
        &mut self,
        compacted: &Compacted,
        told: Option<WireMessage>,
        loaded: &Loaded,
    ) -> Turned<Option<StoredMessage>> {
        let staged = self.sink.stage(told.into_iter().map(StreamEvent::Message).collect());
        let (actor, history, rows) = (self.actor, self.history, staged.rows.clone());
        let (agent, summary) = (loaded.agent.clone(), compacted.summary.clone());
        // The input is not in the history yet.
        let mut ids = compacted.ids();
        ids.truncate(ids.len().saturating_sub(self.input.len()));
        let (run_id, node) = (self.run_id, self.services.node().clone());
        let system = self.services.db().write(move |conn| {
            let standing = runs::standing(conn, run_id, node.id())?;
            if standing != runs::Standing::Going {
                return Ok((standing, None));
            }
            messages::insert(conn, &actor, &[summary])?;
            histories::replace(conn, &actor, &history, &ids)?;
            prompt::rebuild_history(conn, actor.organization_id, &agent, &history)?;
            frames::append(conn, &rows)?;
            let Some(first) = ids.first() else { return Ok((standing, None)) };
            Ok::<_, Error>((standing, messages::get(conn, actor.organization_id, *first)?))
        });
        let (standing, system) = system.await?;
        Halt::check(standing, self.history.agent_id)?;
        self.anew = None;
        self.sink.publish(staged);
        Ok(system)
    }
}

/// The model's last answer in context, and its step, if all that the model read for it is still there.
fn last_answer(context: &[StoredMessage]) -> Option<(usize, StepId)> {
    let place = context.iter().rposition(|message| message.role == MessageRole::Assistant)?;
    let answer = context.get(place)?;
    let is_newer =
        |message: &StoredMessage| message.role == MessageRole::Summary && message.created_at > answer.created_at;
    (!context.iter().any(is_newer)).then_some((place, answer.step_id?))
}
