//! `GET /v1/_internal_runs/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::{
    error::Answer,
    extract::{DayEnd, Paging, Query, RequestActor, Sort, Within},
    managers::{
        Services,
        orm::runs::{Compare, RunFilter, RunSort},
        schema::{Run, Timestamp},
    },
    routes::runs::list::RunQuery,
};

impl Sort for RunSort {
    const FIELDS: &'static [(&'static str, Self)] = &[("created_at", Self::CreatedAt), ("duration", Self::Duration)];
}

/// How a number of steps compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ComparisonOperator {
    /// Exactly as many.
    #[default]
    Eq,
    /// As many or more.
    Gte,
    /// As many or fewer.
    Lte,
}

/// How a duration compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum DurationOperator {
    Gt,
    Lt,
    Eq,
}

/// Which runs to list, beyond what the public list knows.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct InternalRunQuery {
    /// This run.
    run_id: Option<String>,
    /// Runs of agents of this base template.
    template_family: Option<String>,
    /// Runs that took so many steps.
    step_count: Option<i64>,
    /// How `step_count` compares.
    #[param(required = false, default = "eq")]
    step_count_operator: ComparisonOperator,
    /// Runs that called one of these tools, by their ids.
    #[param(required = false)]
    tools_used: Vec<String>,
    /// The exact project.
    project_id: Option<String>,
    /// Runs that took at least as long as this percentage of the others, 1 to 100.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    duration_percentile: Option<Within<1, 100>>,
    /// Runs that took so many nanoseconds.
    duration_value: Option<i64>,
    /// How `duration_value` compares; without it exactly.
    #[param(inline, value_type = Option<DurationOperator>)]
    duration_operator: Option<DurationOperator>,
    /// Runs that began at this time or later.
    #[param(value_type = Option<String>, format = DateTime)]
    start_date: Option<Timestamp>,
    /// Runs that began at this time or earlier. A date without a time means all of that day.
    #[param(value_type = Option<String>, format = DateTime)]
    end_date: Option<DayEnd>,
}

impl InternalRunQuery {
    fn narrow(self, filter: RunFilter) -> RunFilter {
        let steps = self.step_count.map(|count| match self.step_count_operator {
            ComparisonOperator::Eq => Compare::Equal(count),
            ComparisonOperator::Gte => Compare::AtLeast(count),
            ComparisonOperator::Lte => Compare::AtMost(count),
        });
        let duration = self.duration_value.map(|value| match self.duration_operator {
            Some(DurationOperator::Gt) => Compare::Above(value),
            Some(DurationOperator::Lt) => Compare::Below(value),
            Some(DurationOperator::Eq) | None => Compare::Equal(value),
        });
        RunFilter {
            id: self.run_id,
            project_id: self.project_id,
            base_template_id: self.template_family,
            steps,
            tools_used: self.tools_used,
            duration,
            duration_percentile: self.duration_percentile.map(|percentile| percentile.0),
            start: self.start_date,
            end: self.end_date.map(|end| end.0),
            ..filter
        }
    }
}

/// List runs by how long they took and what they used.
#[utoipa::path(
    get, path = "/v1/_internal_runs/", tag = "_internal_runs",
    params(Paging::<100, true, RunSort>, RunQuery, InternalRunQuery),
    responses((status = 200, description = "A page of runs.", body = Vec<Run>))
)]
pub(crate) async fn list_internal_runs(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<100, true, RunSort>,
    Query(query): Query<RunQuery>,
    Query(more): Query<InternalRunQuery>,
) -> Answer<Vec<Run>> {
    let page = query.page(paging.page);
    let filter = more.narrow(query.filter()?);
    Ok(Json(services.runs().list_by(&actor, filter, paging.sort, page).await?))
}
