//! How the layer rewrote the target of a request, for the proxy around the layer.

use std::sync::Arc;

use http::header::Entry;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Extensions, HeaderName, HeaderValue, Request};

use crate::handle::Upstream;
use crate::traffic::ProxyOutcome;

const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Asks the layer, in the extensions of a request, to send the segment that it strips from the path as
/// `X-Forwarded-Prefix`.
///
/// A value that the request already has comes before the segment: `/shop` and `/auth` become `/shop/auth`. So remove
/// the header from requests of clients that are not trusted. A request that loses no segment keeps its header as it is.
///
/// ```
/// use http::Request;
/// use tower_canary::layer::ForwardPrefix;
///
/// let mut request = Request::get("/auth/login").body(())?;
/// request.headers_mut().remove("x-forwarded-prefix");
/// request.extensions_mut().insert(ForwardPrefix);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a proxy builds it")]
pub struct ForwardPrefix;

/// Asks the layer, in the extensions of a request, to put a [`Rewritten`] into the extensions of the response.
///
/// See [`Rewritten`] for an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a proxy builds it")]
pub struct ReportRewrite;

/// How the layer rewrote the target of a request, in the extensions of the response.
///
/// It is there for requests with [`ReportRewrite`] in their extensions, also if they went to the fallback, but not under
/// [`HostPolicy::Preserve`](super::HostPolicy::Preserve): a backend that knows the host writes the URLs itself. A proxy maps
/// the URLs in the response back with it: `http://10.0.0.1:8080/api/login` is `/auth/login` for the client.
///
/// ```
/// use http::{Request, Response};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_canary::layer::{ReportRewrite, Rewritten};
/// # use tower_canary::routing::{Change, Route, Split};
/// # use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let handle = RoutingHandle::new();
/// # let register = Change::register("v1.0".parse()?, "http://10.0.0.1:8080/api".parse()?);
/// # let split = Split::new("auth".parse()?, 7).apply(&register, std::time::SystemTime::now())?;
/// # assert!(handle.publish(Route::compile(split)));
/// # let client = service_fn(|_: Request<()>| async { Ok::<_, std::convert::Infallible>(Response::new(String::new())) });
/// let layer = WeightedVersionLayer::new(&handle, Target::path_segment());
/// let request = Request::get("/auth/login").extension(ReportRewrite).body(())?;
/// let response = layer.layer(client).oneshot(request).await?;
/// let rewritten = response.extensions().get::<Rewritten>().ok_or("not reported")?;
/// assert_eq!((&*rewritten.stripped, &*rewritten.base_path), ("/auth", "/api"));
/// assert_eq!(rewritten.authority, "10.0.0.1:8080");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rewritten {
    /// The segment that was stripped from the front of the path, such as `/auth`. Empty if none was.
    pub stripped: Box<str>,
    /// The scheme of the backend.
    pub scheme: Scheme,
    /// The host and the port, if any, of the backend.
    pub authority: Authority,
    /// The path that was put in front of the rest. Empty, or a path that starts with `/` and does not end with one.
    pub base_path: Arc<str>,
    /// The number of `Set-Cookie` fields that the backend sent. Those of the layer follow.
    pub(crate) backend_cookies: usize,
}

impl Rewritten {
    /// Sets `X-Forwarded-Prefix` if `request` asks for it, and returns the report if `request` asks for one. To be
    /// called before the target is rewritten.
    #[inline]
    pub(super) fn prepare<B>(request: &mut Request<B>, upstream: &Upstream, strip: usize) -> Option<Self> {
        if request.extensions().is_empty() {
            return None;
        }
        if strip > 0 && forwards_prefix(request.extensions()) {
            forward_prefix(request, strip);
        }
        request.extensions().get::<ReportRewrite>().map(|_| Self::new(request, upstream, strip))
    }

    /// Records the target of the backend, and the prefix that is cut from the path.
    #[cold]
    fn new<B>(request: &Request<B>, upstream: &Upstream, strip: usize) -> Self {
        Self {
            stripped: stripped(request, strip).into(),
            scheme: upstream.scheme.clone(),
            authority: upstream.authority.clone(),
            base_path: Arc::clone(&upstream.base_path),
            backend_cookies: 0,
        }
    }
}

/// Returns whether a proxy around the layer has checked `X-Forwarded-Prefix`: the crate's own, or another that says so.
pub(super) fn forwards_prefix(extensions: &Extensions) -> bool {
    extensions.get::<ProxyOutcome>().is_some() || extensions.get::<ForwardPrefix>().is_some()
}

/// Returns the first `strip` bytes of the path.
fn stripped<B>(request: &Request<B>, strip: usize) -> &str {
    let path = request.uri().path_and_query().map_or("", PathAndQuery::as_str);
    path.get(..strip).unwrap_or_default()
}

/// Adds the cut prefix to `X-Forwarded-Prefix`, behind the one of an earlier proxy.
fn forward_prefix<B>(request: &mut Request<B>, strip: usize) {
    // Part of a valid head, so the conversion does not fail. The usual case needs this one allocation.
    let Ok(prefix) = HeaderValue::from_bytes(stripped(request, strip).as_bytes()) else { return };
    match request.headers_mut().entry(X_FORWARDED_PREFIX) {
        Entry::Vacant(vacant) => {
            vacant.insert(prefix);
        }
        Entry::Occupied(mut earlier) => {
            if let Ok(joined) = HeaderValue::from_bytes(&joined_prefix(earlier.iter(), &prefix)) {
                earlier.insert(joined);
            }
        }
    }
}

/// Appends `stripped` to the prefixes that earlier proxies stripped. Each may have added a line of its own, outermost first.
fn joined_prefix<'a>(earlier: impl Iterator<Item = &'a HeaderValue>, stripped: &HeaderValue) -> Vec<u8> {
    let mut prefix = Vec::new();
    for line in earlier {
        let line = line.as_bytes();
        prefix.extend_from_slice(line.strip_suffix(b"/").unwrap_or(line));
    }
    prefix.extend_from_slice(stripped.as_bytes());
    prefix
}
