//! Points a request's URI and `Host` at a backend.

use http::header::HOST;
use http::uri::{PathAndQuery, Uri};
use http::{HeaderMap, HeaderValue, Request, Version};

use super::rejection::Rejection;
use crate::handle::Upstream;
use crate::routing::has_dot_segment;

/// The `Host` header that the backend gets. The default is [`Upstream`](Self::Upstream).
///
/// ```
/// use tower_canary::layer::HostPolicy;
/// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
///
/// // The backends serve several sites, by their public host names.
/// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::path_segment())
///     .with_host(HostPolicy::Preserve);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HostPolicy {
    /// The host of the version's base URL.
    ///
    /// A request without the header stays without one, since clients create it from the URI.
    #[default]
    Upstream,
    /// The host that the client sent the request to.
    ///
    /// It is taken from the URI if that has one (HTTP/2 and absolute form), else from the header. A
    /// request with several `Host` headers gets 400 `ambiguous-host`.
    ///
    /// The client must send the header as it is. Over HTTP/2 most clients make `:authority` from the
    /// URI, which names the backend, and the two must not differ (RFC 9113, 8.3.1).
    Preserve,
}

/// Points `request` at `upstream`, and removes the first `strip` bytes of its path.
///
/// After an error the request must not be sent: it may have lost its URI.
#[inline]
pub(super) fn rewrite<B>(
    request: &mut Request<B>,
    upstream: &Upstream,
    strip: usize,
    policy: HostPolicy,
) -> Result<(), Rejection> {
    set_host(request, upstream, policy)?;
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(upstream.scheme.clone());
    parts.authority = Some(upstream.authority.clone());
    if !upstream.base_path.is_empty() || strip > 0 || parts.path_and_query.is_none() {
        join(&upstream.base_path, &mut parts.path_and_query, strip)?;
    }
    match Uri::from_parts(parts) {
        Ok(uri) => *request.uri_mut() = uri,
        Err(_) => return Err(Rejection::UriTooLong),
    }
    // The version of a message belongs to one connection. A client for HTTP/2 raises it again.
    *request.version_mut() = Version::HTTP_11;
    Ok(())
}

/// Removes the first `strip` bytes of `path` and joins the rest to `base` by exactly one `/`.
///
/// The target `*` stays as it is. Without a path, the target becomes `base` and `/`. A path that a server could resolve
/// to one outside of `base` is refused.
fn join(base: &str, path: &mut Option<PathAndQuery>, strip: usize) -> Result<(), Rejection> {
    let original = path.as_ref().map_or("/", PathAndQuery::as_str);
    // The target of OPTIONS may be `*`, which is not a path. The path of an absolute target may be
    // empty before a query, so `rest` need not begin with `/`.
    let Some(rest) = original.get(strip..).filter(|_| original != "*") else { return Ok(()) };
    if base.is_empty() && matches!(rest, "" | "/") {
        *path = Some(PathAndQuery::from_static("/"));
        return Ok(());
    }
    if !base.is_empty() && has_dot_segment(path_of(rest)) {
        return Err(Rejection::DotSegment);
    }
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let mut joined = String::with_capacity(base.len() + slash.len() + rest.len());
    joined.extend([base, slash, rest]);
    let joined = PathAndQuery::from_maybe_shared(bytes::Bytes::from(joined));
    *path = Some(joined.map_err(|_| Rejection::UriTooLong)?);
    Ok(())
}

/// Returns the part of `target` before its query.
fn path_of(target: &str) -> &str {
    target.split_once('?').map_or(target, |(path, _query)| path)
}

/// Sets `Host` by the policy.
#[inline]
fn set_host<B>(request: &mut Request<B>, upstream: &Upstream, policy: HostPolicy) -> Result<(), Rejection> {
    match policy {
        HostPolicy::Upstream => {
            replace_host(request.headers_mut(), &upstream.host);
            Ok(())
        }
        HostPolicy::Preserve => preserve_host(request),
    }
}

/// Replaces the `Host` fields, if there are any, by one.
#[inline]
fn replace_host(headers: &mut HeaderMap, host: &HeaderValue) {
    if headers.len() != headers.keys_len() {
        // Some field occurs more than once, and it may be this one.
        if headers.contains_key(HOST) {
            headers.insert(HOST, host.clone());
        }
        return;
    }
    // `insert` would enlarge a full map before it finds the name.
    if let Some(present) = headers.get_mut(HOST) {
        *present = host.clone();
    }
}

