//! The messages of an agent: `/v1/agents/{agent_id}/messages`

use actix_web::{
    HttpResponse,
    http::{StatusCode, header},
    web::{Data, Json},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::{Answer, ApiError},
    extract::{ClientGeneration, JsonBody, Known, OptionalJsonBody, Paging, PathId, Query, RequestActor, Sender},
    managers::{
        CancelOutcome, Error, MessageQuery, PendingCalls, Recipient, Services,
        orm::{Page, histories::HistoryId, messages::History},
        schema::{
            AgentId, AsyncSendRequest, CancelAgentRunRequest, MessageId, MessageType, Run, RunId, RunRequestConfig,
            SendResponse, StreamEvent, StreamingSendRequest, WireMessage,
        },
    },
};

/// Which messages to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct AgentMessageQuery {
    /// Messages of this group.
    group_id: Option<String>,
    /// Messages of this conversation; `default` for those of none. Without it those of all.
    conversation_id: Option<String>,
    /// Without effect; kept for clients that send it.
    include_err: Option<bool>,
}

/// In which form to return messages.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct MessageForm {
    /// Older agent types only: whether calls of the message tool are shown as assistant messages.
    #[param(required = false, default = true)]
    #[deprecated]
    use_assistant_message: Option<bool>,
    /// Older agent types only: the name of the message tool.
    #[param(required = false, default = "send_message")]
    #[deprecated]
    assistant_message_tool_name: Option<String>,
    /// Older agent types only: the argument of the message tool that holds the message.
    #[param(required = false, default = "message")]
    #[deprecated]
    assistant_message_tool_kwarg: Option<String>,
    /// The kinds of messages to return; none: all.
    #[param(value_type = Vec<MessageType>, required = false)]
    include_return_message_types: Vec<Known<MessageType>>,
}

impl MessageForm {
    /// The form, with what was not asked for as usual.
    pub(crate) fn config(self) -> RunRequestConfig {
        let types = self.include_return_message_types.into_iter().map(|known| known.0);
        let usual = RunRequestConfig::of_types(types.collect());
        RunRequestConfig {
            use_assistant_message: self.use_assistant_message.unwrap_or(usual.use_assistant_message),
            assistant_message_tool_name: self.assistant_message_tool_name.unwrap_or(usual.assistant_message_tool_name),
            assistant_message_tool_kwarg: self
                .assistant_message_tool_kwarg
                .unwrap_or(usual.assistant_message_tool_kwarg),
            ..usual
        }
    }
}

impl AgentMessageQuery {
    fn of(self, page: Page, form: MessageForm) -> Result<MessageQuery, ApiError> {
        let history = self.conversation_id.as_deref().map_or(Ok(History::Any), str::parse).map_err(Error::from)?;
        Ok(MessageQuery { page, history, group_id: self.group_id, config: form.config() })
    }
}

/// List an agent's messages.
///
/// Within a page the oldest message comes first, whatever the order, which says from which end the page is taken.
/// `before` and `after` mean stored earlier and later. `limit` counts stored messages, of which one can be several of
/// these.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/messages", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), Paging::<100, true>, AgentMessageQuery, MessageForm),
    responses((status = 200, description = "A page of messages.", body = Vec<WireMessage>))
)]
pub(crate) async fn list_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    paging: Paging<100, true>,
    Query(query): Query<AgentMessageQuery>,
    Query(form): Query<MessageForm>,
) -> Answer<Vec<WireMessage>> {
    Ok(Json(services.messages().list_of_agent(&actor, agent, query.of(paging.page, form)?).await?))
}

/// Send messages to an agent.
///
/// The agent thinks, calls tools, and answers. With `streaming` the answer comes as server-sent events: each message
/// when it is there, or with `stream_tokens` each piece of it, then why the agent stopped, what it used, and `[DONE]`.
/// When the client hangs up the agent goes on.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/messages", tag = "agents", request_body = StreamingSendRequest,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "What the agent did.", content(
        (SendResponse = "application/json"),
        (String = "text/event-stream"),
    )))
)]
pub(crate) async fn send_message(
    sender: Sender,
    PathId(agent): PathId<AgentId>,
    client: ClientGeneration,
    JsonBody(body): JsonBody<StreamingSendRequest>,
) -> Result<HttpResponse, ApiError> {
    if body.stream.streaming && client == ClientGeneration::Early {
        return Err(ApiError::unprocessable("streaming=true is only supported for SDK v1.0+ clients."));
    }
    sender.send(Recipient::agent(agent), body, None).await
}

