//! `GET /v1/agents/{agent_id}/groups`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{Paging, PathId, Query, RequestActor},
    managers::{
        Services,
        schema::{AgentId, Group, ManagerType},
    },
};

/// Which groups of the agent to list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct AgentGroupQuery {
    /// How the agents of the group take turns.
    manager_type: Option<String>,
}

/// List the groups that an agent is a member of.
///
/// Those that it manages are not among them.
#[utoipa::path(
    get, path = "/v1/agents/{agent_id}/groups", tag = "agents",
    params(("agent_id" = AgentId, Path, description = "The agent."), Paging::<100, true>, AgentGroupQuery),
    responses((status = 200, description = "A page of groups.", body = Vec<Group>))
)]
pub(crate) async fn list_groups_for_agent(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    paging: Paging<100, true>,
    Query(query): Query<AgentGroupQuery>,
) -> Answer<Vec<Group>> {
    // No group is of an unknown type.
    let manager_type = query.manager_type.as_deref().map(ManagerType::lenient);
    Ok(Json(services.groups().list_of_agent(&actor, agent, manager_type, paging.page).await?))
}
