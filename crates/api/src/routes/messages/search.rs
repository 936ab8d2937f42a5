//! `POST /v1/messages/search`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{FoundMessage, SearchAllMessagesRequest},
    },
};

/// Search what was said to and by all agents.
///
/// The best match comes first. Words are looked for in a full-text index; where it has none of them, messages are found
/// that contain the query as it stands, the newest first. `limit` counts stored messages, of which one can be several
/// of these. `start_date` is exclusive, `end_date` inclusive.
#[utoipa::path(
    post, path = "/v1/messages/search", tag = "messages", request_body = SearchAllMessagesRequest,
    responses((status = 200, description = "The messages that were found.", body = Vec<FoundMessage>))
)]
pub(crate) async fn search_all_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(request): JsonBody<SearchAllMessagesRequest>,
) -> Answer<Vec<FoundMessage>> {
    Ok(Json(services.messages().search(&actor, request).await?))
}
