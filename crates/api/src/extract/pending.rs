//! What to do with a message while tool calls wait for the client, as the header `x-muisti-on-pending` says it.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{error::ApiError, managers::WhenPending};

/// The header's name.
const HEADER: &str = "x-muisti-on-pending";

/// `deny`: deny what waits and go on. `refuse`: 409. Without the header: what the server's settings say.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnPending(pub(crate) Option<WhenPending>);

impl FromRequest for OnPending {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let value = request.headers().get(HEADER).map(|value| value.to_str().unwrap_or_default());
        ready(match value {
            None => Ok(Self(None)),
            Some("refuse") => Ok(Self(Some(WhenPending::Refuse))),
            Some("deny") => Ok(Self(Some(WhenPending::Deny))),
            Some(other) => {
                Err(ApiError::unprocessable(format!("The header {HEADER} must be 'refuse' or 'deny', not '{other}'.")))
            }
        })
    }
}
