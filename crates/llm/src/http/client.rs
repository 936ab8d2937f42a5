//! One provider's HTTP client: its key, its clocks and its words for what goes wrong on the way.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Method, Response, redirect};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout};

use super::base_url::{BaseUrl, without_password};
use super::built::{Built, cause};
use super::retry::{Failure, repeat_status, repeating};
use crate::error::{LlmError, LlmErrorKind};
use crate::settings::{Secret, Timeouts};

/// Reads a provider's error answer: provider name, status, headers, body.
pub(crate) type ErrorReader = fn(&str, u16, &HeaderMap, &[u8]) -> LlmError;

/// Repeats after a first attempt of a model call, as the reference's client does.
const REPEATS: usize = 2;
/// Longer answers than this are not answers.
pub(crate) const LARGEST_BODY: usize = 64 << 20;
const LARGEST_ERROR: usize = 64 << 10;

/// One provider's HTTP client.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    /// Whether `https` can be spoken: it needs a certificate store.
    can_https: bool,
    provider: String,
    base_url: BaseUrl,
    key: Option<Secret>,
    timeouts: Timeouts,
    errors: ErrorReader,
}

impl Client {
    pub(crate) fn new(
        provider: &str,
        base_url: BaseUrl,
        key: Option<Secret>,
        timeouts: Timeouts,
        errors: ErrorReader,
    ) -> Self {
        let clients = if base_url.is_loopback() { &DIRECT } else { &USUAL };
        let built = clients.get_or_init(|| build(base_url.is_loopback(), timeouts.connect));
        let (http, can_https) = (built.http.clone(), built.can_https);
        Self { http, can_https, provider: provider.to_owned(), base_url, key, timeouts, errors }
    }

    pub(crate) fn base_url(&self) -> &BaseUrl {
        &self.base_url
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.timeouts
    }

    /// An error of this provider.
    pub(crate) fn error(&self, kind: LlmErrorKind, message: impl Into<String>) -> LlmError {
        LlmError::new(kind, &self.provider, message)
    }

    /// Asks once for a small JSON document, within `limit` in all.
    pub(crate) async fn get<T: DeserializeOwned>(&self, url: &str, limit: Duration) -> Result<T, LlmError> {
        self.ask(Method::GET, url, None, limit).await
    }

