//! Which service a request is for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::HeaderName;

use super::head::RequestHead;
use crate::routing::ServiceName;

/// How a layer finds the service that a request is for.
///
/// A request whose service is not found, or not published, goes to the layer's
/// [fallback](super::WeightedVersionLayer::with_fallback) or gets 404. A `debug` event of this crate names what the layer
/// looked for.
///
/// ```
/// use tower_canary::Target;
///
/// let always = Target::service("auth".parse()?);
/// let by_path = Target::path_segment(); // /auth/login goes to auth as /login
/// let by_host = Target::subdomain_of("example.com"); // auth.example.com
/// let by_tenant = Target::from_fn(|head| head.headers.get("x-tenant")?.to_str().ok()?.parse().ok());
/// assert_eq!(by_host.to_string(), "subdomain of example.com");
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone)]
pub struct Target(pub(super) TargetKind);

/// How the service of a request is found.
#[derive(Clone)]
pub(super) enum TargetKind {
    Service(ServiceName),
    Lookup(Lookup),
}

/// A target that is different for each request.
#[derive(Clone)]
pub(super) enum Lookup {
    PathSegment {
        strip: bool,
    },
    Host,
    /// With the dot in front of the domain, in lower case.
    Subdomain(Arc<str>),
    Header(HeaderName),
    Extension,
    Function(Arc<Function>),
}

/// A function of the application that names the service of a request.
type Function = dyn Fn(&RequestHead<'_>) -> Option<ServiceName> + Send + Sync;

/// The name of a service as a lookup found it.
pub(super) enum FoundName<'a> {
    /// Part of the request. It need not be a valid name.
    Text(Cow<'a, str>),
    /// Returned by a function of the application.
    Service(ServiceName),
}

impl Target {
    /// Sends every request to `service`. The fastest target: the service is looked up once, not per request.
    ///
    /// The service need not be registered yet: until it is, requests get 404 `unknown-service`.
    #[must_use]
    pub const fn service(service: ServiceName) -> Self {
        Self(TargetKind::Service(service))
    }

    /// Takes the service from the first segment of the path and strips it: `/auth/login` goes to `auth` as `/login`.
    ///
    /// The cut prefix is the part that `Proxy` reports as `X-Forwarded-Prefix`. The query stays. `/auth` goes
    /// to `auth` as `/`.
    #[must_use]
    pub const fn path_segment() -> Self {
        Self(TargetKind::Lookup(Lookup::PathSegment { strip: true }))
    }

    /// Takes the service from the first segment of the path and leaves it: `/auth/login` goes to `auth` as `/auth/login`.
    ///
    /// For backends that know their own prefix.
    #[must_use]
    pub const fn path_segment_unstripped() -> Self {
        Self(TargetKind::Lookup(Lookup::PathSegment { strip: false }))
    }

    /// Takes the service from the host, without its port and a dot at its end, and in lower case: a service called
    /// `auth.example.com`.
    ///
    /// The host is the URI's if it has one (HTTP/2, absolute form), else the `Host` header's.
    #[must_use]
    pub const fn host() -> Self {
        Self(TargetKind::Lookup(Lookup::Host))
    }

    /// Takes the service from the labels in front of `domain` in the host: `auth.example.com` goes to `auth`.
    ///
    /// A host that is not below the domain names no service. Letter case does not matter.
    ///
    /// ```
    /// use tower_canary::Target;
    ///
    /// assert_eq!(Target::subdomain_of("Example.com").to_string(), Target::subdomain_of("example.com").to_string());
    /// ```
    #[must_use]
    pub fn subdomain_of(domain: &str) -> Self {
        Self(TargetKind::Lookup(Lookup::Subdomain(format!(".{}", domain.to_ascii_lowercase()).into())))
    }

    /// Takes the service from the header `name`. A request with several such headers has no service.
    ///
    /// Remove the header at the edge, unless clients may choose the service.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};
    ///
    /// let by_header = Target::header(HeaderName::from_static("x-service"));
    /// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), by_header);
    /// ```
    #[must_use]
    pub const fn header(name: HeaderName) -> Self {
        Self(TargetKind::Lookup(Lookup::Header(name)))
    }

    /// Takes the service from the [`ServiceName`] that the application put into the request's extensions.
    ///
    /// For an application whose own router finds the service, such as an axum handler in front:
    ///
    /// ```
    /// use http::Request;
    /// use tower_canary::{RoutingHandle, ServiceName, Target, WeightedVersionLayer};
    ///
    /// let layer = WeightedVersionLayer::new(&RoutingHandle::new(), Target::extension());
    /// let mut request = Request::new(());
    /// request.extensions_mut().insert("auth".parse::<ServiceName>()?);
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub const fn extension() -> Self {
        Self(TargetKind::Lookup(Lookup::Extension))
    }

    /// Takes the service from a `function` of the application. A request for which it returns `None` has no service.
    ///
    /// The function runs once for each request, so it should not block or allocate without
    /// need. It sees the head alone, not the body.
    ///
    /// ```
    /// use tower_canary::{ServiceName, Target};
    ///
    /// let writes: ServiceName = "orders-writer".parse()?;
    /// let reads: ServiceName = "orders-reader".parse()?;
    /// let by_method = Target::from_fn(move |head| {
    ///     Some(if head.method.is_safe() { reads.clone() } else { writes.clone() })
    /// });
    /// # Ok::<(), tower_canary::routing::InvalidName>(())
    /// ```
    #[must_use]
    pub fn from_fn(
        function: impl Fn(&RequestHead<'_>) -> Option<ServiceName> + Send + Sync + 'static,
    ) -> Self {
        Self(TargetKind::Lookup(Lookup::Function(Arc::new(function))))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

/// Writes the target in a few words, for logs.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            TargetKind::Service(service) => write!(f, "service {service}"),
            TargetKind::Lookup(lookup) => lookup.fmt(f),
        }
    }
}

impl fmt::Display for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathSegment { .. } => f.write_str("path segment"),
            Self::Host => f.write_str("host"),
            Self::Subdomain(suffix) => write!(f, "subdomain of {}", suffix.trim_start_matches('.')),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Extension => f.write_str("extension"),
            Self::Function(_) => f.write_str("function"),
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lookup({self})")
    }
}

