//! One question to the model, with a shorter context if this one is too long for it.

use std::{collections::HashSet, sync::Arc, time::Instant};

use futures::StreamExt;
use muisti_llm::{Assembler, ChatAnswer, ChatEvent, ChatRequest, LlmError, new_tool_call_id};
use muisti_orm::schema::{MessageId, StoredMessage, Timestamp};

use super::{
    asking::{chat_request, in_parallel, system_text},
    compaction::{Load, Trigger},
    context,
    deltas::Deltas,
    halt::{Halt, Turned},
    loaded::{ChatModel, Loaded},
    rules::Allowed,
    step::{OpenStep, elapsed},
    style::Style,
    turn::Turn,
};
use crate::{
    Error, Result,
    trace::{CallType, Outcome, Trace},
};

/// How often the context is made shorter for one question before the step gives up.
const SHORTENINGS: usize = 3;

/// A whole answer.
pub(super) struct Asked {
    pub(super) answer: ChatAnswer,
    pub(super) message_id: MessageId,
}

impl Turn {
    pub(super) async fn ask(
        &mut self,
        step: &OpenStep,
        loaded: &mut Loaded,
        model: &ChatModel,
        allowed: &Allowed,
    ) -> Turned<Asked> {
        let mut shortened = 0;
        // A refusal that gives no reason that is known.
        let mut unexplained: Option<LlmError> = None;
        loop {
            let mut request = chat_request(loaded, model, &self.rules, allowed, &self.request);
            if self.without_images {
                context::omit_images(&mut request.messages);
            }
            let shows_images = context::shows_images(&request.messages);
            // Some local servers cut an overlong prompt at its beginning without a word, and the agent forgets who it is.
            if shortened == 0 && self.overflows(loaded, model, &request.tools).await? {
                shortened += 1;
                if self.shorten(Trigger::Foreseen, step.id, loaded, model).await? {
                    continue;
                }
            }
            let active = Arc::clone(&self.active);
            let asked = tokio::select! {
                biased;
                halt = active.halted() => return Err(halt),
                asked = self.call_model(step, loaded, model, allowed, request) => asked,
            };
            let overflow = match asked {
                // Which models read images is not known of all of them, and the history has to go on with any.
                Err(Error::Llm(error)) if shows_images && error.refuses_images() => {
                    tracing::warn!(run_id = %self.run_id, %error, "the model refuses the images; asking without them");
                    self.without_images = true;
                    continue;
                }
                Err(Error::Llm(error)) if error.is_context_overflow() => error,
                // Not all servers say what they mean: a shorter question shows whether it was its length.
                Err(Error::Llm(error)) if unexplained.is_none() && self.may_be_too_long(&error, loaded) => {
                    tracing::warn!(run_id = %self.run_id, %error, "a large question is refused; asking a shorter one");
                    unexplained = Some(error.clone());
                    error
                }
                Err(Error::Llm(error)) => return Err(Error::Llm(unexplained.unwrap_or(error)).into()),
                asked => return asked.map_err(Halt::Failed),
            };
            shortened += 1;
            let room = match shortened <= SHORTENINGS {
                true => self.shorten(Trigger::Overflow, step.id, loaded, model).await,
                false => Ok(false),
            };
            let room = match room {
                Err(Halt::Failed(_)) if unexplained.is_some() => false,
                room => room?,
            };
            if !room {
                let error = unexplained.map_or_else(|| self.does_not_fit(loaded, model, &overflow), Error::Llm);
                return Err(error.into());
            }
        }
    }

    async fn call_model(
        &mut self,
        step: &OpenStep,
        loaded: &Loaded,
        model: &ChatModel,
        allowed: &Allowed,
        request: ChatRequest,
    ) -> Result<Asked> {
        let message_id = MessageId::random();
        let answered = self.stream_answer(&request, step, message_id, loaded, model, allowed).await;
        if let (Some(gauge), Ok(answer)) = (&mut self.gauge, &answered)
            && let Some(usage) = answer.usage
        {
            let system = system_text(loaded, &self.request);
            let load = Load { context: &loaded.context, system: system.as_deref(), tools: &request.tools };
            gauge.learn(load, usage.prompt_tokens);
        }
        let traces = self.services.traces();
        if traces.are_kept() {
            let outcome = match &answered {
                Ok(answer) => Outcome::Answered(Box::new(answer.clone()), Some(message_id)),
                Err(error) => Outcome::from(error),
            };
            traces.record(Trace {
                actor: self.actor,
                call_type: CallType::AgentStep(Box::new(model.config.clone())),
                agent_id: self.history.agent_id,
                step_id: Some(step.id),
                run_id: Some(self.run_id),
                provider: Arc::clone(&model.provider),
                request,
                outcome,
            });
        }
        Ok(Asked { answer: answered?, message_id })
    }

    async fn stream_answer(
        &mut self,
        request: &ChatRequest,
        step: &OpenStep,
        message_id: MessageId,
        loaded: &Loaded,
        model: &ChatModel,
        allowed: &Allowed,
    ) -> std::result::Result<ChatAnswer, muisti_llm::LlmError> {
        let waits = request.tools.iter().filter(|tool| self.waits_for_client(&tool.name, allowed));
        let waits = waits.map(|tool| tool.name.clone()).collect();
        let only_first_call = !in_parallel(loaded, model, &self.rules);
        let style = Style::of(loaded.agent.agent_type, &model.config);
        let pieces = style.pieces(&self.request.config);
        let set = self.set_arguments(loaded, allowed);
        let mut deltas = Deltas::new(message_id, step.id, self.run_id, only_first_call, waits, set, pieces);
        self.times.llm_request_start_ns = nanoseconds(Timestamp::now());
        self.times.llm_request_ns = None;
        let known = call_ids(&loaded.context);
        let asked = Instant::now();
        let mut events = model.provider.chat(request).await?;
        let mut assembler = Assembler::new();
        while let Some(event) = events.next().await {
            let event = with_an_id_of_its_own(without_nul(event?), &known);
            self.sink.first_sign();
            assembler.push(&event);
            if self.sink.wants_tokens() {
                deltas.of(&event, &assembler).into_iter().for_each(|delta| self.sink.delta(delta));
            }
        }
        self.times.llm_request_ns = elapsed(asked);
        assembler.end(model.provider.name())
    }
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

/// The ids of all calls in this history.
fn call_ids(history: &[StoredMessage]) -> HashSet<&str> {
    history.iter().flat_map(|message| &message.tool_calls).map(|call| call.id.as_str()).collect()
}

/// Some models and gateways count the calls of each answer anew. What is answered or approved by its id would be
/// another call then, so a call whose id is `known` gets a new one, before anybody has seen it. The first piece of a call
/// decides on its id.
fn with_an_id_of_its_own(mut event: ChatEvent, known: &HashSet<&str>) -> ChatEvent {
    if let ChatEvent::ToolCall { id: Some(id), .. } = &mut event
        && known.contains(id.as_str())
    {
        *id = new_tool_call_id();
    }
    event
}

pub(super) fn nanoseconds(time: Timestamp) -> Option<i64> {
    time.utc().timestamp_nanos_opt()
}
