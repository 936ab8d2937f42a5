//! Agents as models: chats in the form that clients of OpenAI know.
//!
//! Of such a chat only the last message of the user is sent to the agent, which has a history of its own. Of what the
//! agent does only what it says comes back: `translate` makes the pieces of an answer from the events of a turn.

mod translate;

use muisti_orm::schema::{
    AgentId, AssistantRole, ChatCompletion, ChatCompletionContent, ChatCompletionInput, ChatCompletionMessage,
    ChatCompletionPart, ChatCompletionRequest, ChatFinishReason, Choice, CompletionObject, CompletionUsage,
    ContentPart, ImageContent, ImageSource, InputMessage, InputRole, MessageContent, MessageCreate, SendRequest,
    StopReason, StopReasonEvent, StreamEvent, StreamOptions, StreamingSendRequest, Timestamp, UrlImage, UserId,
    chat_completion_id,
};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{Actor, Error, Origin, Recipient, Result, Sent, Services, TurnEvents, WhenPending, error::FieldError};
pub use translate::{Frame, Translation};

/// What the metadata of the runs says about their route.
const RUN_TYPE: &str = "openai_chat_completions";

/// Chats with agents.
pub struct ChatManager<'a>(&'a Services);

/// An answer that is read while it is made.
pub struct ChatStream {
    /// The events of the turn, which are to be translated.
    pub events: UnboundedReceiver<StreamEvent>,
    /// What translates them.
    pub translation: Translation,
}

/// A chat that can be begun.
struct Asked {
    actor: Actor,
    agent: AgentId,
    /// The name of the agent's model.
    model: String,
    send: SendRequest,
}

impl Services {
    /// Agents as models.
    pub const fn chat(&self) -> ChatManager<'_> {
        ChatManager(self)
    }
}

impl ChatManager<'_> {
    /// On whose behalf a chat is: the user that `user` names, if there is one, else the default user.
    ///
    /// # Errors
    /// When the server wants every request to name its user.
    pub async fn actor(&self, user: Option<&str>) -> Result<Actor> {
        let named = user.and_then(|user| user.parse::<UserId>().ok());
        match self.0.actor(named).await {
            Err(Error::NotFound(_)) if named.is_some() => self.0.actor(None).await,
            actor => actor,
        }
    }

    /// The whole answer to a chat. `when_pending` says what to do with tool calls that wait for an approval, which
    /// nobody can give in a chat.
    ///
    /// # Errors
    /// 400 when the model is no agent or the user says nothing, 422 for numbers out of range, and those of
    /// [`AgentLoop::send`](crate::AgentLoop::send).
    pub async fn complete(
        &self,
        actor: &Actor,
        when_pending: Option<WhenPending>,
        origin: Origin,
        request: &ChatCompletionRequest,
    ) -> Result<ChatCompletion> {
        let Asked { actor, agent, model, send } = self.ask(actor, request).await?;
        let request = StreamingSendRequest { request: send, stream: streaming(false) };
        let recipient = Recipient { when_pending, ..Recipient::agent(agent) };
        let origin = Origin { run_type: Some(RUN_TYPE), ..origin };
        let Sent { run_id, response: answer } = self.0.agent_loop().send(&actor, recipient, request, origin).await?;
        let message = ChatCompletionMessage {
            content: Some(translate::text_of(&answer.messages)),
            refusal: None,
            role: AssistantRole::Assistant,
            annotations: None,
            audio: None,
            function_call: None,
            tool_calls: None,
        };
        let finish_reason = finish_reason(&answer.stop_reason);
        Ok(ChatCompletion {
            id: chat_completion_id(run_id),
            choices: vec![Choice { finish_reason, index: 0, logprobs: None, message }],
            created: Timestamp::now().utc().timestamp(),
            model,
            object: CompletionObject::ChatCompletion,
            service_tier: None,
            system_fingerprint: None,
            usage: Some(CompletionUsage::from(&answer.usage)),
        })
    }

    /// The answer to a chat, piece by piece.
    ///
    /// # Errors
    /// As [`Self::complete`], for what is known before the agent begins.
    pub async fn stream(
        &self,
        actor: &Actor,
        when_pending: Option<WhenPending>,
        origin: Origin,
        request: &ChatCompletionRequest,
    ) -> Result<ChatStream> {
        let Asked { actor, agent, model, send } = self.ask(actor, request).await?;
        let include_usage = request.include_usage();
        let request = StreamingSendRequest { request: send, stream: streaming(true) };
        let recipient = Recipient { when_pending, ..Recipient::agent(agent) };
        let origin = Origin { run_type: Some(RUN_TYPE), ..origin };
        let turn = self.0.agent_loop().stream(&actor, recipient, request, origin).await?;
        let translation = Translation::new(turn.run_id, model, include_usage);
        let TurnEvents::Live(events) = turn.events else {
            return Err(Error::Internal("a chat in the foreground has events of its own".to_owned()));
        };
        Ok(ChatStream { events, translation })
    }

    async fn ask(&self, actor: &Actor, request: &ChatCompletionRequest) -> Result<Asked> {
        let faults = request.out_of_range();
        if !faults.is_empty() {
            let faults = faults.into_iter().map(|(name, text)| FieldError::body(name, text));
            return Err(Error::Unprocessable(faults.collect()));
        }
        let agent: AgentId = request.model.parse().map_err(|_| {
            Error::InvalidArgument(format!(
                "For this endpoint, the 'model' field should contain an agent ID (format: 'agent-...'). Received: '{}'",
                request.model
            ))
        })?;
        let last = request.messages.iter().rev().find(|message| message.role == "user");
        let message = last.map(input).transpose()?.ok_or_else(|| {
            Error::InvalidArgument(
                "No user message found in the request. Please include at least one message with role='user'."
                    .to_owned(),
            )
        })?;
        let row = self.0.agents().row(actor, agent).await?;
        Ok(Asked { actor: *actor, agent, model: row.llm_config.model, send: SendRequest::of(vec![message]) })
    }
}

