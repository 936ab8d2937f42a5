//! `GET /v1/blocks/count`

use actix_web::web::{Data, Json};

use super::list::BlockQuery;
use crate::{
    error::Answer,
    extract::{Query, RequestActor},
    managers::Services,
};

/// Count blocks.
///
/// The number of blocks that the list with the same conditions has in all; without conditions the number of all
/// blocks, hidden ones and templates included.
#[utoipa::path(
    get, path = "/v1/blocks/count", tag = "blocks", params(BlockQuery),
    responses((status = 200, description = "The number of blocks.", body = i64))
)]
pub(crate) async fn count_blocks(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    Query(query): Query<BlockQuery>,
) -> Answer<i64> {
    if query.is_empty() {
        return Ok(Json(services.blocks().count(&actor, None).await?));
    }
    Ok(Json(services.blocks().count(&actor, Some(query.filter()?)).await?))
}
