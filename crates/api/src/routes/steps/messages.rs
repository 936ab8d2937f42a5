//! `GET /v1/steps/{step_id}/messages`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{Paging, PathId, RequestActor},
    managers::{
        Services,
        schema::{StepId, WireMessage},
    },
};

/// List the messages of a step.
#[utoipa::path(
    get, path = "/v1/steps/{step_id}/messages", tag = "steps",
    params(("step_id" = StepId, Path, description = "The step."), Paging::<100, false>),
    responses((status = 200, description = "A page of messages.", body = Vec<WireMessage>))
)]
pub(crate) async fn list_messages_for_step(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(step): PathId<StepId>,
    paging: Paging<100, false>,
) -> Answer<Vec<WireMessage>> {
    Ok(Json(services.steps().messages(&actor, step, paging.page).await?))
}