/// Send messages to an agent and stream the answer.
///
/// The same as sending messages with `streaming`.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/messages/stream", tag = "agents", request_body = StreamingSendRequest,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "What the agent does, as it does it: a stream of events.", content(
        (StreamEvent = "application/json"),
        (String = "text/event-stream"),
    )))
)]
#[deprecated]
pub(crate) async fn create_agent_message_stream(
    sender: Sender,
    PathId(agent): PathId<AgentId>,
    JsonBody(mut body): JsonBody<StreamingSendRequest>,
) -> Result<HttpResponse, ApiError> {
    body.stream.streaming = true;
    sender.send(Recipient::agent(agent), body, Some("send_message_streaming")).await
}

/// Send messages to an agent in the background.
///
/// The answer is the run, at once. It goes on whatever becomes of this server: read the run, its messages, or its
/// stream. With `callback_url` the result is posted there when the run has ended.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/messages/async", tag = "agents", request_body = AsyncSendRequest,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The run that has begun.", body = Run))
)]
pub(crate) async fn create_agent_message_async(
    sender: Sender,
    PathId(agent): PathId<AgentId>,
    JsonBody(body): JsonBody<AsyncSendRequest>,
) -> Answer<Run> {
    Ok(Json(sender.start(Recipient::agent(agent), body).await?))
}

/// Cancel runs of an agent.
///
/// Those that are named, or else all that are going, in any conversation, and the one that waits for the client. A
/// model call or a tool is interrupted at once; what waits for an approval is denied, so that the agent can be sent
/// messages again.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/messages/cancel", tag = "agents",
    request_body = Option<CancelAgentRunRequest>,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((
        status = 200, description = "`cancelled` or `failed` for each run.", body = Object,
        example = json!({"run-123e4567-e89b-42d3-8456-426614174000": "cancelled"})
    ))
)]
pub(crate) async fn cancel_message(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    OptionalJsonBody(body): OptionalJsonBody<CancelAgentRunRequest>,
) -> Answer<Map<String, Value>> {
    let named = body.and_then(|body| body.run_ids);
    Ok(Json(outcomes(services.agent_loop().cancel(&actor, agent, named).await?)))
}

/// What became of runs that were to be cancelled.
pub(crate) fn outcomes(runs: Vec<(RunId, CancelOutcome)>) -> Map<String, Value> {
    let word = |outcome| match outcome {
        CancelOutcome::Cancelled => "cancelled",
        CancelOutcome::Failed => "failed",
    };
    runs.into_iter().map(|(run, outcome)| (run.to_string(), word(outcome).into())).collect()
}

/// Give up what waits for the client.
///
/// Tool calls that wait for an approval, or for the result of a tool of the client, are denied. Afterwards the agent
/// can be sent messages again. Nothing is pending: nothing happens.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/messages/reset-pending", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent, for its default history.")),
    responses((status = 200, description = "What was pending.", body = ResetPending))
)]
pub(crate) async fn reset_pending(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
) -> Answer<ResetPending> {
    let pending = services.agent_loop().reset_pending(&actor, HistoryId::default_of(agent)).await?;
    Ok(Json(pending.into()))
}

/// What was pending and is no longer.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct ResetPending {
    /// The message that asked the client; null when nothing was pending.
    pending_request_id: Option<MessageId>,
    /// The calls that were denied.
    pending_tool_call_ids: Vec<String>,
    /// The run that had stopped to wait.
    run_id: Option<RunId>,
}

impl From<Option<PendingCalls>> for ResetPending {
    fn from(pending: Option<PendingCalls>) -> Self {
        pending.map_or_else(Self::default, |pending| Self {
            pending_request_id: Some(pending.request_id),
            pending_tool_call_ids: pending.tool_call_ids,
            run_id: pending.run_id,
        })
    }
}

/// Change a message.
///
/// Not possible: messages never change, because conversations share them. Always 405.
#[utoipa::path(
    patch, path = "/v1/agents/{agent_id}/messages/{message_id}", tag = "agents",
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("message_id" = MessageId, Path, description = "The message."),
    ),
    responses((status = 405, description = "Messages never change."))
)]
#[deprecated]
pub(crate) async fn modify_message() -> HttpResponse {
    messages_never_change()
}

/// The answer to whoever wants to change a message.
pub(crate) fn messages_never_change() -> HttpResponse {
    let detail = "Message editing is no longer supported. Messages are immutable as they may be shared across multiple \
                  conversations via forking.";
    HttpResponse::build(StatusCode::METHOD_NOT_ALLOWED)
        .insert_header((header::ALLOW, ""))
        .json(json!({ "detail": detail }))
}
