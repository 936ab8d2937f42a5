//! `POST /v1/agents/messages/search`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{JsonBody, RequestActor},
    managers::{
        Services,
        schema::{MessageSearchRequest, MessageSearchResult},
    },
};

/// Search the stored messages of all agents.
///
/// As `POST /v1/messages/search`, with messages as they are stored, what tools returned among them, and with their
/// ranks. Without a query the newest messages are found.
#[utoipa::path(
    post, path = "/v1/agents/messages/search", tag = "agents", request_body = MessageSearchRequest,
    responses((status = 200, description = "The messages that were found.", body = Vec<MessageSearchResult>))
)]
pub(crate) async fn search_messages(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    JsonBody(request): JsonBody<MessageSearchRequest>,
) -> Answer<Vec<MessageSearchResult>> {
    Ok(Json(services.messages().search_stored(&actor, request).await?))
}
