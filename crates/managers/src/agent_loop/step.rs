//! One step: the model is asked, and what it wants is done.

use std::time::Instant;

use muisti_llm::{ChatAnswer, FinishReason, Said, Usage, json::tool_arguments};
use muisti_orm::{
    schema::{
        ContentPart, FunctionToolCall, MessageId, MessageRole, OmittedReasoningContent, ReasoningContent, StepId,
        StepStatus, StopReason, StoredMessage, Timestamp, UsageStatistics,
    },
    steps,
};
use serde_json::Value;

use super::{
    ask::{Asked, nanoseconds},
    asking::in_parallel,
    calls::{Called, UnderWay, used_tools},
    draft::Draft,
    halt::Turned,
    loaded::{ChatModel, Loaded},
    request::TurnRequest,
    room::tokens_that_stay,
    style::{Next, Style, heartbeat, must_still_call},
    turn::{Commit, Turn, Work},
};
use crate::{Error, trace::trace_id};

/// A step that has begun.
pub(super) struct OpenStep {
    pub(super) id: StepId,
    pub(super) began: Instant,
    pub(super) began_at: Timestamp,
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

impl OpenStep {
    pub(super) fn new(model: &ChatModel) -> Self {
        let config = &model.config;
        let model = StepModel {
            provider_name: config.model_endpoint_type.to_string(),
            provider_category: config.provider_category.map(|category| category.to_string()),
            model: config.model.clone(),
            handle: config.handle.clone(),
            endpoint: config.model_endpoint.clone(),
            context_window: config.context_window,
        };
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
            request_id: turn.request.request_id.clone(),
            trace_id: Some(trace_id(turn.run_id)),
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
    pub(super) async fn ask_and_act(&mut self, step: OpenStep, loaded: &mut Loaded, model: &ChatModel) -> Turned<Work> {
        self.rounds += 1;
        self.times.step_start_ns = nanoseconds(step.began_at);
        let style = Style::of(loaded.agent.agent_type, &model.config);
        let allowed = self.rules.allowed(&loaded.tool_names(&self.request));
        let Asked { mut answer, message_id } = self.ask(&step, loaded, model, &allowed).await?;
        let has_tools = !loaded.offer(&allowed.tools, &self.request).is_empty();
        style.check(&answer, has_tools, model.provider.name()).map_err(Error::from)?;
        let usage = step_usage(answer.usage, answer.reasoning.as_deref());
        add(&mut self.usage, &usage);
        self.logprobs = answer.logprobs.take().or(self.logprobs.take());
        if !in_parallel(loaded, model, &self.rules) {
            answer.tool_calls.truncate(1);
        }
        self.held_back = answer.finish == Some(FinishReason::ContentFilter);
        let out_of_tokens = answer.finish == Some(FinishReason::Length);
        let wakes = take_what_is_for_the_server(style, &mut answer, loaded, &self.request);
        let mut assistant = assistant_message(self, &step, message_id, answer, model);
        let misruled = self.set_in(&mut assistant, wakes, loaded, &allowed);

        let waits = |call: &FunctionToolCall| self.waits_for_client(&call.function.name, &allowed);
        let made = if assistant.tool_calls.is_empty() {
            self.spoken(assistant, loaded, out_of_tokens)
        } else if let Some(called) = misruled {
            self.returned(called, style, loaded)
        } else if assistant.tool_calls.iter().any(waits) {
            let new = self.ask_client(assistant, &allowed);
            Made { new, tools: Vec::new(), stop: Some(StopReason::RequiresApproval) }
        } else {
            let started = Instant::now();
            let draft = Draft::of_answer(assistant, loaded.timezone());
            let input = self.rewritten.then(|| self.input.clone());
            self.under_way = Some(UnderWay { step: Some(step.id), usage: Some(usage.clone()), wakes, input, draft });
            let called = self.carry_out(loaded, Some(&allowed)).await;
            self.times.tool_execution_ns = elapsed(started);
            self.returned(called?, style, loaded)
        };
        self.times.step_ns = elapsed(step.began);
        self.finish_round(made, Some((step.id, usage)), loaded, model).await
    }

    /// Carries out the calls under way: those that a client has let through, or those that another process has left.
    pub(super) async fn act(&mut self, loaded: &mut Loaded, model: &ChatModel) -> Turned<Work> {
        self.rounds += 1;
        let style = Style::of(loaded.agent.agent_type, &model.config);
        let step = self.under_way.as_ref().and_then(|under_way| Some((under_way.step?, under_way.usage.clone()?)));
        if let Some((_, usage)) = &step {
            add(&mut self.usage, usage);
        }
        let called = self.carry_out(loaded, None).await?;
        let made = self.returned(called, style, loaded);
        self.finish_round(made, step, loaded, model).await
    }

    /// Stores what a round has made, and begins the next one, if there is to be one.
    async fn finish_round(
        &mut self,
        made: Made,
        step: Option<(StepId, UsageStatistics)>,
        loaded: &mut Loaded,
        model: &ChatModel,
    ) -> Turned<Work> {
        let Made { mut new, tools, stop } = made;
        let step_id = step.as_ref().map(|(id, ..)| *id);
        for message in new.iter_mut().filter(|message| message.step_id.is_none()) {
            message.step_id = step_id;
        }
        loaded.context.extend(new.iter().cloned());
        let following = stop.is_none().then(|| OpenStep::new(model));
        let next = following.as_ref().map(|next| next.row(self, loaded));
        let full = step.as_ref().is_some_and(|(_, usage)| self.is_full(usage, loaded, model));
        let times = self.times;
        let end = |(id, usage)| {
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
        let step = step.map(end);
        self.commit(Commit { step, new, tools, next, stop, hold_end: full, also_shown: Vec::new() }).await?;
        self.input = std::mem::take(&mut self.deferred);
        loaded.context.extend(self.input.iter().cloned());
        if full {
            self.make_room(step_id, loaded, model).await?;
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
    fn returned(&self, called: Called, style: Style, loaded: &Loaded) -> Made {
        let names = loaded.tool_names(&self.request);
        let required = self.rules.still_required(&names);
        let next = if called.draft.is_answered_by_client() && !self.is_last() {
            // A client that has decided on a call waits for what the agent makes of that.
            Next::Continue(None)
        } else {
            style.next(&called.facts(&self.rules, self.is_last(), &required))
        };
        let Called { mut draft, misruled, .. } = called;
        let (stop, reason) = match next {
            _ if misruled => (Some(StopReason::InvalidToolCall), None),
            Next::Stop(stop) => (Some(stop), None),
            Next::Continue(reason) => (None, reason.filter(|_| style.one_call_only())),
        };
        draft.note_whether_it_goes_on(style, stop.is_none());
        let tools = used_tools(&draft, loaded);
        let mut new = draft.into_messages();
        new.extend(reason.map(|reason| self.in_the_user_s_place(&reason, loaded)));
        Made { new, tools, stop }
    }

    /// An answer without tool calls ends the turn, unless a rule demands a call first: then the model is told so.
    fn spoken(&self, assistant: StoredMessage, loaded: &Loaded, out_of_tokens: bool) -> Made {
        let names = loaded.tool_names(&self.request);
        let required = self.rules.still_required(&names);
        let reminder = (!required.is_empty()).then(|| self.in_the_user_s_place(&must_still_call(&required), loaded));
        let stop = match (&reminder, self.is_last()) {
            (None, _) if out_of_tokens && !assistant.content.is_empty() => Some(StopReason::MaxTokensExceeded),
            (None, _) => Some(StopReason::EndTurn),
            (Some(_), true) => Some(StopReason::MaxSteps),
            (Some(_), false) => None,
        };
        let said = (!assistant.content.is_empty()).then_some(assistant);
        Made { new: said.into_iter().chain(reminder).collect(), tools: Vec::new(), stop }
    }

    /// What the server tells the model in the user's place, so that it goes on.
    fn in_the_user_s_place(&self, reason: &str, loaded: &Loaded) -> StoredMessage {
        self.user_message(heartbeat(reason, Some(loaded.timezone())))
    }
}

/// Takes the arguments for the server out of an answer's calls, which agents of the current types write by habit of
/// their models. What one of an older type thought becomes text. Gives whether the model asks to be woken again.
fn take_what_is_for_the_server(style: Style, answer: &mut ChatAnswer, loaded: &Loaded, request: &TurnRequest) -> bool {
    let mut thoughts = None;
    let mut wakes = false;
    for call in &mut answer.tool_calls {
        let Ok(arguments) = tool_arguments(&call.arguments) else { continue };
        let written = arguments.len();
        let taken = style.take(arguments, &own_parameters(&call.name, loaded, request));
        // What has nothing to be taken out stays as the model wrote it.
        if style.one_call_only() || taken.arguments.len() < written {
            call.arguments = Value::Object(taken.arguments).to_string();
        }
        thoughts = thoughts.or(taken.thoughts);
        wakes |= taken.heartbeat;
    }
    if style.one_call_only() {
        answer.text = style.text(answer.text.take(), thoughts.as_deref());
        answer.order.clear();
    }
    wakes
}

/// The schema of a tool's own arguments; null if there is no such tool.
fn own_parameters(tool: &str, loaded: &Loaded, request: &TurnRequest) -> Value {
    if let Some(tool) = request.client_tools.iter().find(|known| known.name == tool) {
        return tool.parameters.clone().map_or(Value::Null, Value::Object);
    }
    let schema = loaded.tools.iter().find(|known| known.name == tool).and_then(|tool| tool.json_schema.as_ref());
    schema.and_then(|schema| schema.get("parameters")).cloned().unwrap_or(Value::Null)
}

/// The model's answer as it is stored: with its calls as the model wrote them, readable or not. What a provider would
/// not take of them is mended when they are sent.
fn assistant_message(
    turn: &Turn,
    step: &OpenStep,
    id: MessageId,
    mut answer: ChatAnswer,
    model: &ChatModel,
) -> StoredMessage {
    let mut content = Vec::new();
    if answer.reasoning.is_none() && answer.reasoning_omitted {
        content.push(ContentPart::OmittedReasoning(OmittedReasoningContent { signature: None }));
    }
    // In the order of the stream, so that its pieces and the listed messages have the same otids.
    content.extend(answer.take_said().into_iter().map(|(kind, text)| match kind {
        Said::Text => ContentPart::text(text),
        Said::Reasoning => {
            ContentPart::Reasoning(ReasoningContent { is_native: true, reasoning: text, signature: None })
        }
    }));
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

/// What a call has cost. `reasoning` is what the model thought aloud before it answered.
pub(super) fn step_usage(usage: Option<Usage>, reasoning: Option<&str>) -> UsageStatistics {
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
        context_tokens: Some(tokens_that_stay(&usage, reasoning)),
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

pub(super) fn elapsed(since: Instant) -> Option<i64> {
    i64::try_from(since.elapsed().as_nanos()).ok()
}