fn streaming(streaming: bool) -> StreamOptions {
    StreamOptions { streaming, stream_tokens: streaming, include_pings: true, background: false }
}

/// A message of the user as agents are sent it.
fn input(message: &ChatCompletionInput) -> Result<InputMessage> {
    let content = match &message.content {
        None => MessageContent::from(""),
        Some(ChatCompletionContent::Text(text)) => MessageContent::from(text.as_str()),
        Some(ChatCompletionContent::Parts(parts)) => {
            MessageContent::Parts(parts.iter().map(part).collect::<Result<Vec<_>>>()?)
        }
    };
    Ok(InputMessage::Message(MessageCreate {
        role: InputRole::User,
        content,
        otid: None,
        group_id: None,
        name: message.name.clone(),
        sender_id: None,
        batch_item_id: None,
    }))
}

fn part(part: &ChatCompletionPart) -> Result<ContentPart> {
    match (part.r#type.as_str(), &part.text, &part.image_url) {
        ("text", Some(text), _) => Ok(ContentPart::text(text)),
        ("image_url", _, Some(image)) => {
            let source = ImageSource::Url(UrlImage { url: image.url.clone() });
            Ok(ContentPart::Image(ImageContent { source }))
        }
        (kind, ..) => Err(Error::InvalidArgument(format!(
            "A part of the user's message is of the type '{kind}' or lacks its content. Agents read parts of the types \
             'text' (with 'text') and 'image_url' (with 'image_url')."
        ))),
    }
}

/// Why an answer ends whose turn stopped like this.
const fn finish_reason(stopped: &StopReasonEvent) -> ChatFinishReason {
    match stopped.stop_reason {
        StopReason::MaxTokensExceeded => ChatFinishReason::Length,
        _ if stopped.held_back => ChatFinishReason::ContentFilter,
        _ => ChatFinishReason::Stop,
    }
}
