//! `PATCH /v1/blocks/{block_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{BlockId, BlockResponse, BlockUpdate},
    },
};

/// Update a block.
///
/// Fields that are absent or null stay as they are. Every agent that has the block sees the change in its next step.
#[utoipa::path(
    patch, path = "/v1/blocks/{block_id}", tag = "blocks", request_body = BlockUpdate,
    params(("block_id" = BlockId, Path, description = "The block.")),
    responses((status = 200, description = "The block after the change.", body = BlockResponse))
)]
pub(crate) async fn modify_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(block): PathId<BlockId>,
    JsonBody(change): JsonBody<BlockUpdate>,
) -> Answer<BlockResponse> {
    Ok(Json(services.blocks().update(&actor, block, change).await?.into()))
}
