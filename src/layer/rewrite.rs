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
    /// The host of the backend: that of the version's base URL. A request without the header stays without one, since
    /// clients make it from the URI.
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
    set_host(request, upstream, policy)?;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(upstream.scheme.clone());
    parts.authority = Some(upstream.authority.clone());
    if !upstream.base_path.is_empty() || cut > 0 || parts.path_and_query.is_none() {
        join(&upstream.base_path, &mut parts.path_and_query, cut)?;
    }
    match Uri::from_parts(parts) {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return Err(Rejection::UriTooLong),
    }
    // What a client sends is for the client and the backend to agree on, not what the gateway was sent.
    *request.version_mut() = Version::HTTP_11;
    Ok(())
}

/// Makes `path` what of it is behind `cut`, joined to `base` on exactly one `/`.
fn join(base: &str, path: &mut Option<PathAndQuery>, cut: usize) -> Result<(), Rejection> {
    let whole = path.as_ref().map_or("/", PathAndQuery::as_str);
    // `*`, the target of OPTIONS, is no path. Of an absolute target it may be empty before a query.
    let Some(rest) = whole.get(cut..).filter(|_| whole != "*") else { return Ok(()) };
    if base.is_empty() && matches!(rest, "" | "/") {
        *path = Some(PathAndQuery::from_static("/"));
        return Ok(());
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let mut joined = String::with_capacity(base.len() + slash.len() + rest.len());
    joined.extend([base, slash, rest]);
    let joined = PathAndQuery::from_maybe_shared(bytes::Bytes::from(joined));
    *path = Some(joined.map_err(|_| Rejection::UriTooLong)?);
    Ok(())
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

    use http::uri::PathAndQuery;

    fn join(base: &str, path: &str, cut: usize) -> String {
        let mut joined: Option<PathAndQuery> = Some(path.parse().unwrap());
        super::join(base, &mut joined, cut).unwrap();
        joined.unwrap().to_string()
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
        assert_eq!(join("/api", "?x=1", 0), "/api/?x=1");
    }

    proptest! {
        #[test]
        fn the_bytes_behind_the_base_path_are_the_requests_own(path in "/[!-~&&[^#?<>{}\"`\\\\^|]]{0,40}(\\?[a-z0-9=&%/]{0,20})?") {
            let Ok(own) = path.parse::<PathAndQuery>() else { return Ok(()) };
            prop_assert_eq!(join("/base", &path, 0), format!("/base{own}"));
        }
    }
}
