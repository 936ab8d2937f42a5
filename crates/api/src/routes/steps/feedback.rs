//! `PATCH /v1/steps/{step_id}/feedback`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{ModifyFeedbackRequest, Step, StepId},
    },
};

/// Say what you think of a step.
#[utoipa::path(
    patch, path = "/v1/steps/{step_id}/feedback", tag = "steps", request_body = ModifyFeedbackRequest,
    params(("step_id" = StepId, Path, description = "The step.")),
    responses((status = 200, description = "The step with the feedback.", body = Step))
)]
pub(crate) async fn modify_feedback_for_step(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(step): PathId<StepId>,
    JsonBody(request): JsonBody<ModifyFeedbackRequest>,
) -> Answer<Step> {
    Ok(Json(services.steps().give_feedback(&actor, step, request).await?))
}
