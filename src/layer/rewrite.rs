//! The request's URI and Host, pointed at a version.

use http::header::HOST;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderValue, Request, Version};

use super::rejection::Rejection;
use crate::handle::Upstream;

/// What the backend sees as `Host`.
///
/// ```
/// use tower_canary::layer::HostPolicy;
///
/// assert_eq!(HostPolicy::default(), HostPolicy::Upstream);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostPolicy {
    /// The host of the version's base URL. A request without the header is left so: clients make it from the URI.
    #[default]
    Upstream,
    /// The host the request was sent to: that of its URI when it has one (HTTP/2 and absolute form), else its header.
    Preserve,
}

/// Points `request` at `upstream`, without the first `cut` bytes of its path. Refused, it is good for nothing more.
#[inline]
pub(super) fn rewrite<B>(
    request: &mut Request<B>,
    upstream: &Upstream,
    cut: usize,
    policy: HostPolicy,
) -> Result<(), Rejection> {
    let path = joined(upstream.backend.base_path(), request.uri(), cut)?;
    set_host(request, upstream, policy)?;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(upstream.backend.scheme().clone());
    parts.authority = Some(upstream.authority.clone());
    if let Some(path) = path {
        parts.path_and_query = Some(path);
    } else {
        parts.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
    }
    match Uri::from_parts(parts) {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return Err(Rejection::UriTooLong),
    }
    // What a client sends is for the client and the backend to agree on, not what the gateway was sent.
    *request.version_mut() = Version::HTTP_11;
    Ok(())
}

/// `base` and the path behind `cut`, joined on exactly one `/`; `None` when that is the path as it is.
#[inline]
fn joined(base: &str, uri: &Uri, cut: usize) -> Result<Option<PathAndQuery>, Rejection> {
    if base.is_empty() && cut == 0 {
        return Ok(None);
    }
    let whole = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    // `*`, the target of OPTIONS, is no path.
    let Some(rest) = whole.get(cut..).filter(|_| whole.starts_with('/')) else { return Ok(None) };
    if base.is_empty() && matches!(rest, "" | "/") {
        return Ok(Some(PathAndQuery::from_static("/")));
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let mut path = String::with_capacity(base.len() + slash.len() + rest.len());
    path.extend([base, slash, rest]);
    PathAndQuery::from_maybe_shared(bytes::Bytes::from(path)).map(Some).map_err(|_| Rejection::UriTooLong)
}

#[inline]
fn set_host<B>(request: &mut Request<B>, upstream: &Upstream, policy: HostPolicy) -> Result<(), Rejection> {
    match policy {
        HostPolicy::Upstream => {
            if request.headers().contains_key(HOST) {
                request.headers_mut().insert(HOST, upstream.host.clone());
            }
            Ok(())
        }
        HostPolicy::Preserve => preserve_host(request),
    }
}

fn preserve_host<B>(request: &mut Request<B>) -> Result<(), Rejection> {
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        return Err(Rejection::AmbiguousHost);
    }
    if let Some(authority) = request.uri().authority() {
        // User information is for the gateway alone.
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let host = HeaderValue::from_str(host).map_err(|_| Rejection::AmbiguousHost)?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::joined;

    fn join(base: &str, uri: &str, cut: usize) -> String {
        let uri = uri.parse().unwrap();
        joined(base, &uri, cut).unwrap().map_or_else(|| uri.to_string(), |path| path.to_string())
    }

    #[test]
    fn paths_join_on_exactly_one_slash() {
        assert_eq!(join("", "/login?a=%2f", 0), "/login?a=%2f");
        assert_eq!(join("/api", "/login", 0), "/api/login");
        assert_eq!(join("/api", "/", 0), "/api/");
        assert_eq!(join("", "/auth", 5), "/");
        assert_eq!(join("", "/auth?x=1", 5), "/?x=1");
        assert_eq!(join("/api", "/auth/login//x", 5), "/api/login//x");
        assert_eq!(join("/api", "*", 0), "*");
    }

    proptest! {
        #[test]
        fn the_bytes_behind_the_base_path_are_the_requests_own(path in "/[!-~&&[^#?<>{}\"`\\\\^|]]{0,40}(\\?[a-z0-9=&%/]{0,20})?") {
            let Ok(uri) = path.parse::<http::Uri>() else { return Ok(()) };
            let own = uri.path_and_query().map(ToString::to_string).unwrap_or_default();
            prop_assert_eq!(join("/base", &path, 0), format!("/base{own}"));
        }
    }
}
