//! `GET /v1/blocks/{block_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{BlockId, BlockResponse},
    },
};

/// Retrieve a block.
#[utoipa::path(
    get, path = "/v1/blocks/{block_id}", tag = "blocks",
    params(("block_id" = BlockId, Path, description = "The block.")),
    responses((status = 200, description = "The block.", body = BlockResponse))
)]
pub(crate) async fn retrieve_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(block): PathId<BlockId>,
) -> Answer<BlockResponse> {
    Ok(Json(services.blocks().get(&actor, block).await?.into()))
}
