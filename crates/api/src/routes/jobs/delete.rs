//! `DELETE /v1/jobs/{job_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Job, JobId},
    },
};

/// Delete a job.
#[utoipa::path(
    delete, path = "/v1/jobs/{job_id}", tag = "jobs",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job as it was.", body = Job))
)]
pub(crate) async fn delete_job(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(job): PathId<JobId>,
) -> Answer<Job> {
    Ok(Json(services.jobs().delete(&actor, job).await?))
}
