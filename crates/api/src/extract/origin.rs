//! How a request to an agent has come, as its headers say it.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{error::ApiError, managers::Origin};

/// The client's own id of the request, which is noted with the steps that come of it.
const REQUEST_ID: &str = "x-api-request-log-id";
/// How often an official client has sent the request before; those of OpenAI say it too.
const RETRIES: &str = "x-stainless-retry-count";

/// Where a request comes from, the route aside.
#[derive(Debug, Clone)]
pub(crate) struct RequestOrigin(pub(crate) Origin);

impl FromRequest for RequestOrigin {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
        let retries = text(RETRIES).and_then(|count| count.parse::<u32>().ok());
        let request_id = text(REQUEST_ID).filter(|id| !id.is_empty()).map(str::to_owned);
        ready(Ok(Self(Origin { run_type: None, request_id, repeat: retries.is_some_and(|count| count > 0) })))
    }
}
