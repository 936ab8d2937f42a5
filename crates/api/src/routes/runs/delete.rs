//! `DELETE /v1/runs/{run_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{Services, schema::RunId},
};

/// Delete a run.
///
/// Its messages and steps stay, as those of no run. A run that is going cannot be deleted.
#[utoipa::path(
    delete, path = "/v1/runs/{run_id}", tag = "runs",
    params(("run_id" = RunId, Path, description = "The run.")),
    responses((status = 200, description = "The run is gone. The body is null."))
)]
pub(crate) async fn delete_run(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(run): PathId<RunId>,
) -> Answer<()> {
    Ok(Json(services.runs().delete(&actor, run).await?))
}
