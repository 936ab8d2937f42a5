//! `POST /v1/chat/completions`

use actix_web::{HttpRequest, HttpResponse, web::Data};

use super::{failure, frames};
use crate::{
    app::{self, Workers},
    error::ApiError,
    extract::{JsonBody, OnPending, RequestActor, RequestOrigin},
    managers::{
        Actor, Services,
        schema::{ChatCompletion, ChatCompletionRequest},
    },
};

/// Chat with an agent as if it were a model.
///
/// For clients of the OpenAI API: the model is the id of an agent. Only the last message of the user is sent to it, since
/// the agent has a history of its own, and only what it says comes back: its thoughts and tools stay with it.
#[utoipa::path(
    post, path = "/v1/chat/completions", tag = "chat", request_body = ChatCompletionRequest,
    responses((status = 200, description = "What the agent said.", content(
        (ChatCompletion = "application/json"),
        (String = "text/event-stream"),
    )))
)]
pub(crate) async fn create_chat_completion(
    actor: Result<RequestActor, ApiError>,
    services: Data<Services>,
    workers: Data<Workers>,
    on_pending: Result<OnPending, ApiError>,
    RequestOrigin(origin): RequestOrigin,
    body: Result<JsonBody<ChatCompletionRequest>, ApiError>,
    request: HttpRequest,
) -> HttpResponse {
    let answer = async {
        let JsonBody(body) = body?;
        let OnPending(when_pending) = on_pending?;
        let actor = acting(&request, &services, actor, &body).await?;
        if body.stream.unwrap_or(false) {
            let begin = async move { services.chat().stream(&actor, when_pending, origin, &body).await };
            return Ok(frames::respond(workers.run(begin).await?, app::settings(&request).keepalive));
        }
        let answer = async move { services.chat().complete(&actor, when_pending, origin, &body).await };
        Ok(HttpResponse::Ok().json(workers.run(answer).await?))
    };
    answer.await.unwrap_or_else(|error| failure::respond(&error))
}

/// On whose behalf: whom the header names, else whom the body names. Anybody may write anything into the body, so it
/// does not go over a header.
async fn acting(
    request: &HttpRequest,
    services: &Services,
    by_header: Result<RequestActor, ApiError>,
    body: &ChatCompletionRequest,
) -> Result<Actor, ApiError> {
    if request.headers().contains_key("user_id") || body.user.is_none() {
        return Ok(by_header?.0);
    }
    Ok(services.chat().actor(body.user.as_deref()).await?)
}
