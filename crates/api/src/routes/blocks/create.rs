//! `POST /v1/blocks/`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{BlockResponse, CreateBlock},
    },
};

/// Create a block.
///
/// The block belongs to no agent until it is attached to one.
#[utoipa::path(
    post, path = "/v1/blocks/", tag = "blocks", request_body = CreateBlock,
    responses((status = 200, description = "The new block.", body = BlockResponse))
)]
pub(crate) async fn create_block(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(block): JsonBody<CreateBlock>,
) -> Answer<BlockResponse> {
    Ok(Json(services.blocks().create(&actor, block).await?.into()))
}