/// Sends the host that the client named, as one `Host` header, whether it was in the header or in the target.
fn preserve_host<B>(request: &mut Request<B>) -> Result<(), Rejection> {
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        return Err(Rejection::AmbiguousHost);
    }
    if let Some(authority) = request.uri().authority() {
        // User information is for the gateway, not for the backend.
        let host = authority.as_str().rsplit('@').next().unwrap_or_default();
        let host = HeaderValue::from_str(host).map_err(|_| Rejection::AmbiguousHost)?;
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use http::header::HOST;
    use http::uri::PathAndQuery;
    use http::{HeaderMap, HeaderValue};

    use super::super::rejection::Rejection;
    use crate::routing::has_dot_segment;

    fn join(base: &str, path: &str, cut: usize) -> String {
        let mut joined: Option<PathAndQuery> = Some(path.parse().unwrap());
        super::join(base, &mut joined, cut).unwrap();
        joined.unwrap().to_string()
    }

    #[test]
    fn paths_join_with_one_slash() {
        assert_eq!(join("", "/login?a=%2f", 0), "/login?a=%2f");
        assert_eq!(join("/api", "/login", 0), "/api/login");
        assert_eq!(join("/api", "/", 0), "/api/");
        assert_eq!(join("", "/auth", 5), "/");
        assert_eq!(join("", "/auth?x=1", 5), "/?x=1");
        assert_eq!(join("/api", "/auth/login//x", 5), "/api/login//x");
        assert_eq!(join("/api", "*", 0), "*");
        assert_eq!(join("/api", "?x=1", 0), "/api/?x=1");
    }

    #[test]
    fn host_is_replaced_once() {
        for (before, expected) in [(&[][..], 0), (&["a"], 1), (&["a", "b"], 1)] {
            let mut headers: HeaderMap =
                before.iter().map(|host| (HOST, HeaderValue::from_static(host))).collect();
            headers.append("x-other", HeaderValue::from_static("1"));
            headers.append("x-other", HeaderValue::from_static("2"));
            super::replace_host(&mut headers, &HeaderValue::from_static("backend"));
            assert_eq!(headers.get_all(HOST).iter().filter(|host| *host == "backend").count(), expected);
            assert_eq!(headers.len(), expected + 2);
        }
    }

    #[test]
    fn full_map_is_not_enlarged_for_its_host() {
        let mut headers = HeaderMap::with_capacity(1);
        headers.insert(HOST, HeaderValue::from_static("a"));
        for number in 1..headers.capacity() {
            headers.insert(http::HeaderName::try_from(format!("x-{number}")).unwrap(), number.into());
        }
        let capacity = headers.capacity();
        super::replace_host(&mut headers, &HeaderValue::from_static("backend"));
        assert_eq!((headers.len(), headers.capacity()), (capacity, capacity));
    }

    proptest! {
        #[test]
        fn join_preserves_path_bytes(path in "/[!-~&&[^#?<>{}\"`\\\\^|]]{0,40}(\\?[a-z0-9=&%/.]{0,20})?") {
            let Ok(own) = path.parse::<PathAndQuery>() else { return Ok(()) };
            prop_assume!(!has_dot_segment(own.path()));
            prop_assert_eq!(join("/base", &path, 0), format!("/base{own}"));
        }

        // Whatever a request sends: what reaches the backend stays below the base path once it is resolved.
        #[test]
        fn joined_paths_stay_below_the_base(
            path in "/([a.]|%2[eE]|%2[fF]|%5[cC]|%25|2e|[/;\\\\]){0,12}(\\?\\.\\./)?",
            cut in 0..3_usize,
        ) {
            let mut joined: Option<PathAndQuery> = Some(path.parse().unwrap());
            match super::join("/base", &mut joined, cut) {
                Ok(()) => prop_assert!(!has_dot_segment(joined.unwrap().path()), "{path}"),
                Err(rejection) => prop_assert_eq!(rejection, Rejection::DotSegment),
            }
        }
    }
}
