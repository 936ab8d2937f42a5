//! `POST /v1/conversations/{conversation_id}/cancel` and `…/reset-pending`

use actix_web::web::{Data, Json};
use serde_json::{Map, Value};

use super::DefaultOf;
use crate::{
    error::Answer,
    extract::{PathHistory, Query, RequestActor},
    managers::Services,
    routes::agents::messages::{ResetPending, outcomes},
};

/// Cancel the runs of a conversation.
///
/// All that are going, and the one that waits for the client.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/cancel", tag = "conversations",
    params(
        ("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`."),
        DefaultOf,
    ),
    responses((
        status = 200, description = "`cancelled` or `failed` for each run.", body = Object,
        example = json!({"run-123e4567-e89b-42d3-8456-426614174000": "cancelled"})
    ))
)]
pub(crate) async fn cancel_conversation(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    Query(query): Query<DefaultOf>,
) -> Answer<Map<String, Value>> {
    let history = services.conversations().history(&actor, name, query.agent()?).await?;
    Ok(Json(outcomes(services.agent_loop().cancel_history(&actor, history).await?)))
}

/// Give up what waits for the client in a conversation.
///
/// Tool calls that wait for an approval, or for the result of a tool of the client, are denied. Afterwards the
/// conversation can be sent messages again. Nothing is pending: nothing happens.
#[utoipa::path(
    post, path = "/v1/conversations/{conversation_id}/reset-pending", tag = "conversations",
    params(
        ("conversation_id" = String, Path, description = "A conversation; an agent, for its default history; `default`."),
        DefaultOf,
    ),
    responses((status = 200, description = "What was pending.", body = ResetPending))
)]
pub(crate) async fn reset_conversation_pending(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathHistory(name): PathHistory,
    Query(query): Query<DefaultOf>,
) -> Answer<ResetPending> {
    let history = services.conversations().history(&actor, name, query.agent()?).await?;
    Ok(Json(services.agent_loop().reset_pending(&actor, history).await?.into()))
}
