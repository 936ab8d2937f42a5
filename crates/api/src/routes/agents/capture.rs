//! `POST /v1/agents/{agent_id}/messages/capture`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{AgentId, CaptureRequest, CaptureResponse},
    },
};

/// Store a turn that was taken elsewhere. Known to programs that stand between another program and its model; not in the
/// OpenAPI document.
pub(crate) async fn capture_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    JsonBody(request): JsonBody<CaptureRequest>,
) -> Answer<CaptureResponse> {
    Ok(Json(services.messages().capture(&actor, agent, request).await?))
}
