//! `POST /v1/runs/{run_id}/stream`

use actix_web::{HttpRequest, HttpResponse, web::Data};

use crate::{
    app,
    error::ApiError,
    extract::{OptionalJsonBody, PathId, RequestActor},
    managers::{
        Services,
        schema::{RetrieveStreamRequest, RunId, StreamEvent},
    },
    sse,
};

/// Read the stream of a background run.
///
/// All of it, or what comes after the event with the `seq_id` of `starting_after`: first what there is, then the rest
/// as it comes, up to `[DONE]`. Any number of clients may read it, until three hours after the run was made or as long
/// as it goes on. The other members of the body, which may be left out, have no effect.
#[utoipa::path(
    post, path = "/v1/runs/{run_id}/stream", tag = "runs", request_body = Option<RetrieveStreamRequest>,
    params(("run_id" = RunId, Path, description = "The run.")),
    responses((status = 200, description = "The events of the run.", content(
        (StreamEvent = "text/event-stream"),
    )))
)]
pub(crate) async fn retrieve_stream_for_run(
    RequestActor(actor): RequestActor,
    services: Data<Services>,
    PathId(run): PathId<RunId>,
    OptionalJsonBody(body): OptionalJsonBody<RetrieveStreamRequest>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let body = body.unwrap_or_default();
    let stream = services.streams().of_run(&actor, run, &body).await?;
    Ok(sse::respond(stream, body.include_pings.unwrap_or(true), app::settings(&request).keepalive))
}
