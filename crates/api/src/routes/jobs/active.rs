//! `GET /v1/jobs/active`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Limit, Query, RequestActor},
    managers::{
        Services,
        orm::{Order, Page, jobs::JobFilter},
        schema::Job,
    },
};

/// How many active jobs are listed unless the request says otherwise.
const USUAL: i64 = 50;

/// Which active jobs to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct ActiveJobQuery {
    /// Jobs whose metadata has this `source_id`.
    #[deprecated]
    source_id: Option<String>,
    /// The id of a job: only older ones.
    before: Option<String>,
    /// The id of a job: only newer ones.
    after: Option<String>,
    /// How many jobs to return at most.
    #[param(value_type = i64, required = false, default = 50, minimum = 0)]
    limit: Option<Limit>,
    /// Whether the oldest job comes first.
    #[param(value_type = bool, required = false, default = true)]
    ascending: Option<bool>,
}

/// List the jobs that have not ended.
///
/// The oldest first. Use the list of jobs with `active=true` instead.
#[utoipa::path(
    get, path = "/v1/jobs/active", tag = "jobs", params(ActiveJobQuery),
    responses((status = 200, description = "Active jobs.", body = Vec<Job>))
)]
#[deprecated]
pub(crate) async fn list_active_jobs(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(query): Query<ActiveJobQuery>,
) -> Answer<Vec<Job>> {
    let page = Page {
        before: query.before,
        after: query.after,
        limit: query.limit.map_or(USUAL, |limit| limit.0),
        order: if query.ascending == Some(false) { Order::Desc } else { Order::Asc },
    };
    let filter = JobFilter { active: true, source_id: query.source_id };
    Ok(Json(services.jobs().list(&actor, filter, page).await?))
}
