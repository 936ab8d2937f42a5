//! `GET /v1/jobs/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Paging, Query, RequestActor},
    managers::{
        Services,
        orm::{Order, Page, jobs::JobFilter},
        schema::Job,
    },
};

/// Which jobs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct JobQuery {
    /// Jobs whose metadata has this `source_id`.
    #[deprecated]
    source_id: Option<String>,
    /// Only jobs that have not ended.
    #[param(required = false, default = false)]
    active: bool,
    /// The older form of `order=desc`, when false.
    #[param(required = false, default = true)]
    #[deprecated]
    ascending: bool,
}

impl Default for JobQuery {
    fn default() -> Self {
        Self { source_id: None, active: false, ascending: true }
    }
}

/// List jobs.
///
/// Those of the user that asks. `before` means older jobs and `after` newer ones, whatever the order.
#[utoipa::path(
    get, path = "/v1/jobs/", tag = "jobs",
    params(Paging::<100, true>, JobQuery),
    responses((status = 200, description = "A page of jobs.", body = Vec<Job>))
)]
pub(crate) async fn list_jobs(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<100, true>,
    Query(query): Query<JobQuery>,
) -> Answer<Vec<Job>> {
    let order = if query.ascending { paging.page.order } else { Order::Desc };
    let filter = JobFilter { active: query.active, source_id: query.source_id };
    Ok(Json(services.jobs().list(&actor, filter, Page { order, ..paging.page }).await?))
}
