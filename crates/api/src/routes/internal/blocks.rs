//! `/v1/_internal_blocks`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{ClientGeneration, JsonBody, Paging, PathId, Query, RequestActor},
    managers::{
        Services,
        schema::{AgentState, Block, BlockId, CreateBlock},
    },
    routes::{agents::IncludeQuery, blocks::list::BlockQuery},
};

/// List blocks in their internal form.
#[utoipa::path(
    get, path = "/v1/_internal_blocks/", tag = "_internal_blocks",
    params(Paging::<50, false>, BlockQuery),
    responses((status = 200, description = "A page of blocks.", body = Vec<Block>))
)]
pub(crate) async fn list_internal_blocks(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    paging: Paging<50, false>,
    Query(query): Query<BlockQuery>,
) -> Answer<Vec<Block>> {
    let filter = query.filter()?;
    Ok(Json(services.blocks().list(&actor, filter, paging.page).await?))
}

/// Create a block.
#[utoipa::path(
    post, path = "/v1/_internal_blocks/", tag = "_internal_blocks", request_body = CreateBlock,
    responses((status = 200, description = "The new block.", body = Block))
)]
pub(crate) async fn create_internal_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(block): JsonBody<CreateBlock>,
) -> Answer<Block> {
    Ok(Json(services.blocks().create(&actor, block).await?))
}

/// Delete a block.
#[utoipa::path(
    delete, path = "/v1/_internal_blocks/{block_id}", tag = "_internal_blocks",
    params(("block_id" = BlockId, Path, description = "The block.")),
    responses((status = 200, description = "The block is gone. The body is null."))
)]
pub(crate) async fn delete_internal_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(block): PathId<BlockId>,
) -> Answer<()> {
    Ok(Json(services.blocks().delete(&actor, block).await?))
}

/// List the agents that have a block.
#[utoipa::path(
    get, path = "/v1/_internal_blocks/{block_id}/agents", tag = "_internal_blocks",
    params(("block_id" = BlockId, Path, description = "The block."), Paging::<50, true>, IncludeQuery),
    responses((status = 200, description = "A page of agents.", body = Vec<AgentState>))
)]
pub(crate) async fn list_agents_for_internal_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(block): PathId<BlockId>,
    paging: Paging<50, true>,
    Query(include): Query<IncludeQuery>,
    client: ClientGeneration,
) -> Answer<Vec<AgentState>> {
    Ok(Json(services.agents().list_of_block(&actor, block, paging.page, include.of(client)).await?))
}
