//! One step: a model call and what becomes of the answer.

use std::time::Instant;

use futures::StreamExt;
use muisti_llm::{Assembler, ChatAnswer, ChatEvent, FinishReason, Usage};
use muisti_orm::{
    histories,
    schema::{
        ContentPart, Envelope, FunctionToolCall, MessageId, MessageRole, OmittedReasoningContent, ReasoningContent,
        StepId, StepStatus, StopReason, StoredMessage, Timestamp, UsageStatistics,
    },
    steps,
};

use super::{
    asking::{chat_request, in_parallel},
    calls::{Called, UnderWay, used_tools},
    context,
    deltas::Deltas,
    draft::Draft,
    loaded::{ChatModel, Loaded},
    rules::Allowed,
    turn::{Commit, Halt, Turn, Turned, Work},
};
use crate::{Error, Result, prompt::time::local_time};

/// How often a context that is too long is cut before the step gives up, and what is left of the window each time, in
/// hundredths.
const CUTS: [i64; 3] = [70, 45, 20];
/// The part of the window, in hundredths, from which the context is cut before it overflows.
const FULL: i64 = 90;

/// A step that has begun.
pub(super) struct OpenStep {
    pub(super) id: StepId,
    began: Instant,
    began_at: Timestamp,
    model: StepModel,
}

/// What the step's row says about its model.
#[derive(Clone)]
struct StepModel {
    provider_name: String,
    provider_category: Option<String>,
    model: String,
    handle: Option<String>,
    endpoint: Option<String>,
    context_window: i64,
}

/// A whole answer, and how long it took.
struct Asked {
    answer: ChatAnswer,
    message_id: MessageId,
    times: steps::StepTimes,
}

impl OpenStep {
    pub(super) fn new(model: &ChatModel) -> Self {
        let config = &model.config;
        Self::with(StepModel {
            provider_name: config.model_endpoint_type.to_string(),
            provider_category: config.provider_category.map(|category| category.to_string()),
            model: config.model.clone(),
            handle: config.handle.clone(),
            endpoint: config.model_endpoint.clone(),
            context_window: config.context_window,
        })
    }

    fn with(model: StepModel) -> Self {
        Self { id: StepId::random(), began: Instant::now(), began_at: Timestamp::now(), model }
    }

    /// The step with this id, whose row is there already.
    pub(super) fn with_id(self, id: StepId) -> Self {
        Self { id, ..self }
    }

    /// The row with which the step begins.
    pub(super) fn row(&self, turn: &Turn, loaded: &Loaded) -> steps::NewStep {
        let model = self.model.clone();
        steps::NewStep {
            id: self.id,
            run_id: turn.run_id,
            agent_id: turn.history.agent_id,
            project_id: loaded.agent.project_id.clone(),
            provider_name: Some(model.provider_name),
            provider_category: model.provider_category,
            model: model.model,
            model_handle: model.handle,
            model_endpoint: model.endpoint,
            context_window_limit: model.context_window,
            request_id: None,
        }
    }
}

/// What a step has made, and why the turn stops with it, if it does.
struct Made {
    new: Vec<StoredMessage>,
    tools: Vec<String>,
    stop: Option<StopReason>,
}

impl Turn {
    /// Whether this round is the last one that the request allows.
    fn is_last(&self) -> bool {
        self.rounds >= self.request.max_steps
    }

    /// Asks the model, does what it wants, and stores both. Gives what is to be done next.
    pub(super) async fn ask_and_act(
        &mut self,
        step: OpenStep,
        loaded: &mut Loaded,
        model: &ChatModel,
    ) -> Turned<Work> {
        self.rounds += 1;
        let allowed = self.rules.allowed(&loaded.tool_names(&self.request));
        let asked = self.ask(&step, loaded, model, &allowed).await?;
        let Asked { mut answer, message_id, mut times } = asked;
        let usage = step_usage(answer.usage);
        add(&mut self.usage, &usage);
        if !in_parallel(loaded, model, &self.rules) {
            answer.tool_calls.truncate(1);
        }
        let out_of_tokens = answer.finish == Some(FinishReason::Length);
        let assistant = assistant_message(self, &step, message_id, answer, model);

        let waits = |call: &FunctionToolCall| self.waits_for_client(&call.function.name, &allowed);
        let made = if assistant.tool_calls.is_empty() {
            self.spoken(assistant, &step, loaded, out_of_tokens)
        } else if assistant.tool_calls.iter().any(waits) {
            let new = self.ask_client(assistant, &allowed);
            Made { new, tools: Vec::new(), stop: Some(StopReason::RequiresApproval) }
        } else {
            let started = Instant::now();
            let draft = Draft::of_answer(assistant, loaded.timezone());
            self.under_way = Some(UnderWay { step: Some(step.id), usage: Some(usage.clone()), draft });
            let called = self.carry_out(loaded, Some(&allowed)).await?;
            times.tool_execution_ns = elapsed(started);
            self.returned(called, loaded)
        };
        times.step_ns = elapsed(step.began);
        self.finish_round(made, Some((step.id, usage, times)), loaded, model).await
    }

