//! `GET /v1/steps/{step_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Step, StepId},
    },
};

/// Retrieve a step.
#[utoipa::path(
    get, path = "/v1/steps/{step_id}", tag = "steps",
    params(("step_id" = StepId, Path, description = "The step.")),
    responses((status = 200, description = "The step.", body = Step))
)]
pub(crate) async fn retrieve_step(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(step): PathId<StepId>,
) -> Answer<Step> {
    Ok(Json(services.steps().get(&actor, step).await?))
}
