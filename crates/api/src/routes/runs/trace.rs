//! `GET /v1/runs/{run_id}/trace`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{PathId, Query, RequestActor, Within},
    managers::{
        Services,
        schema::{RunId, Span},
    },
};

/// How much of a run's time to show.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct SpanQuery {
    /// The most spans to return, 1 to 5000.
    #[param(value_type = i64, required = false, minimum = 1, maximum = 5000, default = 1000)]
    limit: Option<Within<1, 5000>>,
}

/// Retrieve how the time of a run was spent.
///
/// The run, its steps, their tools and the first token as spans of OpenTelemetry, in the order in which they began. The
/// list is empty before the first step has ended.
#[utoipa::path(
    get, path = "/v1/runs/{run_id}/trace", tag = "runs",
    params(("run_id" = RunId, Path, description = "The run."), SpanQuery),
    responses((status = 200, description = "The spans.", body = Vec<Object>))
)]
pub(crate) async fn retrieve_trace_for_run(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(run): PathId<RunId>,
    Query(query): Query<SpanQuery>,
) -> Answer<Vec<Span>> {
    let limit = query.limit.map_or(Ok(1000), |limit| limit.0.try_into()).unwrap_or(usize::MAX);
    Ok(Json(services.traces().of_run(&actor, run, limit).await?))
}
