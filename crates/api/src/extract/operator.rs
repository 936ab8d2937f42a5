//! Who may decide about organizations and users.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::StatusCode};

use crate::{app::settings, error::ApiError};

/// Whoever knows the server's password. While it has none, whoever works on the machine that it runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operator;

impl FromRequest for Operator {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        // With a password nobody comes this far without it.
        let known = settings(request).password.is_some();
        let local = request.peer_addr().is_some_and(|address| address.ip().to_canonical().is_loopback());
        ready(if known || local {
            Ok(Self)
        } else {
            let text = "Organizations and users can be managed from another machine only when the server has a \
                        password. Set one with MUISTI_PASSWORD, or send the request from the server's machine.";
            Err(ApiError::Detail(StatusCode::FORBIDDEN, text.to_owned()))
        })
    }
}
