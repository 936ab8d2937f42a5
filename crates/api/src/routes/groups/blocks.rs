//! The blocks that the agents of a group share: `/v1/groups/{group_id}/blocks`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{PathId, RequestActor},
    managers::{
        Services,
        schema::{BlockId, GroupId},
    },
};

/// Attach a block to a group.
///
/// All its agents get it. A block that the group has already is no error.
#[utoipa::path(
    patch, path = "/v1/groups/{group_id}/blocks/attach/{block_id}", tag = "groups",
    params(("group_id" = GroupId, Path, description = "The group."), ("block_id" = BlockId, Path, description = "The block.")),
    responses((status = 200, description = "The body is null."))
)]
#[deprecated]
pub(crate) async fn attach_block_to_group(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(group): PathId<GroupId>,
    PathId(block): PathId<BlockId>,
) -> Answer<()> {
    Ok(Json(services.groups().attach_block(&actor, group, block).await?))
}

/// Detach a block from a group.
///
/// All its agents lose it; the block itself stays. One that the group does not have is no error.
#[utoipa::path(
    patch, path = "/v1/groups/{group_id}/blocks/detach/{block_id}", tag = "groups",
    params(("group_id" = GroupId, Path, description = "The group."), ("block_id" = BlockId, Path, description = "The block.")),
    responses((status = 200, description = "The body is null."))
)]
#[deprecated]
pub(crate) async fn detach_block_from_group(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(group): PathId<GroupId>,
    PathId(block): PathId<BlockId>,
) -> Answer<()> {
    Ok(Json(services.groups().detach_block(&actor, group, block).await?))
}
