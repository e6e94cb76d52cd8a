//! The response with the page.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap, REFERRER_POLICY,
    VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderName, HeaderValue, StatusCode};

use super::negotiation::{accepts_gzip, has_response};
use super::page::Page;
use super::settings::Console;

/// Creates the router of the console: its page at `/`. See the [module](super) for an example.
///
/// Mount it with `Router::nest_service`, which serves the page with a `/` at the end of its path and without. The router
/// has its own state, so that it goes into a router with any state `S`. It takes no token and reads nothing: the data in
/// the page comes from the admin API alone, as the API allows. The response is 304 for a client that has the page.
pub fn router<S>(console: &Console) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let page = Arc::new(console.page());
    Router::new().route("/", get(async move |headers: HeaderMap| respond(&page, &headers)))
}

/// Responds with the page, or with 304 if the client has it.
fn respond(page: &Page, request: &HeaderMap) -> Response {
    let gzipped = page.gzipped.as_ref().filter(|_| accepts_gzip(request));
    // The two forms are different bytes, so they have different tags.
    let tag = format!("\"{}{}\"", page.hash, if gzipped.is_some() { "-gzip" } else { "" });
    let is_known = has_response(request, &tag);
    let body = if is_known { Body::empty() } else { gzipped.unwrap_or(&page.html).clone().into() };
    let mut response = Response::new(body);
    if is_known {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    let headers = response.headers_mut();
    headers.extend(fixed_headers());
    if gzipped.is_some() && !is_known {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    for (name, text) in [(CONTENT_SECURITY_POLICY, &page.policy), (ETAG, &tag)] {
        // Both are ASCII without control characters, which is always a valid value.
        if let Ok(value) = HeaderValue::try_from(text) {
            headers.insert(name, value);
        }
    }
    response
}

/// The headers that are the same in every response.
fn fixed_headers() -> [(HeaderName, HeaderValue); 8] {
    [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CACHE_CONTROL, "no-cache"),
        (VARY, "accept-encoding"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ]
    .map(|(name, value)| (name, HeaderValue::from_static(value)))
}
