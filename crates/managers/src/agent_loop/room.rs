//! Making room in the model's window while a turn goes on: the compaction of its history.
//!
//! What is left out after a step is stored at once. What is left out for a question is stored with the step that comes
//! of it, so a question that fails leaves the conversation as it was.

use muisti_llm::{LlmError, LlmErrorKind, TokenCounter, ToolSpec, Usage};
use muisti_orm::{
    Conn, agents, frames,
    histories::{self, HistoryId},
    messages, runs,
    schema::{
        ContentPart, MessageId, MessageRole, StepId, StoredMessage, StreamEvent, Timestamp, UsageStatistics,
        WireMessage,
    },
    steps,
};

use super::{
    asking::system_text,
    compaction::{
        CompactRequest, Compacted, Gauge, Load, Trigger, can_shrink, compact, event, is_worth_while, threshold,
    },
    halt::{Halt, Turned},
    loaded::{ChatModel, Loaded},
    turn::Turn,
};
use crate::{Actor, Error, Result, prompt};

/// What stays in context when something leaves it, before what is added.
#[derive(Debug, Clone)]
pub(super) struct NewContext {
    kept: Vec<MessageId>,
    /// The summary among it that is not stored yet.
    summary: Option<StoredMessage>,
    /// What clients see of that.
    told: Option<WireMessage>,
    /// Whether the system message is brought up to date.
    freshens: bool,
}

impl NewContext {
    /// Nothing but the system message.
    pub(super) fn of_system(id: MessageId) -> Self {
        Self { kept: vec![id], summary: None, told: None, freshens: false }
    }

    /// What clients see of it.
    pub(super) fn told(&self) -> Option<StreamEvent> {
        self.told.clone().map(StreamEvent::Message)
    }

    /// Makes it the context, with these messages behind it, which are stored. The first `input` of them were said before
    /// something left, so they are listed before the summary.
    pub(super) fn store(
        &self,
        conn: &mut Conn,
        actor: &Actor,
        history: &HistoryId,
        stored: &[StoredMessage],
        input: usize,
    ) -> muisti_orm::Result<()> {
        let (before, behind) = stored.split_at_checked(input).unwrap_or((stored, &[]));
        let listed: Vec<StoredMessage> = before.iter().chain(&self.summary).chain(behind).cloned().collect();
        messages::insert(conn, actor, &listed)?;
        if self.summary.is_some() {
            histories::append_unseen(conn, history, &ids_of(&listed))?;
        }
        let context: Vec<MessageId> = self.kept.iter().copied().chain(ids_of(stored)).collect();
        histories::replace(conn, actor, history, &context)?;
        if self.freshens
            && let Some(agent) = agents::get(conn, actor.organization_id, history.agent_id)?
        {
            prompt::rebuild_history(conn, actor.organization_id, &agent, history)?;
        }
        Ok(())
    }
}

fn ids_of(messages: &[StoredMessage]) -> Vec<MessageId> {
    messages.iter().map(|message| message.id).collect()
}

/// The tokens of a call that stay in context. What the model thought before it answered does not, whether the provider
/// says how much that was or not.
pub(super) fn tokens_that_stay(usage: &Usage, reasoning: Option<&str>) -> i64 {
    let thought = usage.reasoning_tokens.filter(|tokens| *tokens > 0);
    let thought = thought.unwrap_or_else(|| TokenCounter::Estimate.count(reasoning.unwrap_or_default()));
    (usage.total_tokens - thought).max(usage.prompt_tokens).min(usage.total_tokens)
}

impl Turn {
    /// Whether a step with this usage has nearly filled the window. The model's own count is what is gone by, and an
    /// estimate where it gives none.
    pub(super) fn is_full(&self, usage: &UsageStatistics, loaded: &Loaded, model: &ChatModel) -> bool {
        let window = model.config.context_window;
        let told = usage.context_tokens.filter(|tokens| *tokens > 0);
        let tokens = told.or_else(|| self.estimate(loaded, &self.all_offered(loaded))).unwrap_or_default();
        window > 0 && tokens > threshold(window)
    }

