//! `GET /v1/jobs/{job_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{Job, JobId},
    },
};

/// Retrieve a job.
#[utoipa::path(
    get, path = "/v1/jobs/{job_id}", tag = "jobs",
    params(("job_id" = JobId, Path, description = "The job.")),
    responses((status = 200, description = "The job.", body = Job))
)]
pub(crate) async fn retrieve_job(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(job): PathId<JobId>,
) -> Answer<Job> {
    Ok(Json(services.jobs().get(&actor, job).await?))
}
