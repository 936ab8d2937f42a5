//! Having a model write a summary.
//!
//! Two ways: another model reads a transcript, or the agent's own model is asked in its own conversation, which makes
//! use of what its provider has cached of it. Either way an answer is a text that is not empty; whatever else happens
//! is an error, from which the caller goes on with something simpler.

use std::time::{Duration, Instant};

use futures::StreamExt;
use muisti_llm::{
    Assembler, ChatAnswer, ChatMessage, ChatRequest, LlmError, LlmErrorKind, TokenCounter, ToolChoice, ToolSpec, Usage,
};
use muisti_orm::schema::{AgentId, CompactionSettings, RunId, StepId, StoredMessage};

use super::{
    super::{context, loaded::ChatModel},
    transcript::{self, Pressed},
};
use crate::{
    Actor, Services, model,
    trace::{CallType, Outcome, Trace},
};

/// The tokens that are left free for the summary when it is foreseen whether a request fits.
const ROOM: i64 = 1_000;
/// What the model is made to say to its instructions where that is wished for.
const ACKNOWLEDGEMENT: &str = "Understood. I will answer with the summary of the transcript and nothing else.";
/// What the agent says when a conversation does not end with its words.
const PAUSE: &str = "I pause here to write down what happened so far.";

/// A summary as a model wrote it.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) text: String,
    pub(super) usage: Option<Usage>,
}

/// Until when a compaction may take, whatever is tried in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) fn in_(patience: Duration) -> Self {
        Self(Instant::now() + patience)
    }

    /// Half of the time that is left, for what something else comes after if it fails.
    pub(super) fn half(self) -> Self {
        Self::in_(self.left() / 2)
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// On whose behalf models are asked, and how long.
#[derive(Clone, Copy)]
pub(super) struct Desk<'a> {
    pub(super) services: &'a Services,
    pub(super) actor: &'a Actor,
    pub(super) agent_id: AgentId,
    pub(super) run_id: Option<RunId>,
    pub(super) step_id: Option<StepId>,
    pub(super) deadline: Deadline,
}

/// A model that reads transcripts, with limits of its own.
pub(super) struct Summariser {
    model: ChatModel,
}

impl Summariser {
    /// The models to ask, one after the other: the one of the settings, then the agent's own. A handle that no provider
    /// has is passed over.
    pub(super) async fn all(
        services: &Services,
        actor: &Actor,
        settings: &CompactionSettings,
        own: &ChatModel,
        deadline: Deadline,
    ) -> Vec<Self> {
        let own_handle = own.config.handle.as_deref();
        let other = settings.model.as_deref().filter(|handle| Some(*handle) != own_handle);
        let mut models = Vec::with_capacity(2);
        if let Some(handle) = other {
            // Providers may have to be asked for what they have.
            let named = Self::named(services, actor, handle, settings);
            match tokio::time::timeout(deadline.half().left(), named).await {
                Ok(Ok(summariser)) => models.push(summariser),
                Ok(Err(error)) => tracing::info!(%error, handle, "the agent's own model summarises"),
                Err(_) => tracing::warn!(handle, "no provider names this model in time; the agent's own summarises"),
            }
        }
        let mut config = own.config.clone();
        if let (None, Some(model_settings)) = (other, &settings.model_settings) {
            model_settings.apply(&mut config);
        }
        models.push(Self { model: ChatModel { provider: own.provider.clone(), config } });
        models
    }

    async fn named(
        services: &Services,
        actor: &Actor,
        handle: &str,
        settings: &CompactionSettings,
    ) -> crate::Result<Self> {
        let info = services.models().resolve(actor, handle).await?;
        // Its window is its own: neither the agent's nor the server's limit for agents is its limit.
        let mut config = model::config::from_info(&info);
        if let Some(model_settings) = &settings.model_settings {
            model_settings.apply(&mut config);
        }
        config.normalise();
        let model = ChatModel::of(services, actor, &config, None).await?;
        Ok(Self { model })
    }

    /// The name to log.
    pub(super) fn name(&self) -> &str {
        &self.model.config.model
    }

    /// The summary of these messages. A transcript that is too long for the model is pressed to fit.
    pub(super) async fn summarise(
        &self,
        desk: &Desk<'_>,
        messages: &[StoredMessage],
        settings: &CompactionSettings,
    ) -> Result<Written, LlmError> {
        let prompt = prompt_of(settings);
        let window = self.model.config.context_window;
        let counter = TokenCounter::of(&self.model.config.model);
        let mut refused = None;
        let ladder = Pressed::ladder(window, prompt.len() + ACKNOWLEDGEMENT.len());
        for pressed in ladder {
            let transcript = transcript::write(messages, pressed);
            let last = matches!(pressed, Pressed::Middle(_));
            let tokens = counter.count(prompt) + counter.count(&transcript) + ROOM.min(window / 4);
            if !last && window > 0 && tokens > window {
                continue;
            }
            let request = ChatRequest {
                messages: dialogue(prompt, transcript, settings.prompt_acknowledgement),
                response_format: None,
                ..self.model.request()
            };
            match desk.ask(&self.model, request, settings).await {
                Err(error) if error.is_context_overflow() => refused = Some(error),
                answer => return answer,
            }
        }
        Err(refused.unwrap_or_else(|| too_long(&self.model)))
    }
}

