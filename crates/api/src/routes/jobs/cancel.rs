//! `PATCH /v1/jobs/{job_id}/cancel`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Job, JobId},
    },
};

/// Cancel a job.
///
/// One that has ended stays as it is.
#[utoipa::path(
    patch, path = "/v1/jobs/{job_id}/cancel", tag = "jobs",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job, which has ended.", body = Job))
)]
pub(crate) async fn cancel_job(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(job): PathId<JobId>,
) -> Answer<Job> {
    Ok(Json(services.jobs().cancel(&actor, job).await?))
}
