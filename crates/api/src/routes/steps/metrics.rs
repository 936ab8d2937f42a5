//! `GET /v1/steps/{step_id}/metrics`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{StepId, StepMetrics},
    },
};

/// Retrieve the metrics of a step.
///
/// How long its parts took. There are none before the step has ended.
#[utoipa::path(
    get, path = "/v1/steps/{step_id}/metrics", tag = "steps",
    params(("step_id" = StepId, Path, description = "The step.")),
    responses((status = 200, description = "The metrics.", body = StepMetrics))
)]
pub(crate) async fn retrieve_metrics_for_step(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(step): PathId<StepId>,
) -> Answer<StepMetrics> {
    Ok(Json(services.steps().metrics(&actor, step).await?))
}
