//! The base URL of a server, whichever way it was typed.

use std::fmt;

/// Where a server is. `http://host:1234`, `http://host:1234/`, `host:1234/v1` and `…/v1/chat/completions` are one
/// and the same.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct BaseUrl {
    /// Without the version: where a local server keeps its own routes.
    root: String,
    /// With the version: where `/chat/completions` hangs.
    api: String,
    /// [`Self::api`] without user name and password.
    shown: String,
}

impl BaseUrl {
    /// Normalises a base URL. A path that already holds a version (`/v1`, `/api/v4`, `/v1beta/openai`) is kept, any
    /// other gets `/v1`.
    ///
    /// # Errors
    ///
    /// A sentence that quotes the text, without any user name and password in it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut url = text.trim().to_owned();
        if !url.contains("://") {
            url.insert_str(0, "http://");
        }
        let parsed = reqwest::Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(mut parsed) = parsed.filter(reqwest::Url::has_host) else {
            let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
            return Err(format!("'{shown}' is not an http or https address such as http://127.0.0.1:8000/v1."));
        };
        parsed.set_query(None);
        parsed.set_fragment(None);

        let mut path: Vec<&str> = parsed.path().split('/').filter(|segment| !segment.is_empty()).collect();
        for route in [["chat", "completions"].as_slice(), &["completions"], &["embeddings"], &["models"]] {
            if path.ends_with(route) {
                path.truncate(path.len() - route.len());
                break;
            }
        }
        // Two variables joined by hand give `/v1/v1`, which no server has.
        while path.ends_with(&["v1", "v1"]) {
            path.pop();
        }
        let versioned = path.iter().any(|segment| is_version(segment));
        let root_len = if path.last() == Some(&"v1") { path.len() - 1 } else { path.len() };
        let root_path = path.get(..root_len).unwrap_or_default().join("/");
        let api_path = if versioned { path.join("/") } else { [path.as_slice(), &["v1"]].concat().join("/") };

        let mut root = parsed.clone();
        root.set_path(&root_path);
        parsed.set_path(&api_path);
        let text = |url: reqwest::Url| url.as_str().trim_end_matches('/').to_owned();
        let api = text(parsed);
        Ok(Self { root: text(root), shown: without_password(&api), api })
    }

    /// Without the version and without a trailing slash.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// With the version and without a trailing slash.
    pub fn api(&self) -> &str {
        &self.api
    }

    /// [`Self::api`] as it may be shown: without user name and password.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Whether the host is this machine, which no proxy can reach for us.
    pub(crate) fn is_loopback(&self) -> bool {
        let Ok(url) = reqwest::Url::parse(&self.root) else { return false };
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost"
            || host.ends_with(".localhost")
            || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    }

    pub(crate) fn is_https(&self) -> bool {
        self.root.starts_with("https:")
    }
}

/// `v1`, `v4`, `v1beta`, …
fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// An address without the user name and the password in it.
pub(crate) fn without_password(url: &str) -> String {
    match reqwest::Url::parse(url) {
        Ok(mut parsed) if !parsed.username().is_empty() || parsed.password().is_some() => {
            let _ = parsed.set_password(None);
            let _ = parsed.set_username("");
            parsed.into()
        }
        _ => url.to_owned(),
    }
}

/// A password in the address is not shown.
impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_type_a_base_url_is_understood() {
        for (text, root, api) in [
            ("http://h:1", "http://h:1", "http://h:1/v1"),
            ("http://h:1/", "http://h:1", "http://h:1/v1"),
            ("http://h:1/v1", "http://h:1", "http://h:1/v1"),
            ("http://h:1/v1//", "http://h:1", "http://h:1/v1"),
            ("http://h:11/v1/v1", "http://h:11", "http://h:11/v1"),
            (" h:1 ", "http://h:1", "http://h:1/v1"),
            ("localhost", "http://localhost", "http://localhost/v1"),
            ("http://h/v1/chat/completions", "http://h", "http://h/v1"),
            ("http://h/proxy", "http://h/proxy", "http://h/proxy/v1"),
            ("https://api.groq.com/openai/v1", "https://api.groq.com/openai", "https://api.groq.com/openai/v1"),
            ("https://h/api/paas/v4/", "https://h/api/paas/v4", "https://h/api/paas/v4"),
            ("https://h/v1beta/openai/", "https://h/v1beta/openai", "https://h/v1beta/openai"),
            (
                "https://h/v1/account/gateway/openai",
                "https://h/v1/account/gateway/openai",
                "https://h/v1/account/gateway/openai",
            ),
        ] {
            let url = BaseUrl::parse(text).unwrap();
            assert_eq!((url.root(), url.api()), (root, api), "{text}");
            assert_eq!(BaseUrl::parse(url.api()).unwrap(), url, "{text}: normalising twice changes nothing");
        }
    }

    #[test]
    fn what_is_no_address_is_said_without_its_password() {
        for text in ["", "ftp://h", "http://", "http://u:secret@h:notaport"] {
            let error = BaseUrl::parse(text).unwrap_err();
            assert!(error.contains("is not an http or https address") && !error.contains("secret"), "{error}");
        }
        let url = BaseUrl::parse("http://me:secret@h:1").unwrap();
        assert_eq!((url.api(), url.shown()), ("http://me:secret@h:1/v1", "http://h:1/v1"));
        assert_eq!(
            (url.to_string(), format!("{url:?}")),
            ("http://h:1/v1".to_owned(), "BaseUrl(http://h:1/v1)".to_owned())
        );
    }

    #[test]
    fn this_machine_is_known_by_all_its_names() {
        for local in ["localhost:1", "127.0.0.1", "[::1]:5", "0.0.0.0:1", "api.localhost"] {
            assert!(BaseUrl::parse(local).unwrap().is_loopback(), "{local}");
        }
        assert!(!BaseUrl::parse("10.0.0.1").unwrap().is_loopback());
    }
}
