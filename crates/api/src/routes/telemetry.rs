//! `GET /v1/telemetry/{step_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathText, RequestActor},
    managers::{
        Services,
        schema::{ProviderTrace, StepId},
    },
};

/// Retrieve the model call of a step.
///
/// The same as the trace of a step, and null for what is no id.
#[utoipa::path(
    get, path = "/v1/telemetry/{step_id}", tag = "telemetry",
    params(("step_id" = String, Path, description = "The step.")),
    responses((status = 200, description = "What was asked and answered, or null.", body = Option<ProviderTrace>))
)]
#[deprecated]
pub(crate) async fn retrieve_provider_trace(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathText(step): PathText,
) -> Answer<Option<ProviderTrace>> {
    Ok(Json(match step.parse::<StepId>() {
        Ok(step) => services.traces().of_step(&actor, step).await?,
        Err(_) => None,
    }))
}
