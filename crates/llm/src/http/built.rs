//! Building HTTP clients, also where there are no certificates to trust.

use std::error::Error as _;

use reqwest::{Client, ClientBuilder};

/// A client, and what it can do.
#[derive(Debug, Clone)]
pub struct Built {
    /// The client.
    pub http: Client,
    /// Whether `https` can be spoken: it needs a certificate store.
    pub can_https: bool,
}

impl Built {
    /// Builds a client that names this program. A machine without a certificate store gets one that can do `http` alone,
    /// since a server on the same machine is all that it may need. `what` says in the log whom the client is for.
    pub fn new(what: &str, builder: impl Fn() -> ClientBuilder) -> Self {
        // Fails only when one is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = || builder().user_agent(concat!("muisti/", env!("CARGO_PKG_VERSION")));
        match builder().build() {
            Ok(http) => Self { http, can_https: true },
            Err(e) => {
                tracing::warn!("{what} that speak https cannot be reached: {}", cause(&e));
                http_only(builder())
            }
        }
    }
}

fn http_only(builder: ClientBuilder) -> Built {
    // Without certificates to load nothing in here can fail; the default is for completeness.
    let http = builder.tls_certs_only([]).build().unwrap_or_default();
    Built { http, can_https: false }
}

/// The innermost cause, which is where the operating system says what happened. The address is left out: it is named
/// by who asks, and may hold a password.
pub fn cause(e: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = e;
    while let Some(source) = cause.source() {
        cause = source;
    }
    if e.source().is_some() {
        return cause.to_string();
    }
    if e.is_timeout() { "timed out".to_owned() } else { "the request could not be sent".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    #[tokio::test]
    async fn without_a_certificate_store_http_still_works() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut socket, _) = listener.accept().await.unwrap();
            let mut head = [0; 1024];
            let _ = socket.read(&mut head).await.unwrap();
            socket.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
        });
        let _ = rustls::crypto::ring::default_provider().install_default();
        let built = http_only(Client::builder().no_proxy());
        assert!(!built.can_https);
        let text = built.http.get(format!("http://{address}/")).send().await.unwrap().text().await.unwrap();
        assert_eq!(text, "ok");
        assert!(built.http.get(format!("https://{address}/")).send().await.is_err());
    }
}
