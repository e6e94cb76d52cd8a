//! Who is kept with one version.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::header::HeaderName;

use super::cookies;
use super::head::RequestHead;
use crate::routing::Point;

/// Where the key of a request is found, by which its user is kept with one version: the first source that has one.
///
/// The key is hashed with the salt of the service to one of its 10,000 slots, each of which belongs to a version:
/// [`Point::from_key`] says how. Nothing is stored and no cookie is set, and every replica agrees. When weights change, the
/// fewest users move, and nobody leaves a version whose share grew. A request without a key is drawn by weight alone;
/// [`RoutingHandle::picks`](crate::RoutingHandle::picks) counts both.
///
/// Whoever chooses the key chooses the version: this is for even and lasting shares, not for access control.
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
    sources: Arc<[Source]>,
}

#[derive(Clone)]
enum Source {
    Header(HeaderName),
    Cookie(Arc<str>),
    ClientAddress,
    Function(Arc<KeyOf>),
}

type KeyOf = dyn for<'a> Fn(&RequestHead<'a>) -> Option<Cow<'a, [u8]>> + Send + Sync;

/// The address of the client, to be put into a request's extensions by the host, which knows whom to believe it:
/// the peer of the connection, or what a trusted proxy says. See [`Affinity::client_address`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a host builds it")]
pub struct ClientAddress(pub IpAddr);

impl Affinity {
    /// The value of the header `name`, byte for byte. An empty one is no key, nor are several.
    pub fn header(name: HeaderName) -> Self {
        Self::of(Source::Header(name))
    }

    /// The value of the cookie `name`, byte for byte: the first, where there are several. An empty one is no key.
    pub fn cookie(name: &str) -> Self {
        Self::of(Source::Cookie(name.into()))
    }

    /// The [`ClientAddress`] in the request's extensions. The key is its text (RFC 5952), that of an IPv4 address for one
    /// that is mapped into IPv6. Users behind one address stay together.
    ///
    /// ```
    /// use tower_canary::layer::{Affinity, ClientAddress};
    ///
    /// let affinity = Affinity::cookie("session").or(Affinity::client_address());
    /// let mut request = http::Request::new(());
    /// request.extensions_mut().insert(ClientAddress([10, 0, 0, 7].into()));
    /// ```
    pub fn client_address() -> Self {
        Self::of(Source::ClientAddress)
    }

    /// The host's own `function`, such as one that reads who is logged in from the request's extensions. An empty key is
    /// none.
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
        Self::of(Source::Function(Arc::new(function)))
    }

    /// Looks at `other` where this has no key.
    #[expect(clippy::needless_pass_by_value, reason = "it is made where it is passed")]
    pub fn or(self, other: Self) -> Self {
        Self { sources: self.sources.iter().chain(other.sources.iter()).cloned().collect() }
    }

    fn of(source: Source) -> Self {
        Self { sources: [source].into() }
    }

    /// The slot that a request falls into, if it has a key.
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

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::ClientAddress => f.write_str("client address"),
            Self::Function(_) => f.write_str("function"),
        }
    }
}

impl Source {
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
