//! `GET /v1/agents/count`

use actix_web::web::{Data, Json};

use super::list::AgentQuery;
use crate::{
    error::Answer,
    extract::{Query, RequestActor},
    managers::Services,
};

/// Count agents.
///
/// The number of agents that the list with the same conditions has in all.
#[utoipa::path(
    get, path = "/v1/agents/count", tag = "agents", params(AgentQuery),
    responses((status = 200, description = "The number of agents.", body = i64))
)]
pub(crate) async fn count_agents(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(query): Query<AgentQuery>,
) -> Answer<i64> {
    Ok(Json(services.agents().count(&actor, query.filter()).await?))
}
