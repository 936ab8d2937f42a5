//! Who sends messages, and how their client is to be answered.

use std::time::Duration;

use actix_web::{FromRequest, HttpRequest, HttpResponse, dev::Payload, web::Data};
use futures::future::LocalBoxFuture;

use super::{OnPending, RequestActor, RequestOrigin};
use crate::{
    app::{self, Workers},
    error::ApiError,
    managers::{
        Actor, Origin, Recipient, Services,
        schema::{AsyncSendRequest, Run, StreamingSendRequest},
    },
    sse,
};

/// What the routes that make agents work need of a request beside its body.
pub(crate) struct Sender {
    actor: Actor,
    services: Data<Services>,
    workers: Data<Workers>,
    on_pending: OnPending,
    origin: Origin,
    keepalive: Option<Duration>,
}

impl FromRequest for Sender {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let services = request.app_data::<Data<Services>>().cloned();
        let workers = request.app_data::<Data<Workers>>().cloned();
        let actor = RequestActor::from_request(request, payload);
        let on_pending = OnPending::from_request(request, payload);
        let origin = RequestOrigin::from_request(request, payload);
        let keepalive = app::settings(request).keepalive;
        Box::pin(async move {
            let RequestActor(actor) = actor.await?;
            let services = services.ok_or_else(ApiError::unknown)?;
            let workers = workers.ok_or_else(ApiError::unknown)?;
            let RequestOrigin(origin) = origin.await?;
            Ok(Self { actor, services, workers, on_pending: on_pending.await?, origin, keepalive })
        })
    }
}

impl Sender {
    pub(crate) const fn actor(&self) -> &Actor {
        &self.actor
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    /// Sends messages, and answers as the request asks for. `run_type` names the route, where the recipient does not
    /// say it all.
    pub(crate) async fn send(
        self,
        recipient: Recipient,
        body: StreamingSendRequest,
        run_type: Option<&'static str>,
    ) -> Result<HttpResponse, ApiError> {
        let recipient = self.decided(recipient);
        let Self { actor, services, workers, origin, keepalive, .. } = self;
        let origin = Origin { run_type, ..origin };
        if body.stream.streaming {
            let pings = body.stream.include_pings;
            let begin = async move { services.agent_loop().stream(&actor, recipient, body, origin).await };
            return Ok(sse::respond(workers.run(begin).await?, pings, keepalive));
        }
        let answer = async move { services.agent_loop().send(&actor, recipient, body, origin).await };
        Ok(HttpResponse::Ok().json(workers.run(answer).await?.response))
    }

    /// Sends messages in the background.
    pub(crate) async fn start(self, recipient: Recipient, body: AsyncSendRequest) -> Result<Run, ApiError> {
        let recipient = self.decided(recipient);
        let Self { actor, services, workers, origin, .. } = self;
        workers.run(async move { services.agent_loop().start(&actor, recipient, body, origin).await }).await
    }

    fn decided(&self, recipient: Recipient) -> Recipient {
        Recipient { when_pending: self.on_pending.0, ..recipient }
    }
}
