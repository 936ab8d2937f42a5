//! `GET /v1/runs/{run_id}/usage`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{RunId, RunUsage},
    },
};

/// Retrieve the usage of a run.
///
/// The tokens of all its steps.
#[utoipa::path(
    get, path = "/v1/runs/{run_id}/usage", tag = "runs",
    params(("run_id" = RunId, Path, description = "The run.")),
    responses((status = 200, description = "The usage.", body = RunUsage))
)]
pub(crate) async fn retrieve_usage_for_run(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(run): PathId<RunId>,
) -> Answer<RunUsage> {
    Ok(Json(services.runs().usage(&actor, run).await?))
}