fn prompt_of(settings: &CompactionSettings) -> &str {
    settings.prompt.as_deref().unwrap_or(model::compaction::default_prompt(settings.mode))
}

fn dialogue(prompt: &str, transcript: String, acknowledged: bool) -> Vec<ChatMessage> {
    if acknowledged {
        // Many models insist that the user speaks first, and by turns with the assistant.
        vec![ChatMessage::user(prompt), ChatMessage::assistant(ACKNOWLEDGEMENT), ChatMessage::user(transcript)]
    } else {
        vec![ChatMessage::system(prompt), ChatMessage::user(transcript)]
    }
}

fn too_long(model: &ChatModel) -> LlmError {
    let message = "The messages to summarise are longer than the context of the model that summarises.";
    LlmError::new(LlmErrorKind::ContextOverflow, model.provider.name(), message)
}

impl Desk<'_> {
    /// The agent's own summary of its conversation so far: the request is the one of a step, with the prompt as the
    /// user's next message. One that is known to be too long is not made. `context` is the messages, and what is read
    /// in the place of the system message among them.
    pub(super) async fn by_the_agent(
        &self,
        model: &ChatModel,
        (context, system): (&[StoredMessage], Option<&str>),
        tools: &[ToolSpec],
        settings: &CompactionSettings,
        tokens: i64,
    ) -> Result<Written, LlmError> {
        let window = model.config.context_window;
        if window > 0 && tokens > window {
            return Err(too_long(model));
        }
        let mut messages = context::to_chat(context, system, window);
        if !matches!(messages.last(), Some(ChatMessage::Assistant { .. })) {
            messages.push(ChatMessage::assistant(PAUSE));
        }
        messages.push(ChatMessage::user(prompt_of(settings)));
        let request = ChatRequest {
            messages,
            tools: tools.to_vec(),
            tool_choice: ToolChoice::Auto,
            response_format: None,
            ..model.request()
        };
        self.ask(model, request, settings).await
    }

    /// One answer, whole, before the deadline.
    async fn ask(
        &self,
        model: &ChatModel,
        request: ChatRequest,
        settings: &CompactionSettings,
    ) -> Result<Written, LlmError> {
        let provider = model.provider.name();
        let patience = self.deadline.left();
        let answer = tokio::time::timeout(patience, whole_answer(model, &request)).await.unwrap_or_else(|_| {
            let message = format!("The model took longer than {} seconds to write a summary.", patience.as_secs());
            Err(LlmError::new(LlmErrorKind::Timeout, provider, message))
        });
        self.record(model, request, settings, &answer);
        let answer = answer?;
        let text = answer.text.unwrap_or_default().replace('\0', "");
        let text = text.trim();
        if text.is_empty() {
            let message = "The model answered with no text where a summary was asked for.";
            return Err(LlmError::new(LlmErrorKind::EmptyResponse, provider, message));
        }
        Ok(Written { text: text.to_owned(), usage: answer.usage })
    }

    fn record(
        &self,
        model: &ChatModel,
        request: ChatRequest,
        settings: &CompactionSettings,
        answer: &Result<ChatAnswer, LlmError>,
    ) {
        let traces = self.services.traces();
        if !traces.are_kept() {
            return;
        }
        let outcome = match answer {
            Ok(answer) => Outcome::Answered(Box::new(answer.clone()), None),
            Err(error) => Outcome::Failed { error: error.to_string(), error_type: error.kind.as_str() },
        };
        traces.record(Trace {
            actor: *self.actor,
            call_type: CallType::Summarization(Box::new(settings.clone())),
            agent_id: self.agent_id,
            step_id: self.step_id,
            run_id: self.run_id,
            provider: model.provider.clone(),
            request,
            outcome,
        });
    }
}

async fn whole_answer(model: &ChatModel, request: &ChatRequest) -> Result<ChatAnswer, LlmError> {
    let mut events = model.provider.chat(request).await?;
    let mut assembler = Assembler::new();
    while let Some(event) = events.next().await {
        assembler.push(&event?);
    }
    assembler.finish(model.provider.name())
}