    /// Whether a question with these tools would not fit. The first estimate of a turn is on the high side, so it is
    /// compared with what the provider has said of the last answer in context before anything is left out for it.
    pub(super) async fn overflows(&mut self, loaded: &Loaded, model: &ChatModel, tools: &[ToolSpec]) -> Result<bool> {
        let system = system_text(loaded, &self.request);
        let load = Load { context: &loaded.context, system: system.as_deref(), tools };
        let gauge = self.gauge.get_or_insert_with(|| Gauge::of(model));
        let overflows = gauge.overflows(load);
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
            gauge.learn(Load { context: read, ..load }, tokens);
        }
        Ok(gauge.overflows(load))
    }

    fn estimate(&self, loaded: &Loaded, tools: &[ToolSpec]) -> Option<i64> {
        let system = system_text(loaded, &self.request);
        let load = Load { context: &loaded.context, system: system.as_deref(), tools };
        self.gauge.as_ref().map(|gauge| gauge.tokens(load))
    }

    /// What the model may be told of all the agent's tools.
    fn all_offered(&self, loaded: &Loaded) -> Vec<ToolSpec> {
        let names: Vec<String> = loaded.tools.iter().map(|tool| tool.name.clone()).collect();
        loaded.offer(&names, &self.request)
    }

    /// Whether a provider that refuses a question without a reason that is known may mean its length.
    pub(super) fn may_be_too_long(&self, error: &LlmError, loaded: &Loaded) -> bool {
        let unexplained = matches!(error.kind, LlmErrorKind::BadRequest | LlmErrorKind::Unprocessable)
            && matches!(error.status, Some(400 | 422));
        if !unexplained || !can_shrink(&loaded.context, self.input.len()) {
            return false;
        }
        let system = system_text(loaded, &self.request);
        let tools = self.all_offered(loaded);
        let load = Load { context: &loaded.context, system: system.as_deref(), tools: &tools };
        self.gauge.as_ref().is_some_and(|gauge| gauge.is_large(load))
    }

    /// The error when nothing is left that could be left out.
    pub(super) fn does_not_fit(&self, loaded: &Loaded, model: &ChatModel, overflow: &LlmError) -> Error {
        let window = model.config.context_window;
        let system = system_text(loaded, &self.request);
        let load = Load { context: &loaded.context, system: system.as_deref(), tools: &[] };
        let tokens = self.gauge.as_ref().map_or(0, |gauge| gauge.of_system(load));
        if window > 0 && tokens >= window {
            return Error::SystemPromptTooLarge { tokens, window };
        }
        Error::ContextWindowExceeded(format!(
            "The messages do not fit into the model's context of {window} tokens, and there are none left that could \
             be left out. Shorten the message, the memory blocks or the tools, or take a model with a larger context. \
             {overflow}"
        ))
    }

    /// Compacts the history after a step that has nearly filled the window. A history that cannot be made shorter is no
    /// reason to fail what has gone well.
    pub(super) async fn make_room(
        &mut self,
        step: Option<StepId>,
        loaded: &mut Loaded,
        model: &ChatModel,
    ) -> Turned<()> {
        match self.make_room_at_once(step, loaded, model).await {
            Err(Halt::Failed(error)) => {
                tracing::warn!(run_id = %self.run_id, %error, "a full history could not be compacted");
                Ok(())
            }
            done => done,
        }
    }

    async fn make_room_at_once(&mut self, step: Option<StepId>, loaded: &mut Loaded, model: &ChatModel) -> Turned<()> {
        let Some(mut compacted) = self.compact(Trigger::PostStep, step, loaded, model).await? else { return Ok(()) };
        let new = self.new_context(&compacted);
        let staged = self.sink.stage(new.told().into_iter().collect());
        let (actor, history, rows) = (self.actor, self.history, staged.rows.clone());
        let (run_id, node) = (self.run_id, self.services.node().clone());
        let system = loaded.context.first().map(|first| first.id);
        let stored = self.services.db().write(move |conn| {
            let standing = runs::standing(conn, run_id, node.id())?;
            if standing != runs::Standing::Going {
                return Ok((standing, None));
            }
            new.store(conn, &actor, &history, &[], 0)?;
            frames::append(conn, &rows)?;
            let Some(system) = system else { return Ok((standing, None)) };
            Ok::<_, Error>((standing, messages::get(conn, actor.organization_id, system)?))
        });
        let (standing, system) = stored.await?;
        Halt::check(standing, self.history.agent_id)?;
        self.sink.publish(staged);
        if let (Some(first), Some(system)) = (compacted.context.first_mut(), system) {
            first.content = system.content;
        }
        self.usage.context_tokens = compacted.stats.context_tokens_after.or(self.usage.context_tokens);
        loaded.context = compacted.context;
        Ok(())
    }

    /// Makes the context shorter for a question that does not fit. An up-to-date system message may be enough for that;
    /// else the history is compacted, and where a summary was not enough, nothing stays but another and the input.
    /// Returns whether there is another question to ask now.
    pub(super) async fn shorten(
        &mut self,
        trigger: Trigger,
        step: StepId,
        loaded: &mut Loaded,
        model: &ChatModel,
    ) -> Turned<bool> {
        if self.freshen(loaded, model).await? {
            let tools = self.all_offered(loaded);
            if trigger == Trigger::Overflow || !self.overflows(loaded, model, &tools).await? {
                return Ok(true);
            }
        }
        let Some(compacted) = self.compact(trigger, Some(step), loaded, model).await? else { return Ok(false) };
        self.anew = Some(self.new_context(&compacted));
        loaded.context = compacted.context;
        Ok(true)
    }

    /// Brings the system message up to date: it may show what has long been shortened. Returns whether that helps.
    async fn freshen(&mut self, loaded: &mut Loaded, model: &ChatModel) -> Turned<bool> {
        if self.request.override_system.is_some() {
            return Ok(false);
        }
        let (organization, history, agent) = (self.actor.organization_id, self.history, loaded.agent.clone());
        let text = self.services.db().read(move |conn| {
            prompt::compile_in(conn, organization, &agent, history.conversation_id, Timestamp::now())
        });
        let text = text.await?;
        let mut kept = ids_of(&loaded.context);
        let Some(first) = loaded.context.first_mut().filter(|first| first.role == MessageRole::System) else {
            return Ok(false);
        };
        let before = first.text();
        if prompt::same_but_time(&before, &text) {
            return Ok(false);
        }
        let count = |text: &str| TokenCounter::Estimate.count(text);
        let saved = count(&before) - count(&text);
        first.content = vec![ContentPart::text(text)];
        // The input is not in the history yet.
        kept.truncate(kept.len().saturating_sub(self.input.len()));
        let new = NewContext { kept, summary: None, told: None, freshens: true };
        self.anew = Some(self.anew.take().map_or(new, |anew| NewContext { freshens: true, ..anew }));
        Ok(saved > model.config.context_window / 100)
    }

    fn new_context(&self, compacted: &Compacted) -> NewContext {
        let mut kept = compacted.ids();
        // The input is not in the history yet.
        kept.truncate(kept.len().saturating_sub(self.input.len()));
        let told = self.request.include_compaction_messages.then(|| compacted.shown());
        NewContext { kept, summary: Some(compacted.summary.clone()), told, freshens: true }
    }

    /// Has a summary written, unless that would not help.
    async fn compact(
        &mut self,
        trigger: Trigger,
        step: Option<StepId>,
        loaded: &Loaded,
        model: &ChatModel,
    ) -> Turned<Option<Compacted>> {
        let tools = self.all_offered(loaded);
        let told = self.usage.context_tokens.filter(|tokens| *tokens > 0 && trigger == Trigger::PostStep);
        let tokens = told.or_else(|| self.estimate(loaded, &tools));
        // A summary that is not stored is of this question, and was not enough.
        let again = self.anew.as_ref().is_some_and(|anew| anew.summary.is_some());
        let system = system_text(loaded, &self.request).map(std::borrow::Cow::into_owned);
        let request = CompactRequest {
            history: self.history,
            agent: &loaded.agent,
            run: Some(self.run_id),
            step,
            context: &loaded.context,
            protected: self.input.len(),
            system: system.as_deref(),
            model,
            tools: &tools,
            trigger,
            tokens_before: tokens,
            overrides: None,
            hard: again,
        };
        if !is_worth_while(&request)? {
            return Ok(None);
        }
        if self.request.include_compaction_messages && !again {
            let event = event(trigger, tokens, model.config.context_window, Some(self.run_id), step);
            self.show(vec![StreamEvent::Message(event)]).await?;
        }
        tokio::select! {
            biased;
            halt = self.active.halted() => Err(halt),
            compacted = compact(&self.services, &self.actor, &request) => Ok(compacted?),
        }
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
