//! Cross-origin requests: which web pages may read the answers.

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
};

use crate::app::settings_of;

const METHODS: HeaderValue = HeaderValue::from_static("DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The origins whose pages may read the answers of this server.
#[derive(Debug, Clone)]
pub struct Origins(Vec<String>);

/// The hosted console, which people point at their own servers.
const CONSOLE: &str = "https://app.letta.com";
const LOCAL: [&str; 5] = [
    "http://letta.localhost",
    "http://localhost:8283",
    "http://localhost:8083",
    "http://localhost:3000",
    "http://localhost:4200",
];

impl Origins {
    /// The usual local origins and `more`, or only the given `instead`; the hosted console always.
    #[must_use]
    pub fn new(more: &[String], instead: Option<&[String]>) -> Self {
        let mut origins: Vec<String> = match instead {
            Some(origins) => origins.to_vec(),
            None => LOCAL.iter().map(|origin| (*origin).to_owned()).chain(more.iter().cloned()).collect(),
        };
        origins.push(CONSOLE.to_owned());
        origins.iter_mut().for_each(|origin| *origin = origin.trim().trim_end_matches('/').to_owned());
        Self(origins)
    }

    fn allow(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    }

    /// Whether an origin on this host, whatever its port, is among them.
    pub(crate) fn include_host(&self, host: &str) -> bool {
        self.0.iter().any(|origin| {
            let authority = origin.split_once("://").map_or(origin.as_str(), |(_, authority)| authority);
            authority.split(':').next() == Some(host)
        })
    }
}

impl Default for Origins {
    fn default() -> Self {
        Self::new(&[], None)
    }
}

/// Answers preflights, and marks every other answer, errors included.
pub(crate) async fn cors<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let Some(origin) = request.headers().get(header::ORIGIN).cloned() else {
        return Ok(next.call(request).await?.map_into_left_body());
    };
    let allowed = settings_of(&request).origins.allow(&origin);
    let asked = request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS).cloned();
    if request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD) {
        let mut response = if allowed {
            HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("OK")
        } else {
            HttpResponse::BadRequest().content_type("text/plain; charset=utf-8").body("Disallowed CORS origin")
        };
        let headers = response.headers_mut();
        mark(headers, allowed.then_some(origin));
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(asked) = asked.filter(|_| allowed) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked);
        }
        return Ok(request.into_response(response).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    mark(response.headers_mut(), allowed.then_some(origin));
    Ok(response.map_into_left_body())
}

fn mark(headers: &mut HeaderMap, allowed: Option<HeaderValue>) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
    if let Some(origin) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
    }
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("x-request-id, x-should-retry, retry-after"),
    );
}
