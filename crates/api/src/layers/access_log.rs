//! One line for every request. Never bodies, query strings or headers: they hold secrets and conversations.

use std::time::Instant;

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
};

/// Logs method, path, status and the time until the head of the answer.
pub(crate) async fn access_log(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let start = Instant::now();
    let method = request.method().clone();
    let path = request.path().to_owned();
    let response = next.call(request).await?;
    let ms = start.elapsed().as_secs_f64() * 1000.0;
    let status = response.status().as_u16();
    // Health checks come every few seconds, and say something only when they fail.
    if path.trim_end_matches('/').ends_with("/health") || path.trim_end_matches('/').ends_with("/ready") {
        tracing::debug!(%method, path, status, ms = format_args!("{ms:.1}"), "request");
    } else {
        tracing::info!(%method, path, status, ms = format_args!("{ms:.1}"), "request");
    }
    Ok(response)
}
