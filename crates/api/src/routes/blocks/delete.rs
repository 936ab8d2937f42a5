//! `DELETE /v1/blocks/{block_id}`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{Services, schema::BlockId},
};

/// Delete a block.
///
/// It is detached from every agent that has it.
#[utoipa::path(
    delete, path = "/v1/blocks/{block_id}", tag = "blocks",
    params(("block_id" = BlockId, Path, description = "The block.")),
    responses((status = 200, description = "The block is gone. The body is null."))
)]
pub(crate) async fn delete_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(block): PathId<BlockId>,
) -> Answer<()> {
    Ok(Json(services.blocks().delete(&actor, block).await?))
}
