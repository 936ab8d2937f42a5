//! The server's password, when it has one.

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
};
use serde_json::json;
use subtle::ConstantTimeEq;

use crate::app::settings_of;

/// A password that never shows itself.
#[derive(Clone)]
pub struct Password(String);

impl Password {
    /// A password as configured.
    #[must_use]
    pub const fn new(password: String) -> Self {
        Self(password)
    }

    /// Compares in a time that does not depend on where the first difference is.
    fn is(&self, given: &str) -> bool {
        bool::from(self.0.as_bytes().ct_eq(given.as_bytes()))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// Demands the password on every path but those of the health checks.
pub(crate) async fn password<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let authorised = match &settings_of(&request).password {
        None => true,
        Some(_) if matches!(request.path(), "/v1/health" | "/v1/ready") => true,
        Some(password) => given(&request).is_some_and(|given| password.is(given)),
    };
    if authorised {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let response = HttpResponse::Unauthorized()
        .insert_header((header::WWW_AUTHENTICATE, "Bearer"))
        .json(json!({ "detail": "Unauthorized" }));
    Ok(request.into_response(response).map_into_right_body())
}

/// The password of the request, from either of the two headers that may carry it.
fn given(request: &ServiceRequest) -> Option<&str> {
    let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let bearer = header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    bearer.or_else(|| header("x-bare-password").and_then(|value| value.strip_prefix("password ")))
}
