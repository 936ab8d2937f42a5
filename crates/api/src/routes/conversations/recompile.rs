//! `POST /v1/conversations/{conversation_id}/recompile`

use actix_web::web::{Data, Json};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::{
    error::Answer,
    extract::{OptionalJsonBody, PathHistory, Query, RequestActor},
    managers::{Services, schema::ConversationCompactionRequest},
};

/// What to do with the text.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
pub(crate) struct RecompileQuery {
    /// Whether to return the message without storing it.
    #[param(required = false, default = false)]
    dry_run: bool,
}

/// Render a conversation's system message anew.
///
/// It shows the agent's memory as it is now, with the conversation's own blocks. Until then, or until the conversation
/// is compacted, it shows the memory as it was when the conversation began.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/recompile", tag = "conversations",
    request_body = Option<ConversationCompactionRequest>,
    params(
        ("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`."),
        RecompileQuery,
    ),
    responses((status = 200, description = "The text of the system message.", body = String))
)]
pub(crate) async fn recompile_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    Query(query): Query<RecompileQuery>,
    OptionalJsonBody(body): OptionalJsonBody<ConversationCompactionRequest>,
) -> Answer<String> {
    let conversations = services.conversations();
    let history = conversations.history(&actor, name, body.and_then(|body| body.agent_id)).await?;
    Ok(Json(conversations.recompile(&actor, history, query.dry_run).await?))
}