    /// Carries out the calls under way: those that a client has let through, or those that another process has left.
    pub(super) async fn act(&mut self, loaded: &mut Loaded, model: &ChatModel) -> Turned<Work> {
        self.rounds += 1;
        let step = self.under_way.as_ref().and_then(|under_way| Some((under_way.step?, under_way.usage.clone()?)));
        if let Some((_, usage)) = &step {
            add(&mut self.usage, usage);
        }
        let called = self.carry_out(loaded, None).await?;
        let made = self.returned(called, loaded);
        let step = step.map(|(id, usage)| (id, usage, steps::StepTimes::default()));
        self.finish_round(made, step, loaded, model).await
    }

    /// Stores what a round has made, and begins the next one, if there is to be one.
    async fn finish_round(
        &mut self,
        made: Made,
        step: Option<(StepId, UsageStatistics, steps::StepTimes)>,
        loaded: &mut Loaded,
        model: &ChatModel,
    ) -> Turned<Work> {
        let Made { new, tools, stop } = made;
        let usage = step.as_ref().map(|(_, usage, _)| usage.clone());
        let end = |(id, usage, times)| {
            let end = steps::StepEnd {
                status: StepStatus::Success,
                stop_reason: stop,
                usage: Some(usage),
                error_type: None,
                error_data: None,
                times,
            };
            (id, end)
        };
        loaded.context.extend(new.iter().cloned());
        let following = stop.is_none().then(|| OpenStep::new(model));
        let next = following.as_ref().map(|next| next.row(self, loaded));
        let full = usage.is_some_and(|usage| usage.total_tokens > model.config.context_window * FULL / 100);
        let commit = Commit {
            step: step.map(end),
            new,
            tools,
            next,
            stop,
            hold_end: full,
            also_shown: Vec::new(),
        };
        self.commit(commit).await?;
        self.input = std::mem::take(&mut self.deferred);
        loaded.context.extend(self.input.iter().cloned());
        if full {
            self.make_room(loaded, model).await?;
            if let Some(stop) = stop {
                self.end(stop).await?;
            }
        }
        Ok(match (following, stop) {
            (Some(step), _) => Work::Ask(step),
            (None, stop) => Work::Stop(stop.unwrap_or(StopReason::EndTurn)),
        })
    }

    /// What calls that have returned mean for the turn.
    fn returned(&self, called: Called, loaded: &Loaded) -> Made {
        let Called { draft, ends, misruled } = called;
        // What must still be called goes before the end that a tool means, and a client that has decided on a call
        // waits for what the agent makes of that.
        let ends = ends
            && !draft.is_answered_by_client()
            && self.rules.still_required(&loaded.tool_names(&self.request)).is_empty();
        let stop = match (misruled, ends, self.is_last()) {
            (true, _, _) => Some(StopReason::InvalidToolCall),
            (_, true, _) => Some(StopReason::ToolRule),
            (_, _, true) => Some(StopReason::MaxSteps),
            _ => None,
        };
        let tools = used_tools(&draft, loaded);
        Made { new: draft.into_messages(), tools, stop }
    }

    /// An answer without tool calls ends the turn, unless a rule demands a call first: then the model is told so.
    fn spoken(&self, assistant: StoredMessage, step: &OpenStep, loaded: &Loaded, out_of_tokens: bool) -> Made {
        let names = loaded.tool_names(&self.request);
        let required = self.rules.still_required(&names);
        let reminder = (!required.is_empty()).then(|| reminder(self, step, loaded, &required));
        let stop = match (&reminder, self.is_last()) {
            (None, _) if out_of_tokens => Some(StopReason::MaxTokensExceeded),
            (None, _) => Some(StopReason::EndTurn),
            (Some(_), true) => Some(StopReason::MaxSteps),
            (Some(_), false) => None,
        };
        let said = (!assistant.content.is_empty()).then_some(assistant);
        Made { new: said.into_iter().chain(reminder).collect(), tools: Vec::new(), stop }
    }

