//! The messages of an agent: `/v1/agents/{agent_id}/messages`

use actix_web::{
    HttpRequest, HttpResponse,
    http::{StatusCode, header},
    web::{Data, Json},
};
use serde::Deserialize;
use serde_json::json;
use utoipa::IntoParams;

use crate::{
    app::{self, Workers},
    error::{Answer, ApiError},
    extract::{ClientGeneration, JsonBody, Known, Paging, PathId, Query, RequestActor},
    managers::{
        Actor, Error, MessageQuery, Services,
        orm::{Page, messages::History},
        schema::{
            AgentId, MessageId, MessageType, RunRequestConfig, SendResponse, StreamEvent, StreamingSendRequest,
            WireMessage,
        },
    },
    sse,
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
        let usual = RunRequestConfig::default();
        let types: Vec<MessageType> = self.include_return_message_types.into_iter().map(|known| known.0).collect();
        RunRequestConfig {
            use_assistant_message: self.use_assistant_message.unwrap_or(usual.use_assistant_message),
            assistant_message_tool_name: self.assistant_message_tool_name.unwrap_or(usual.assistant_message_tool_name),
            assistant_message_tool_kwarg: self
                .assistant_message_tool_kwarg
                .unwrap_or(usual.assistant_message_tool_kwarg),
            include_return_message_types: (!types.is_empty()).then_some(types),
        }
    }
}

impl AgentMessageQuery {
    fn of(self, page: Page, form: MessageForm) -> Result<MessageQuery, ApiError> {
        let history = match self.conversation_id.as_deref() {
            None => History::Any,
            Some("default") => History::Default,
            Some(id) => History::Conversation(id.parse().map_err(Error::from)?),
        };
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
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    workers: Data<Workers>,
    PathId(agent): PathId<AgentId>,
    client: ClientGeneration,
    JsonBody(body): JsonBody<StreamingSendRequest>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    if body.stream.streaming {
        if client == ClientGeneration::Early {
            return Err(ApiError::unprocessable("streaming=true is only supported for SDK v1.0+ clients."));
        }
        return stream(&request, &workers, &services, actor, agent, body, "send_message").await;
    }
    let repeat = is_repeat(&request);
    let answer = workers.run(async move { services.agent_loop().send(&actor, agent, body, repeat).await }).await?;
    Ok(HttpResponse::Ok().json(answer))
}

/// Whether an official client says that it has sent this request before.
fn is_repeat(request: &HttpRequest) -> bool {
    let count = request.headers().get("x-stainless-retry-count").and_then(|count| count.to_str().ok());
    count.is_some_and(|count| count.parse().is_ok_and(|count: u32| count > 0))
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
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    workers: Data<Workers>,
    PathId(agent): PathId<AgentId>,
    JsonBody(mut body): JsonBody<StreamingSendRequest>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    body.stream.streaming = true;
    stream(&request, &workers, &services, actor, agent, body, "send_message_streaming").await
}

async fn stream(
    request: &HttpRequest,
    workers: &Workers,
    services: &Data<Services>,
    actor: Actor,
    agent: AgentId,
    body: StreamingSendRequest,
    run_type: &'static str,
) -> Result<HttpResponse, ApiError> {
    let (services, pings) = (services.clone(), body.stream.include_pings);
    let turn = workers.run(async move { services.agent_loop().stream(&actor, agent, body, run_type).await }).await?;
    Ok(sse::respond(turn, pings, app::settings(request).keepalive))
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
