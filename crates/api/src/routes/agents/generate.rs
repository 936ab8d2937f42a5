//! `POST /v1/agents/{agent_id}/generate`

use actix_web::web::{Data, Json};

use crate::{
    error::{Answer, ApiError},
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Error, Services,
        llm::LlmErrorKind,
        schema::{AgentId, GenerateRequest, GenerateResponse},
    },
};

/// Ask an agent's model a single question.
///
/// The agent's memory and tools play no part in it, and nothing is stored.
#[utoipa::path(
    post, path = "/v1/agents/{agent_id}/generate", tag = "agents", request_body = GenerateRequest,
    params(("agent_id" = AgentId, Path, description = "The agent whose model is asked.")),
    responses(
        (status = 200, description = "The answer.", body = GenerateResponse),
        (status = 404, description = "There is no such agent or model."),
        (status = 422, description = "The question is blank."),
        (status = 502, description = "The model provider failed."),
    )
)]
pub(crate) async fn generate_completion(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    JsonBody(request): JsonBody<GenerateRequest>,
) -> Answer<GenerateResponse> {
    let answer = services.agent_loop().generate(&actor, agent, request).await;
    Ok(Json(answer.map_err(|error| match error {
        // Here the model provider is all there is behind the route.
        Error::Llm(error) => ApiError::BadGateway(match error.kind {
            LlmErrorKind::EmptyResponse | LlmErrorKind::InvalidResponse => {
                format!("Failed to process LLM response: {error}")
            }
            _ => format!("LLM provider error: {error}"),
        }),
        error => error.into(),
    })?))
}