    /// Asks the model, with a shorter context if this one is too long for it.
    async fn ask(
        &mut self,
        step: &OpenStep,
        loaded: &mut Loaded,
        model: &ChatModel,
        allowed: &Allowed,
    ) -> Turned<Asked> {
        let window = model.config.context_window;
        // Some local servers cut an overlong prompt at its beginning without a word, and the agent forgets who it is.
        if context::estimate_tokens(&loaded.context) > window {
            self.cut(loaded, window * FULL / 100).await?;
        }
        let mut cuts = CUTS.iter();
        loop {
            let active = std::sync::Arc::clone(&self.active);
            let asked = tokio::select! {
                biased;
                () = active.cancelled() => return Err(Halt::Cancelled),
                asked = self.call_model(step, loaded, model, allowed) => asked,
            };
            let overflow = match asked {
                Err(Error::Llm(error)) if error.is_context_overflow() => error,
                asked => return asked.map_err(Halt::Failed),
            };
            let cut = match cuts.next() {
                Some(percent) => self.cut(loaded, window * percent / 100).await?,
                None => false,
            };
            if !cut {
                return Err(Error::ContextWindowExceeded(format!(
                    "The messages do not fit into the model's context of {window} tokens, and there are none left that \
                     could be left out. Shorten the message, the memory blocks or the tools, or take a model with a \
                     larger context. {overflow}"
                ))
                .into());
            }
        }
    }

    async fn call_model(
        &mut self,
        step: &OpenStep,
        loaded: &Loaded,
        model: &ChatModel,
        allowed: &Allowed,
    ) -> Result<Asked> {
        let request = chat_request(loaded, model, &self.rules, allowed, &self.request);
        let message_id = MessageId::random();
        let waits = request.tools.iter().filter(|tool| self.waits_for_client(&tool.name, allowed));
        let waits = waits.map(|tool| tool.name.clone()).collect();
        let mut deltas = Deltas::new(message_id, step.id, self.run_id, !in_parallel(loaded, model, &self.rules), waits);
        let mut times = steps::StepTimes {
            step_start_ns: nanoseconds(step.began_at),
            llm_request_start_ns: nanoseconds(Timestamp::now()),
            ..Default::default()
        };
        let asked = Instant::now();
        let mut events = model.provider.chat(&request).await?;
        let mut assembler = Assembler::new();
        while let Some(event) = events.next().await {
            let event = without_nul(event?);
            self.sink.first_sign();
            assembler.push(&event);
            if self.sink.wants_tokens()
                && let Some(delta) = deltas.of(&event, &assembler)
            {
                self.sink.delta(delta);
            }
        }
        times.llm_request_ns = elapsed(asked);
        let answer = assembler.finish(model.provider.name())?;
        Ok(Asked { answer, message_id, times })
    }

    /// Cuts the context when a step has nearly filled the window. The model's own count is what is gone by.
    async fn make_room(&mut self, loaded: &mut Loaded, model: &ChatModel) -> Turned<()> {
        let window = model.config.context_window;
        let total = self.usage.context_tokens.unwrap_or(0);
        let estimate = context::estimate_tokens(&loaded.context);
        let target = window * CUTS.first().copied().unwrap_or(FULL) / 100;
        self.cut(loaded, estimate.saturating_mul(target) / total.max(1)).await?;
        Ok(())
    }

    /// Takes the oldest messages out of the context until it fits into `budget` tokens, as they are estimated. The
    /// input of this turn stays. Returns whether there was something to take out.
    async fn cut(&mut self, loaded: &mut Loaded, budget: i64) -> Turned<bool> {
        let evictable = loaded.context.len().saturating_sub(self.input.len() + 1);
        let count = context::messages_to_evict(&loaded.context, budget).min(evictable);
        if count == 0 {
            return Ok(false);
        }
        loaded.context.drain(1..=count);
        tracing::info!(run_id = %self.run_id, count, budget, "the oldest messages leave the context");
        let stored = loaded.context.len().saturating_sub(self.input.len());
        let ids: Vec<MessageId> = loaded.context.iter().take(stored).map(|message| message.id).collect();
        let (actor, history) = (self.actor, self.history);
        let replaced = self.services.db().write(move |conn| histories::replace(conn, &actor, &history, &ids));
        replaced.await.map_err(Error::from)?;
        Ok(true)
    }
}

