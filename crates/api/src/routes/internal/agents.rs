//! `/v1/_internal_agents`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, PathText, Query, RequestActor},
    managers::{
        Services,
        orm::agents::AgentFilter,
        schema::{AgentId, Block, BlockUpdate},
    },
};

/// Which agents to count.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct CountQuery {
    /// Whether agents that are hidden do not count.
    #[param(required = false, default = true)]
    exclude_hidden: bool,
}

impl Default for CountQuery {
    fn default() -> Self {
        Self { exclude_hidden: true }
    }
}

/// Count all agents.
#[utoipa::path(
    get, path = "/v1/_internal_agents/count", tag = "_internal_agents", params(CountQuery),
    responses((status = 200, description = "The number of agents.", body = i64))
)]
pub(crate) async fn count_internal_agents(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(query): Query<CountQuery>,
) -> Answer<i64> {
    let filter = AgentFilter { show_hidden: !query.exclude_hidden, ..AgentFilter::default() };
    Ok(Json(services.agents().count(&actor, filter).await?))
}

/// Update an agent's block by its label.
#[utoipa::path(
    patch, path = "/v1/_internal_agents/{agent_id}/core-memory/blocks/{block_label}", tag = "_internal_agents",
    request_body = BlockUpdate,
    params(
        ("agent_id" = AgentId, Path, description = "The agent."),
        ("block_label" = String, Path, description = "The label. It may have slashes in it."),
    ),
    responses((status = 200, description = "The block after the change.", body = Block))
)]
pub(crate) async fn modify_internal_core_memory_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(agent): PathId<AgentId>,
    PathText(label): PathText,
    JsonBody(change): JsonBody<BlockUpdate>,
) -> Answer<Block> {
    Ok(Json(services.blocks().update_by_label(&actor, agent, &label, change).await?))
}
