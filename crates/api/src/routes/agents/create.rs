//! `POST /v1/agents/`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{AgentState, CreateAgent},
    },
};

/// Create an agent.
///
/// Only `model` is needed, and not even that when the server has a default one. The agent gets the built-in memory
/// tools, unless `include_base_tools` is false.
#[utoipa::path(
    post, path = "/v1/agents/", tag = "agents", request_body = CreateAgent,
    responses((status = 200, description = "The new agent.", body = AgentState))
)]
pub(crate) async fn create_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(agent): JsonBody<CreateAgent>,
) -> Answer<AgentState> {
    Ok(Json(services.agents().create(&actor, agent).await?))
}
