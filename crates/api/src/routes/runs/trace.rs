//! `GET /v1/runs/{run_id}/trace`

use actix_web::web::{Data, Json};
use serde::{Deserialize, Deserializer, de};
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{PathId, Query, RequestActor},
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
    limit: SpanLimit,
}

/// A number of spans.
#[derive(Debug, Clone, Copy)]
struct SpanLimit(usize);

impl Default for SpanLimit {
    fn default() -> Self {
        Self(1000)
    }
}

impl<'de> Deserialize<'de> for SpanLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let limit = i64::deserialize(deserializer)?;
        let allowed = usize::try_from(limit).ok().filter(|limit| (1..=5000).contains(limit));
        let refused = || de::Error::invalid_value(de::Unexpected::Signed(limit), &"between 1 and 5000");
        allowed.map(Self).ok_or_else(refused)
    }
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
    Ok(Json(services.traces().of_run(&actor, run, query.limit.0).await?))
}
