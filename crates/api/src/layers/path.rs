//! One spelling for every path, so that the routes are written once.

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Uri, uri::PathAndQuery},
    middleware::Next,
};

/// Serves a path with and without its final slash, with repeated slashes, and under `/latest` as under `/v1`.
///
/// Nothing is decoded here: `%2F` in a label stays apart from the slashes between segments.
pub(crate) async fn normalise_path(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if let Some(path) = normal(request.uri().path()) {
        let with_query = match request.uri().query() {
            Some(query) => format!("{path}?{query}"),
            None => path,
        };
        let mut parts = request.uri().clone().into_parts();
        if let Ok(with_query) = with_query.parse::<PathAndQuery>() {
            parts.path_and_query = Some(with_query);
            if let Ok(uri) = Uri::from_parts(parts) {
                request.match_info_mut().get_mut().update(&uri);
                request.head_mut().uri = uri;
            }
        }
    }
    next.call(request).await
}

/// The normal form of a path, or `None` when it has it already.
fn normal(path: &str) -> Option<String> {
    let mut normal = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        normal.push('/');
        normal.push_str(match segment {
            "latest" if normal == "/" => "v1",
            segment => segment,
        });
    }
    // Outside of the API, pages link to their neighbours by relative paths, which a final slash decides.
    if normal.is_empty() || (path.ends_with('/') && normal != "/v1" && !normal.starts_with("/v1/")) {
        normal.push('/');
    }
    (normal != path).then_some(normal)
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn each_path_has_one_normal_form() {
        for (path, expected) in [
            ("/", "/"),
            ("//", "/"),
            ("/docs/", "/docs/"),
            ("/docs", "/docs"),
            ("/v1/agents/", "/v1/agents"),
            ("/v1/agents", "/v1/agents"),
            ("//v1///agents//", "/v1/agents"),
            ("/latest/agents/", "/v1/agents"),
            ("/v1/latest/", "/v1/latest"),
            ("/v1/agents/a/core-memory/blocks/a%2Fb", "/v1/agents/a/core-memory/blocks/a%2Fb"),
        ] {
            assert_eq!(normal(path).as_deref().unwrap_or(path), expected, "{path}");
        }
    }
}
