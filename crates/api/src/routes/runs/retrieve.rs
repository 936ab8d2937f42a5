//! `GET /v1/runs/{run_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Run, RunId},
    },
};

/// Retrieve a run.
#[utoipa::path(
    get, path = "/v1/runs/{run_id}", tag = "runs",
    params(("run_id" = RunId, Path, description = "The run.")),
    responses((status = 200, description = "The run.", body = Run))
)]
pub(crate) async fn retrieve_run(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(run): PathId<RunId>,
) -> Answer<Run> {
    Ok(Json(services.runs().get(&actor, run).await?))
}
