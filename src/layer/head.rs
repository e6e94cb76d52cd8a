//! A request without its body.

use http::header::{HOST, HeaderMap, HeaderName};
use http::{Extensions, HeaderValue, Method, Request, Uri};

/// A request without its body, for functions of the application: [`Target::from_fn`](super::Target::from_fn),
/// [`Affinity::from_fn`](super::Affinity::from_fn) and the predicate of an [`Override`](super::Override).
///
/// ```
/// use tower_canary::Target;
///
/// let target = Target::from_fn(|head| match head.uri.path().starts_with("/v2/") {
///     true => "orders".parse().ok(),
///     false => None,
/// });
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RequestHead<'a> {
    /// The method.
    pub method: &'a Method,
    /// The URI as it was received.
    pub uri: &'a Uri,
    /// The headers as they were received.
    pub headers: &'a HeaderMap,
    /// The extensions.
    pub extensions: &'a Extensions,
}

impl<'a> RequestHead<'a> {
    /// Borrows the head of a request.
    pub(super) fn new<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// Returns the host that the request was sent to, without its port and the dot of a fully qualified name.
    pub(super) fn host(&self) -> Option<&'a str> {
        // The URI takes precedence over the header (RFC 9112, section 3.2.2).
        let host = match self.uri.authority() {
            Some(authority) => authority.host(),
            None => without_port(self.single_text(&HOST)?),
        };
        Some(host.strip_suffix('.').unwrap_or(host))
    }

    /// Returns the text of the header `name`, unless the request has several.
    pub(super) fn single_text(&self, name: &HeaderName) -> Option<&'a str> {
        self.single(name)?.to_str().ok()
    }

    /// Returns the header `name`, unless the request has several.
    pub(super) fn single(&self, name: &HeaderName) -> Option<&'a HeaderValue> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => Some(value),
            _ => None,
        }
    }
}

/// Returns the host in the value of a `Host` header. An IPv6 address, with its colons, is in brackets.
fn without_port(host: &str) -> &str {
    let end = host.rfind(']').map_or(0, |bracket| bracket + 1);
    host[end..].find(':').map_or(host, |colon| &host[..end + colon])
}
