//! `GET /v1/identities/{identity_id}/blocks`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{Paging, PathId, RequestActor},
    managers::{
        Services,
        schema::{BlockResponse, IdentityId},
    },
};

/// List the blocks of an identity.
#[utoipa::path(
    get, path = "/v1/identities/{identity_id}/blocks", tag = "identities",
    params(("identity_id" = IdentityId, Path, description = "The identity."), Paging::<50, true>),
    responses((status = 200, description = "A page of blocks.", body = Vec<BlockResponse>))
)]
#[deprecated]
pub(crate) async fn list_blocks_for_identity(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(identity): PathId<IdentityId>,
    paging: Paging<50, true>,
) -> Answer<Vec<BlockResponse>> {
    let blocks = services.identities().list_blocks(&actor, identity, paging.page).await?;
    Ok(Json(blocks.into_iter().map(Into::into).collect()))
}
