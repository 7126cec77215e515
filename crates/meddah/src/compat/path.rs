//! Addresses as mods put them together: with a slash too many, or with the end twice.

use std::borrow::Cow;

use axum::Router;
use axum::extract::Request;
use axum::http::Uri;
use axum::http::uri::PathAndQuery;
use axum::middleware::{self, Next};
use axum::response::Response;

/// What a player may have typed as part of the address, and the mod adds again.
const ENDINGS: [&str; 2] = ["/chat/completions", "/v1"];

/// The same routes, found at careless addresses too.
pub(super) fn forgiving<S: Clone + Send + Sync + 'static>(routes: Router) -> Router<S> {
    Router::new().fallback_service(routes).layer(middleware::from_fn(tidied))
}

async fn tidied(mut request: Request, next: Next) -> Response {
    if let Some(uri) = tidy_uri(request.uri()) {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

fn tidy_uri(uri: &Uri) -> Option<Uri> {
    let path = tidy(uri.path());
    let Cow::Owned(path) = path else { return None };
    let text = uri.query().map_or(path.clone(), |query| format!("{path}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

fn tidy(path: &str) -> Cow<'_, str> {
    let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
    let mut tidied = format!("/{}", steps.join("/"));
    for ending in ENDINGS {
        let twice = format!("{ending}{ending}");
        while tidied.contains(&twice) {
            tidied = tidied.replace(&twice, ending);
        }
    }
    if tidied == path { Cow::Borrowed(path) } else { Cow::Owned(tidied) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn careless_addresses_are_understood() {
        for path in
            ["//v1//chat/completions/", "/v1/v1/chat/completions", "/v1/chat/completions/chat/completions"]
        {
            assert_eq!(tidy(path), "/v1/chat/completions", "{path}");
        }
        assert!(matches!(tidy("/api/chat"), Cow::Borrowed("/api/chat")));
        assert_eq!(tidy("/"), "/");
        let uri = tidy_uri(&"/v1//models/?limit=1".parse().unwrap()).unwrap();
        assert_eq!(uri.to_string(), "/v1/models?limit=1");
    }
}
