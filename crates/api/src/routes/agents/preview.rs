//! `POST /v1/agents/{agent_id}/messages/preview-raw-payload`

use actix_web::web::{Data, Json};
use serde_json::Value;

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        orm::histories::HistoryId,
        schema::{AgentId, StreamingSendRequest},
    },
};

/// Preview what the model would be asked.
///
/// The body that the model provider would be sent for these messages, in the form that it takes. Nothing is asked and
/// nothing stored.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/messages/preview-raw-payload", tag = "agents",
    request_body = StreamingSendRequest,
    params(("agent_id" = AgentId, Path, description = "The agent.")),
    responses((status = 200, description = "The body of the request.", body = Object))
)]
pub(crate) async fn preview_model_request(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    JsonBody(request): JsonBody<StreamingSendRequest>,
) -> Answer<Value> {
    Ok(Json(services.agent_loop().preview(&actor, HistoryId::default_of(agent), &request).await?))
}
