//! `POST /v1/passages/search`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{PassageSearchRequest, PassageSearchResult},
    },
};

/// Search passages.
///
/// In the archive of an agent, in an archive, or in all archives. The best come first; without a query the oldest.
/// `metadata` says how a passage was found: `search_mode` is `fts` for the full-text index, and `sql` for passages
/// that hold no such word but contain the query as it stands.
#[utoipa::path(
    post, path = "/v1/passages/search", tag = "passages", request_body = PassageSearchRequest,
    responses((status = 200, description = "The passages that were found.", body = Vec<PassageSearchResult>))
)]
pub(crate) async fn search_passages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(request): JsonBody<PassageSearchRequest>,
) -> Answer<Vec<PassageSearchResult>> {
    Ok(Json(services.passages().search(&actor, request).await?))
}
