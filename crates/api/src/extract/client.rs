//! Which generation of client is asking: a few answers differ by it.

use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header};

use crate::error::ApiError;

/// The generation of the calling client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ClientGeneration {
    /// An official SDK of version 1, or a client that names neither itself nor a version.
    V1,
    /// An official SDK of an earlier version.
    Early,
    /// Everything else: curl, browsers, plain HTTP libraries.
    Other,
}

impl ClientGeneration {
    /// Whether the answers of the first API generation are expected: relationships loaded without asking, agents
    /// where version 1 answers null.
    pub(crate) const fn is_legacy(self) -> bool {
        !matches!(self, Self::V1)
    }

    fn of(request: &HttpRequest) -> Self {
        let header = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        if !header("x-stainless-package-version").is_empty() {
            return Self::V1;
        }
        let agent = header(header::USER_AGENT.as_str());
        if agent.is_empty() {
            return Self::V1;
        }
        let version = agent.strip_prefix("@letta-ai/").unwrap_or(agent).strip_prefix("letta-client/");
        match version.and_then(|version| version.split('.').next()) {
            Some("1") => Self::V1,
            Some("0") => Self::Early,
            _ => Self::Other,
        }
    }
}

impl FromRequest for ClientGeneration {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Ok(Self::of(request)))
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn the_generation_is_read_from_the_user_agent() {
        for (agent, generation) in [
            ("", ClientGeneration::V1),
            ("letta-client/1.7.2", ClientGeneration::V1),
            ("@letta-ai/letta-client/1.0.0-alpha.2", ClientGeneration::V1),
            ("letta-client/0.1.324", ClientGeneration::Early),
            ("letta-client/10.0.0", ClientGeneration::Other),
            ("curl/8.5.0", ClientGeneration::Other),
            ("python-requests/2.32", ClientGeneration::Other),
        ] {
            let request = TestRequest::default().insert_header((header::USER_AGENT, agent)).to_http_request();
            assert_eq!(ClientGeneration::of(&request), generation, "{agent}");
        }
    }

    #[test]
    fn the_package_version_header_means_version_1() {
        let request = TestRequest::default()
            .insert_header((header::USER_AGENT, "Letta/Python 1.12.1"))
            .insert_header(("x-stainless-package-version", "1.12.1"))
            .to_http_request();
        assert_eq!(ClientGeneration::of(&request), ClientGeneration::V1);
    }
}
