//! Requests that the server makes to addresses which users or models name: images and callbacks.
//!
//! Whoever names an address decides what this machine asks, so it must not lead to what only this machine can reach.
//! A host is resolved once, every address of the answer is checked, and the connection goes to what was checked. Each
//! hop of a redirect is a new address. Addresses that the operator has configured, such as those of model providers,
//! are not asked through here.

mod address;

use std::{error::Error as _, sync::Arc, time::Duration};

use muisti_llm::http::{Built, cause};
use reqwest::{
    Client, RequestBuilder, Response, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION},
    redirect,
};
use tokio::time::timeout;

use address::{Checked, NotPublic};

/// How often an answer may lead somewhere else.
const MAX_REDIRECTS: usize = 5;
/// The longest address that is taken, in bytes.
const LONGEST_URL: usize = 2048;

/// Asks foreign addresses.
#[derive(Debug, Clone)]
pub(crate) struct Outbound {
    client: Built,
    private_too: bool,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OutboundError {
    /// The address is not one that is asked; trying again is in vain.
    #[error("{0}")]
    Refused(String),
    /// Nothing came in time.
    #[error("there was no answer within {} seconds", .0.as_secs())]
    Timeout(Duration),
    /// The other side could not be reached, or its answer is of no use.
    #[error("{0}")]
    Failed(String),
}

/// What was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The media type that the answer says it is, without parameters, in lower case.
    pub(crate) media_type: Option<String>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Outbound {
    /// What may ask addresses of the public internet, and with `private_too` those of this machine and its networks.
    pub(crate) fn new(private_too: bool) -> Self {
        let client = Built::new("foreign servers", || {
            Client::builder()
                // A proxy would resolve the name again, and might reach what we may not.
                .no_proxy()
                .redirect(redirect::Policy::none())
                .dns_resolver(Arc::new(Checked { private_too }))
                // Each request is checked anew.
                .pool_max_idle_per_host(0)
        });
        Self { client, private_too }
    }

    /// The address, if it is one that may be asked as far as can be told without asking: `http` or `https`, and no
    /// private host in so many words.
    pub(crate) fn check(&self, url: &str) -> Result<Url, OutboundError> {
        let refuse = |why: String| Err(OutboundError::Refused(why));
        if url.len() > LONGEST_URL {
            return refuse(format!("an address has at most {LONGEST_URL} bytes, and this one has {}", url.len()));
        }
        let url = match Url::parse(url) {
            Ok(url) => url,
            Err(error) => return refuse(format!("this is not an address: {error}")),
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse(format!("an address begins with http:// or https://, not with {}:", url.scheme()));
        }
        match url.host_str() {
            Some(host) if !address::may_be_asked(host, self.private_too) => Err(NotPublic(host.to_owned()).into()),
            Some(_) => Ok(url),
            None => refuse("the address has no host".to_owned()),
        }
    }

    /// Fetches at most `most` bytes, following redirects, all of it in `within`.
    pub(crate) async fn get(
        &self,
        url: &str,
        accept: &'static str,
        most: usize,
        within: Duration,
    ) -> Result<Fetched, OutboundError> {
        timeout(within, self.follow(url, accept, most)).await.unwrap_or(Err(OutboundError::Timeout(within)))
    }

    async fn follow(&self, url: &str, accept: &'static str, most: usize) -> Result<Fetched, OutboundError> {
        let mut url = self.check(url)?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(self.client.http.get(url.clone()).header(ACCEPT, accept)).await?;
            if !response.status().is_redirection() {
                return read(response, most).await;
            }
            let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
            let Some(next) = location.and_then(|location| url.join(location).ok()) else {
                return Err(OutboundError::Failed("the server redirects to nowhere".to_owned()));
            };
            url = self.check(next.as_str())?;
        }
        Err(OutboundError::Failed(format!("the server redirects more than {MAX_REDIRECTS} times")))
    }

    /// Posts JSON and gives the status of the answer, whatever it is. Redirects are not followed.
    pub(crate) async fn post(
        &self,
        url: &str,
        body: Vec<u8>,
        bearer: Option<&str>,
        within: Duration,
    ) -> Result<u16, OutboundError> {
        let url = self.check(url)?;
        let mut request = self.client.http.post(url).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(key) = bearer {
            let value = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut value = value.map_err(|_| OutboundError::Refused("the key cannot be in a header".to_owned()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = timeout(within, self.send(request)).await.unwrap_or(Err(OutboundError::Timeout(within)))?;
        Ok(response.status().as_u16())
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, OutboundError> {
        request.send().await.map_err(|error| self.failure(&error))
    }

    fn failure(&self, error: &reqwest::Error) -> OutboundError {
        let mut source = error.source();
        while let Some(inner) = source {
            if let Some(refused) = inner.downcast_ref::<NotPublic>() {
                return refused.clone().into();
            }
            source = inner.source();
        }
        let hint =
            if self.client.can_https { "" } else { " (this server has no certificate store to speak https with)" };
        OutboundError::Failed(format!("the server could not be asked: {}{hint}", cause(error)))
    }
}

impl From<NotPublic> for OutboundError {
    fn from(refused: NotPublic) -> Self {
        Self::Refused(refused.to_string())
    }
}

async fn read(mut response: Response, most: usize) -> Result<Fetched, OutboundError> {
    let status = response.status();
    if !status.is_success() {
        return Err(OutboundError::Failed(format!("the server answered {status}")));
    }
    let too_large = || OutboundError::Failed(format!("the answer has more than {most} bytes"));
    if response.content_length().is_some_and(|length| usize::try_from(length).map_or(true, |length| length > most)) {
        return Err(too_large());
    }
    let media_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = media_type.and_then(|text| text.split(';').next()).map(|text| text.trim().to_ascii_lowercase());
    let mut body = Vec::new();
    let broken = |error: reqwest::Error| OutboundError::Failed(format!("the answer broke off: {}", cause(&error)));
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > most {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Fetched { media_type, body })
}

#[cfg(test)]
mod tests;