impl Lookup {
    /// Returns the name of the request's service, and the number of bytes to strip from the front of its path. `None`
    /// if the request has nothing where the name should be.
    pub(super) fn find<'a>(&self, head: &RequestHead<'a>) -> Option<(FoundName<'a>, usize)> {
        let name = match self {
            Self::PathSegment { strip } => {
                let path = head.uri.path().strip_prefix('/')?;
                let segment = path.split_once('/').map_or(path, |(segment, _rest)| segment);
                let stripped = if *strip { 1 + segment.len() } else { 0 };
                return Some((FoundName::Text(segment.into()), stripped));
            }
            Self::Host => lowercase(head.host()?),
            Self::Subdomain(suffix) => lowercase(strip_domain(head.host()?, suffix)?),
            Self::Header(name) => head.single_text(name)?.into(),
            Self::Extension => head.extensions.get::<ServiceName>()?.as_str().into(),
            Self::Function(function) => return function(head).map(|name| (FoundName::Service(name), 0)),
        };
        Some((FoundName::Text(name), 0))
    }
}

impl FoundName<'_> {
    /// Returns the name as a text, which need not be the name of a service.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Service(name) => name.as_str(),
        }
    }
}

/// Returns the part of `host` before `suffix`, which is compared without regard to case.
fn strip_domain<'a>(host: &'a str, suffix: &str) -> Option<&'a str> {
    let (label, domain) = host.split_at_checked(host.len().checked_sub(suffix.len())?)?;
    domain.eq_ignore_ascii_case(suffix).then_some(label)
}

/// Returns the text in lower case. A host is case-insensitive, the names of services are lower case.
fn lowercase(text: &str) -> Cow<'_, str> {
    match text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => text.to_ascii_lowercase().into(),
        false => text.into(),
    }
}
