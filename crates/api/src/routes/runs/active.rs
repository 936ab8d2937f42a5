//! `GET /v1/runs/active`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Query, RequestActor},
    managers::{
        Services,
        schema::{AgentId, Run},
    },
};

/// Which active runs to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActiveQuery {
    /// Runs of this agent.
    agent_id: Option<AgentId>,
    /// Runs that go on without their client, or runs that do not.
    background: Option<bool>,
}

/// List the runs that have not ended.
///
/// The newest 100. Use the list of runs with `active=true` instead.
#[utoipa::path(
    get, path = "/v1/runs/active", tag = "runs", params(ActiveQuery),
    responses((status = 200, description = "Active runs, newest first.", body = Vec<Run>))
)]
#[deprecated]
pub(crate) async fn list_active_runs(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(query): Query<ActiveQuery>,
) -> Answer<Vec<Run>> {
    Ok(Json(services.runs().active(&actor, query.agent_id, query.background).await?))
}