/// The message that reminds the model of the tools it must still call.
fn reminder(turn: &Turn, step: &OpenStep, loaded: &Loaded, required: &[&str]) -> StoredMessage {
    let reason = format!(
        "[This is an automated system message hidden from the user] ToolRuleViolated: before you end your response you \
         must still call: {}.",
        required.join(", ")
    );
    let time = local_time(Timestamp::now(), loaded.agent.timezone.as_deref().unwrap_or("UTC"));
    let text = Envelope::Heartbeat { reason: &reason, time: &time }.to_text();
    let mut message = StoredMessage::new(turn.history.agent_id, MessageRole::User, vec![ContentPart::text(text)]);
    message.conversation_id = turn.history.conversation_id;
    message.step_id = Some(step.id);
    message.run_id = Some(turn.run_id);
    message
}

/// The model's answer as it is stored. Arguments that are no JSON would make later requests fail, so they are not kept
/// as the model wrote them.
fn assistant_message(
    turn: &Turn,
    step: &OpenStep,
    id: MessageId,
    answer: ChatAnswer,
    model: &ChatModel,
) -> StoredMessage {
    let mut content = Vec::new();
    if let Some(reasoning) = answer.reasoning {
        content.push(ContentPart::Reasoning(ReasoningContent { is_native: true, reasoning, signature: None }));
    } else if answer.reasoning_omitted {
        content.push(ContentPart::OmittedReasoning(OmittedReasoningContent { signature: None }));
    }
    content.extend(answer.text.map(ContentPart::text));
    let mut message = StoredMessage::new(turn.history.agent_id, MessageRole::Assistant, content);
    message.id = id;
    message.conversation_id = turn.history.conversation_id;
    message.model = Some(model.config.model.clone());
    message.step_id = Some(step.id);
    message.run_id = Some(turn.run_id);
    message.tool_calls =
        answer.tool_calls.into_iter().map(|call| FunctionToolCall::new(call.id, call.name, call.arguments)).collect();
    message
}

/// NUL characters are not stored, so nobody gets to see them.
fn without_nul(mut event: ChatEvent) -> ChatEvent {
    if let ChatEvent::Text(text) | ChatEvent::Reasoning(text) | ChatEvent::ToolCall { arguments: text, .. } = &mut event
        && text.contains('\0')
    {
        text.retain(|character| character != '\0');
    }
    event
}

pub(super) fn step_usage(usage: Option<Usage>) -> UsageStatistics {
    let usage = usage.unwrap_or_default();
    UsageStatistics {
        completion_tokens: usage.completion_tokens,
        prompt_tokens: usage.prompt_tokens,
        total_tokens: usage.total_tokens,
        step_count: 1,
        run_ids: None,
        cached_input_tokens: usage.cached_input_tokens,
        cache_write_tokens: usage.cache_write_tokens,
        reasoning_tokens: usage.reasoning_tokens,
        context_tokens: Some(usage.total_tokens),
    }
}

/// Adds the usage of a step to that of its turn. What no step reported stays unknown.
fn add(sum: &mut UsageStatistics, step: &UsageStatistics) {
    let known = |sum: &mut Option<i64>, step: Option<i64>| {
        if let Some(step) = step {
            *sum = Some(sum.unwrap_or(0) + step);
        }
    };
    sum.completion_tokens += step.completion_tokens;
    sum.prompt_tokens += step.prompt_tokens;
    sum.total_tokens += step.total_tokens;
    sum.step_count += 1;
    known(&mut sum.cached_input_tokens, step.cached_input_tokens);
    known(&mut sum.cache_write_tokens, step.cache_write_tokens);
    known(&mut sum.reasoning_tokens, step.reasoning_tokens);
    sum.context_tokens = step.context_tokens;
}

fn nanoseconds(time: Timestamp) -> Option<i64> {
    time.utc().timestamp_nanos_opt()
}

fn elapsed(since: Instant) -> Option<i64> {
    i64::try_from(since.elapsed().as_nanos()).ok()
}
