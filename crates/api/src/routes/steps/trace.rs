//! `GET /v1/steps/{step_id}/trace`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{ProviderTrace, StepId},
    },
};

/// Retrieve the model call of a step.
///
/// What the provider was asked and what it answered: the last call, when there were several. Null for a step that is not
/// known, or whose call is not kept: after 30 days, or when the operator keeps none.
#[utoipa::path(
    get, path = "/v1/steps/{step_id}/trace", tag = "steps",
    params(("step_id" = StepId, Path, description = "The step.")),
    responses((status = 200, description = "What was asked and answered, or null.", body = Option<ProviderTrace>))
)]
pub(crate) async fn retrieve_trace_for_step(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(step): PathId<StepId>,
) -> Answer<Option<ProviderTrace>> {
    Ok(Json(services.traces().of_step(&actor, step).await?))
}
