//! Session affinity by a key of the request.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::HeaderName;

use super::cookies;
use super::head::RequestHead;
use crate::routing::Point;

/// Session affinity by a key: a user whose requests carry the same key stays with one version.
///
/// An `Affinity` is a list of places to look for the key, such as a header or a cookie. The first
/// that has one decides. Give it to
/// [`WeightedVersionLayer::with_affinity`](crate::WeightedVersionLayer::with_affinity).
///
/// - The key is hashed with the salt of the service to one of its 10,000 slots, and each slot
///   belongs to a version: see [`Point::from_key`]. So nothing is stored, no cookie is set, and all
///   replicas agree.
/// - When weights change, as few users as possible move, and no user leaves a version whose weight
///   grew.
/// - A request without a key is drawn by weight.
///   [`RoutingHandle::picks`](crate::RoutingHandle::picks) counts both kinds.
///
/// A client that can choose its key can choose its version, so this is not access control. For users
/// without a key, see
#[cfg_attr(feature = "pin", doc = "[`PinCookie`](super::PinCookie).")]
#[cfg_attr(not(feature = "pin"), doc = "the feature `pin`.")]
///
/// ```
/// use http::{Request, Response, header::HeaderName};
/// use tower::{Layer, ServiceExt, service_fn};
/// use tower_canary::layer::Affinity;
/// # use tower_canary::routing::{Change, Route, Split};
/// # use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// # let at = std::time::SystemTime::now();
/// # let handle = RoutingHandle::new();
/// # let split = Split::new("auth".parse()?, 7)
/// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
/// #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?
/// #     .apply(&Change::set_weight("v1.1".parse()?, "50".parse()?), at)?;
/// # assert!(handle.publish(Route::compile(split)));
/// # let client = service_fn(|request: Request<()>| async move {
/// #     Ok::<_, std::convert::Infallible>(Response::new(request.uri().host().unwrap_or_default().to_owned()))
/// # });
/// let affinity = Affinity::header(HeaderName::from_static("x-user-id")).or(Affinity::cookie("session"));
/// let layer = WeightedVersionLayer::new(&handle, Target::service("auth".parse()?)).with_affinity(affinity);
/// let alice = || Request::get("/").header("x-user-id", "alice").body(());
/// let first = layer.layer(client).oneshot(alice()?).await?.into_body().into_inner();
/// let again = layer.layer(client).oneshot(alice()?).await?.into_body().into_inner();
/// assert_eq!(first, again);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Affinity {
    sources: Arc<[KeySource]>,
}

/// A place to look for the key.
#[derive(Clone)]
enum KeySource {
    Header(HeaderName),
    Cookie(Arc<str>),
    ClientAddress,
    Function(Arc<KeyFunction>),
}

/// A function of the application that finds the key of a request. It may borrow the key from the head.
type KeyFunction = dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, [u8]>> + Send + Sync;

/// The address of the client, in the extensions of a request.
///
/// The application inserts it: the peer of the connection, or an address that a trusted proxy
/// reported. Behind `Proxy`, which finds it out by itself, that is not needed. See
/// [`Affinity::client_address`] for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an application builds it")]
pub struct ClientAddress(pub IpAddr);

impl Affinity {
    /// Uses the value of the header `name`, byte for byte.
    ///
    /// An empty value is no key. Nor is a header that occurs more than once, since backends may read
    /// another one.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_canary::layer::Affinity;
    ///
    /// let affinity = Affinity::header(HeaderName::from_static("x-user-id"));
    /// ```
    pub fn header(name: HeaderName) -> Self {
        Self::from_source(KeySource::Header(name))
    }

    /// Uses the value of the cookie `name`, byte for byte. An empty value is no key.
    ///
    /// Of several cookies of the name, the first counts. See [`Affinity`] for an example.
    pub fn cookie(name: &str) -> Self {
        Self::from_source(KeySource::Cookie(name.into()))
    }

    /// Uses the [`ClientAddress`] in the request's extensions.
    ///
    /// The key is the text of the address (RFC 5952). An IPv4 address that is mapped into IPv6 counts
    /// as the IPv4 address. Users who share an address share a version.
    ///
    /// ```
    /// use tower_canary::layer::{Affinity, ClientAddress};
    ///
    /// let affinity = Affinity::cookie("session").or(Affinity::client_address());
    /// let mut request = http::Request::new(());
    /// request.extensions_mut().insert(ClientAddress([10, 0, 0, 7].into()));
    /// ```
    pub fn client_address() -> Self {
        Self::from_source(KeySource::ClientAddress)
    }

    /// Uses the key that `function` returns, such as the name of the logged-in user.
    ///
    /// `None` and an empty key count as no key. The function runs for each request, so it should be
    /// fast.
    ///
    /// ```
    /// use tower_canary::layer::Affinity;
    ///
    /// #[derive(Clone)]
    /// struct UserId(String);
    /// let affinity = Affinity::from_fn(|head| Some(head.extensions.get::<UserId>()?.0.as_bytes().into()));
    /// ```
    pub fn from_fn(
        function: impl for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, [u8]>> + Send + Sync + 'static,
    ) -> Self {
        Self::from_source(KeySource::Function(Arc::new(function)))
    }

    /// Uses the key of `other` for requests that have no key by `self`.
    ///
    /// See [`Affinity`] for an example.
    #[expect(clippy::needless_pass_by_value, reason = "it is made where it is passed")]
    pub fn or(self, other: Self) -> Self {
        Self { sources: self.sources.iter().chain(other.sources.iter()).cloned().collect() }
    }

    /// Creates an affinity by one source. Others are added behind it.
    fn from_source(source: KeySource) -> Self {
        Self { sources: [source].into() }
    }

    /// Returns the slot of a request that has a key.
    pub(super) fn slot(&self, head: &RequestHead<'_>, salt: u64) -> Option<Point> {
        self.sources.iter().find_map(|source| {
            let key = source.key(head).filter(|key| !key.is_empty())?;
            Some(Point::from_key(salt, &key))
        })
    }
}

impl fmt::Debug for Affinity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Affinity")?;
        f.debug_list().entries(self.sources.iter()).finish()
    }
}

impl fmt::Debug for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::ClientAddress => f.write_str("client address"),
            Self::Function(_) => f.write_str("function"),
        }
    }
}

impl KeySource {
    /// Returns the key, which may be empty.
    fn key<'a>(&self, head: &RequestHead<'a>) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Header(name) => Some(head.single(name)?.as_bytes().into()),
            Self::Cookie(name) => {
                let first = cookies::pairs(head.headers).find_map(|pair| cookies::value(pair, name))?;
                Some(first.into())
            }
            Self::ClientAddress => {
                let ClientAddress(address) = head.extensions.get()?;
                Some(address.to_canonical().to_string().into_bytes().into())
            }
            Self::Function(function) => function(head),
        }
    }
}
