//! A name for every request: in the log, and in the answer for whoever asks about it.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
};
use tracing::Instrument;
use uuid::Uuid;

const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Takes the caller's `x-request-id`, when it is short and plain, or makes one, and returns it.
pub(crate) async fn request_id(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let given = request.headers().get(&HEADER).filter(|value| is_sane(value.as_bytes())).cloned();
    let id = match given {
        Some(id) => id,
        None => HeaderValue::from_str(&Uuid::new_v4().simple().to_string())?,
    };
    let span = tracing::info_span!("request", id = id.to_str().unwrap_or_default());
    let mut response = next.call(request).instrument(span).await?;
    response.headers_mut().insert(HEADER, id);
    Ok(response)
}

fn is_sane(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte))
}
