//! The guard against DNS rebinding.
//!
//! A server that listens on the loopback address without a password trusts every program of its machine. A web page
//! whose name suddenly points at 127.0.0.1 would become one of them, and the browser would let it read the answers.
//! Its requests still carry the page's own name in `Host`.

use std::net::IpAddr;

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{StatusCode, header},
    middleware::Next,
};
use serde_json::json;

use crate::app::settings_of;

/// Refuses requests whose `Host` is a name that does not belong to this machine.
pub(crate) async fn host<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let settings = settings_of(&request);
    if settings.guard_host {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("").to_owned();
        let name = name_of(&host);
        if !is_local(name)
            && !settings.allowed_hosts.iter().any(|allowed| allowed == name || allowed == "*")
            && !settings.origins.include_host(name)
        {
            let detail = format!(
                "This server listens on the local machine only and does not know itself as '{name}'. If that is its \
                 name, for instance behind a proxy, put it into MUISTI_ALLOWED_HOSTS."
            );
            let response = HttpResponse::build(StatusCode::FORBIDDEN).json(json!({ "detail": detail }));
            return Ok(request.into_response(response).map_into_right_body());
        }
    }
    Ok(next.call(request).await?.map_into_left_body())
}

/// The host without its port.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or(host),
    }
}

fn is_local(name: &str) -> bool {
    name.is_empty() || name == "localhost" || name.ends_with(".localhost") || name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_localhost_are_local_and_other_names_are_not() {
        for host in ["127.0.0.1:8283", "localhost", "localhost:1", "letta.localhost:3", "[::1]:8283", "192.168.1.4", ""]
        {
            assert!(is_local(name_of(host)), "{host}");
        }
        for host in ["evil.example", "evil.example:8283", "localhost.evil.example", "127.0.0.1.nip.io"] {
            assert!(!is_local(name_of(host)), "{host}");
        }
    }
}
