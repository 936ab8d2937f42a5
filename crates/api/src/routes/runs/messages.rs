//! `GET /v1/runs/{run_id}/messages`

use actix_web::web::{Data, Json};

use crate::{
    error::Answer,
    extract::{Paging, PathId, RequestActor},
    managers::{
        Services,
        schema::{RunId, WireMessage},
    },
};

/// List the messages of a run.
///
/// What was sent and what came of it. `limit` counts stored messages, of which one can be several of these.
#[utoipa::path(
    get, path = "/v1/runs/{run_id}/messages", tag = "runs",
    params(("run_id" = RunId, Path, description = "The run."), Paging::<100, false>),
    responses((status = 200, description = "A page of messages.", body = Vec<WireMessage>))
)]
pub(crate) async fn list_messages_for_run(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(run): PathId<RunId>,
    paging: Paging<100, false>,
) -> Answer<Vec<WireMessage>> {
    Ok(Json(services.runs().messages(&actor, run, paging.page).await?))
}
