//! `GET /v1/runs/{run_id}/metrics`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{RunId, RunMetrics},
    },
};

/// Retrieve the metrics of a run.
///
/// How long it took, and what it used.
#[utoipa::path(
    get, path = "/v1/runs/{run_id}/metrics", tag = "runs",
    params(("run_id" = RunId, Path, description = "The run.")),
    responses((status = 200, description = "The metrics.", body = RunMetrics))
)]
pub(crate) async fn retrieve_metrics_for_run(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(run): PathId<RunId>,
) -> Answer<RunMetrics> {
    Ok(Json(services.runs().metrics(&actor, run).await?))
}
