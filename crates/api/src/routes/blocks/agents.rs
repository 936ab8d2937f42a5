//! `GET /v1/blocks/{block_id}/agents`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{ClientGeneration, Paging, PathId, Query, RequestActor},
    managers::{
        Services,
        schema::{AgentState, BlockId},
    },
    routes::agents::IncludeQuery,
};

/// List the agents that have a block.
#[utoipa::path(
    get, path = "/v1/blocks/{block_id}/agents", tag = "blocks",
    params(("block_id" = BlockId, Path, description = "The block."), Paging::<50, true>, IncludeQuery),
    responses((status = 200, description = "A page of agents.", body = Vec<AgentState>))
)]
pub(crate) async fn list_agents_for_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(block): PathId<BlockId>,
    paging: Paging<50, true>,
    Query(include): Query<IncludeQuery>,
    client: ClientGeneration,
) -> Answer<Vec<AgentState>> {
    Ok(Json(services.agents().list_of_block(&actor, block, paging.page, include.of(client)).await?))
}
