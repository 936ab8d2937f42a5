//! The identities of a block: `/v1/blocks/{block_id}/identities`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{BlockId, BlockResponse, IdentityId},
    },
};

/// Attach an identity to a block.
///
/// An identity that the block has already is no error.
#[utoipa::path(
    patch, path = "/v1/blocks/{block_id}/identities/attach/{identity_id}", tag = "blocks",
    params(
        ("block_id" = BlockId, Path, description = "The block."),
        ("identity_id" = IdentityId, Path, description = "The identity."),
    ),
    responses((status = 200, description = "The block.", body = BlockResponse))
)]
pub(crate) async fn attach_identity_to_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(block): PathId<BlockId>,
    PathId(identity): PathId<IdentityId>,
) -> Answer<BlockResponse> {
    Ok(Json(services.identities().attach_to_block(&actor, block, identity).await?.into()))
}

/// Detach an identity from a block.
///
/// The identity itself stays. One that the block does not have is no error.
#[utoipa::path(
    patch, path = "/v1/blocks/{block_id}/identities/detach/{identity_id}", tag = "blocks",
    params(
        ("block_id" = BlockId, Path, description = "The block."),
        ("identity_id" = IdentityId, Path, description = "The identity."),
    ),
    responses((status = 200, description = "The block.", body = BlockResponse))
)]
pub(crate) async fn detach_identity_from_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(block): PathId<BlockId>,
    PathId(identity): PathId<IdentityId>,
) -> Answer<BlockResponse> {
    Ok(Json(services.identities().detach_from_block(&actor, block, identity).await?.into()))
}