    /// Sends one small JSON document for another, within `limit` in all.
    pub(crate) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        url: &str,
        body: Option<Vec<u8>>,
        limit: Duration,
    ) -> Result<T, LlmError> {
        let request = self.request(method, url, body)?;
        let exchange = async {
            let response = self.http.execute(request).await.map_err(|e| self.transport(&e))?;
            let response = self.check(response).await.map_err(|failure| failure.error)?;
            self.read(response, LARGEST_BODY).await
        };
        let late = || format!("no answer from {} within {limit:?}.", without_password(url));
        let bytes = timeout(limit, exchange).await.map_err(|_| self.error(LlmErrorKind::Timeout, late()))??;
        serde_json::from_slice(&bytes).map_err(|_| self.not_json(url, &bytes))
    }

    /// Calls a model: sends the body, repeating what may be repeated, and returns once the head of a good answer is
    /// there.
    pub(crate) async fn call<B: Serialize>(&self, url: &str, body: &B) -> Result<Response, LlmError> {
        let body = serde_json::to_vec(body)
            .map_err(|e| self.error(LlmErrorKind::BadRequest, format!("the request cannot be written as JSON: {e}")))?;
        let request = self.request(Method::POST, url, Some(body))?;
        let deadline = Instant::now() + self.timeouts.total;
        let attempt = || async {
            // The body is bytes, so a copy of the request shares it and always exists.
            let Some(request) = request.try_clone() else {
                let error = self.error(LlmErrorKind::BadRequest, "the request cannot be repeated.");
                return Err(Failure { error, repeat: false });
            };
            let limit = self.timeouts.first_byte.min(deadline.saturating_duration_since(Instant::now()));
            match timeout(limit, self.http.execute(request)).await {
                Ok(Ok(response)) => self.check(response).await,
                Ok(Err(e)) => Err(Failure { error: self.transport(&e), repeat: !e.is_builder() }),
                Err(_) => Err(Failure { error: self.silent(limit), repeat: false }),
            }
        };
        repeating(REPEATS, attempt).await
    }

    /// Reads a whole JSON answer of a model, waiting for each piece as long as the clocks allow.
    pub(crate) async fn read_answer(&self, response: Response) -> Result<Vec<u8>, LlmError> {
        let limit = self.timeouts.total;
        timeout(limit, self.read(response, LARGEST_BODY)).await.map_err(|_| self.silent(limit))?
    }

    async fn read(&self, mut response: Response, largest: usize) -> Result<Vec<u8>, LlmError> {
        let mut bytes = Vec::new();
        loop {
            let limit = self.timeouts.first_byte;
            match timeout(limit, response.chunk()).await {
                Ok(Ok(Some(chunk))) if bytes.len() + chunk.len() <= largest => bytes.extend_from_slice(&chunk),
                Ok(Ok(Some(_))) => return Err(self.too_long(largest)),
                Ok(Ok(None)) => return Ok(bytes),
                Ok(Err(e)) => return Err(self.broken(&e)),
                Err(_) => return Err(self.silent(limit)),
            }
        }
    }

    fn request(&self, method: Method, url: &str, body: Option<Vec<u8>>) -> Result<reqwest::Request, LlmError> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
        if let Some(key) = &self.key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose())).map_err(|_| {
                self.error(
                    LlmErrorKind::Authentication,
                    "the API key holds characters that cannot be in a header; check how it was copied.",
                )
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut request = self.http.request(method, url).headers(headers);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        request.build().map_err(|e| self.transport(&e))
    }

    async fn check(&self, response: Response) -> Result<Response, Failure> {
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            let to = response.headers().get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("nowhere");
            let message = format!("{} redirects to {to}; set the base URL to where it leads.", self.base_url);
            return Err(Failure { error: self.error(LlmErrorKind::NotFound, message), repeat: false });
        }
        let headers = response.headers().clone();
        // What cannot be read of an error answer does not make it a success.
        let body = timeout(Duration::from_secs(10), self.read(response, LARGEST_ERROR)).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        let error = (self.errors)(&self.provider, status.as_u16(), &headers, &body);
        let repeat = repeat_status(status.as_u16(), &headers, &error);
        Err(Failure { error, repeat })
    }

    /// The request got no answer.
    fn transport(&self, e: &reqwest::Error) -> LlmError {
        let hint = if self.base_url.is_https() && !self.can_https {
            " This machine has no certificate store, so https servers cannot be verified; install the package \
             ca-certificates, or set SSL_CERT_FILE."
        } else {
            ""
        };
        let kind = if e.is_timeout() && !e.is_connect() { LlmErrorKind::Timeout } else { LlmErrorKind::Connection };
        self.error(kind, format!("could not reach {} ({}).{hint}", self.base_url, cause(e)))
    }

    /// The answer stopped in its middle.
    pub(crate) fn broken(&self, e: &reqwest::Error) -> LlmError {
        self.error(LlmErrorKind::BrokenStream, format!("the answer broke off before its end ({}).", cause(e)))
    }

    /// More came than an answer can be.
    pub(crate) fn too_long(&self, largest: usize) -> LlmError {
        self.error(LlmErrorKind::InvalidResponse, format!("the answer is over {largest} bytes."))
    }

    /// Nothing came for too long.
    pub(crate) fn silent(&self, limit: Duration) -> LlmError {
        self.error(LlmErrorKind::Timeout, format!("nothing came from {} for {limit:?}.", self.base_url))
    }

    /// Something came that is no JSON.
    pub(crate) fn not_json(&self, url: &str, bytes: &[u8]) -> LlmError {
        let text = String::from_utf8_lossy(bytes);
        let start: String = text.trim_start().chars().take(80).collect();
        let url = without_password(url);
        self.error(
            LlmErrorKind::InvalidResponse,
            format!("{url} answered with something that is not JSON ('{start}'); the base URL is probably wrong."),
        )
    }
}

static USUAL: OnceLock<Built> = OnceLock::new();
/// For this machine's own servers: a proxy set for the outside world would not find them.
static DIRECT: OnceLock<Built> = OnceLock::new();

fn build(direct: bool, connect_timeout: Duration) -> Built {
    Built::new("model servers", || {
        let builder = reqwest::Client::builder()
            .connect_timeout(connect_timeout)
            // A redirected POST would come out as a GET, and the key would follow to wherever it leads.
            .redirect(redirect::Policy::none())
            .tcp_nodelay(true);
        if direct { builder.no_proxy() } else { builder }
    })
}
