//! `GET /v1/steps/`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Known, Paging, Query, RequestActor},
    managers::{
        Services,
        orm::steps::StepFilter,
        schema::{AgentId, FeedbackType, Step, Timestamp},
    },
};

/// Which steps to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct StepQuery {
    /// Steps that began after this time.
    #[param(value_type = String, required = false)]
    start_date: Option<Timestamp>,
    /// Steps that began before this time.
    #[param(value_type = String, required = false)]
    end_date: Option<Timestamp>,
    /// The name of the model.
    model: Option<String>,
    /// Steps of this agent.
    agent_id: Option<AgentId>,
    /// Steps of one of these traces.
    #[param(required = false)]
    trace_ids: Vec<String>,
    /// Steps with this feedback.
    #[param(value_type = FeedbackType, required = false)]
    feedback: Option<Known<FeedbackType>>,
    /// Steps with feedback, or steps without.
    has_feedback: Option<bool>,
    /// Steps with one of these tags.
    #[param(required = false)]
    tags: Vec<String>,
    /// The exact project.
    project_id: Option<String>,
}

/// List steps.
#[utoipa::path(
    get, path = "/v1/steps/", tag = "steps",
    params(Paging::<50, true>, StepQuery),
    responses((status = 200, description = "A page of steps.", body = Vec<Step>))
)]
pub(crate) async fn list_steps(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, true>,
    Query(query): Query<StepQuery>,
) -> Answer<Vec<Step>> {
    let filter = StepFilter {
        run_id: None,
        agent_id: query.agent_id,
        model: query.model,
        trace_ids: query.trace_ids,
        feedback: query.feedback.map(|known| known.0),
        has_feedback: query.has_feedback,
        tags: query.tags,
        project_id: query.project_id,
        start: query.start_date,
        end: query.end_date,
    };
    Ok(Json(services.steps().list(&actor, filter, paging.page).await?))
}
