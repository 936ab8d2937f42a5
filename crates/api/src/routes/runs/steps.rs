//! `GET /v1/runs/{run_id}/steps`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{Paging, PathId, RequestActor},
    managers::{
        Services,
        schema::{RunId, Step},
    },
};

/// List the steps of a run.
#[utoipa::path(
    get, path = "/v1/runs/{run_id}/steps", tag = "runs",
    params(("run_id" = RunId, Path, description = "The run."), Paging::<100, true>),
    responses((status = 200, description = "A page of steps.", body = Vec<Step>))
)]
pub(crate) async fn list_steps_for_run(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(run): PathId<RunId>,
    paging: Paging<100, true>,
) -> Answer<Vec<Step>> {
    Ok(Json(services.runs().steps(&actor, run, paging.page).await?))
}
