//! Which service a request is for.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use http::header::{HOST, HeaderMap, HeaderName};
use http::{Extensions, HeaderValue, Method, Request, Uri};

use super::rules::Picked;
use crate::handle::{Choice, NextDraw, NoChoice, RoutingHandle, ServiceEntry};
use crate::routing::{Route, ServiceName};

/// How a layer finds the service that a request is for.
///
/// ```
/// use tower_canary::Target;
///
/// let always = Target::service("auth".parse()?);
/// let by_path = Target::path_segment(); // /auth/login goes to auth as /login
/// let by_host = Target::subdomain_of("example.com"); // auth.example.com
/// let by_tenant = Target::from_fn(|head| head.headers.get("x-tenant")?.to_str().ok()?.parse().ok());
/// # Ok::<(), tower_canary::routing::InvalidName>(())
/// ```
#[derive(Clone)]
pub struct Target(Kind);

#[derive(Clone)]
enum Kind {
    Service(ServiceName),
    Lookup(Lookup),
}

#[derive(Clone)]
pub(super) enum Lookup {
    PathSegment { strip: bool },
    Host,
    Subdomain(Arc<str>),
    Header(HeaderName),
    Extension,
    Function(Arc<Function>),
}

type Function = dyn Fn(&RequestHead<'_>) -> Option<ServiceName> + Send + Sync;

/// A request without its body, as a host's own function sees it.
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
    /// The URI as it came.
    pub uri: &'a Uri,
    /// The headers as they came.
    pub headers: &'a HeaderMap,
    /// The extensions.
    pub extensions: &'a Extensions,
}

impl Target {
    /// Every request is for `service`. The fastest: the service is looked up once, not per request.
    #[must_use]
    pub const fn service(service: ServiceName) -> Self {
        Self(Kind::Service(service))
    }

    /// The first segment of the path names the service and is stripped: `/auth/login` goes to `auth` as `/login`.
    #[must_use]
    pub const fn path_segment() -> Self {
        Self(Kind::Lookup(Lookup::PathSegment { strip: true }))
    }

    /// The first segment of the path names the service and stays: `/auth/login` goes to `auth` as `/auth/login`.
    #[must_use]
    pub const fn path_segment_unstripped() -> Self {
        Self(Kind::Lookup(Lookup::PathSegment { strip: false }))
    }

    /// The host names the service, without its port and in lower case: a service called `auth.example.com`.
    ///
    /// It is the URI's host where there is one (HTTP/2, absolute form), else the `Host` header's.
    #[must_use]
    pub const fn host() -> Self {
        Self(Kind::Lookup(Lookup::Host))
    }

    /// What stands in front of `domain` in the host names the service: `auth.example.com` is for `auth`.
    #[must_use]
    pub fn subdomain_of(domain: &str) -> Self {
        Self(Kind::Lookup(Lookup::Subdomain(format!(".{}", domain.to_ascii_lowercase()).into())))
    }

    /// The header `name` names the service. Several of them name none.
    #[must_use]
    pub const fn header(name: HeaderName) -> Self {
        Self(Kind::Lookup(Lookup::Header(name)))
    }

    /// A [`ServiceName`] in the request's extensions, put there by the host.
    #[must_use]
    pub const fn extension() -> Self {
        Self(Kind::Lookup(Lookup::Extension))
    }

    /// The host's own `function`. `None` is answered like an unknown service.
    #[must_use]
    pub fn from_fn(
        function: impl Fn(&RequestHead<'_>) -> Option<ServiceName> + Send + Sync + 'static,
    ) -> Self {
        Self(Kind::Lookup(Lookup::Function(Arc::new(function))))
    }

    pub(super) fn on(self, handle: &RoutingHandle) -> Source {
        match self.0 {
            Kind::Service(service) => Source::Fixed(handle.entry(&service)),
            Kind::Lookup(lookup) => Source::Lookup(handle.clone(), lookup),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Service(service) => write!(f, "Target::service({service})"),
            Kind::Lookup(lookup) => fmt::Debug::fmt(lookup, f),
        }
    }
}

impl fmt::Debug for Lookup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathSegment { strip: true } => f.write_str("Target::path_segment()"),
            Self::PathSegment { strip: false } => f.write_str("Target::path_segment_unstripped()"),
            Self::Host => f.write_str("Target::host()"),
            Self::Subdomain(domain) => {
                write!(f, "Target::subdomain_of({:?})", domain.trim_start_matches('.'))
            }
            Self::Header(name) => write!(f, "Target::header({name})"),
            Self::Extension => f.write_str("Target::extension()"),
            Self::Function(_) => f.write_str("Target::from_fn(..)"),
        }
    }
}

impl<'a> RequestHead<'a> {
    pub(super) fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
            extensions: request.extensions(),
        }
    }

    /// The host the request was sent to, without its port.
    fn host(&self) -> Option<&'a str> {
        if let Some(authority) = self.uri.authority() {
            return Some(authority.host());
        }
        let text = self.single(&HOST)?;
        Some(text.split_once(':').map_or(text, |(host, _port)| host))
    }

    fn single(&self, name: &HeaderName) -> Option<&'a str> {
        self.only(name)?.to_str().ok()
    }

    /// The header `name`, where there are not several.
    pub(super) fn only(&self, name: &HeaderName) -> Option<&'a HeaderValue> {
        let mut values = self.headers.get_all(name).iter();
        values.next().filter(|_| values.next().is_none())
    }
}

/// Where a layer's routes come from: a target bound to a handle.
#[derive(Clone, Debug)]
pub(super) enum Source {
    Fixed(Arc<ServiceEntry>),
    Lookup(RoutingHandle, Lookup),
}

impl Source {
    /// Gives `choose` the request, the version that `pick` chose, and how many bytes of its path named the service.
    #[inline]
    pub(super) fn choose<B, T>(
        &self,
        request: &mut Request<B>,
        pick: impl FnOnce(&Request<B>, &Route, NextDraw<'_>) -> Picked,
        choose: impl FnOnce(&mut Request<B>, Result<Choice<'_>, NoChoice>, usize) -> T,
    ) -> T {
        match self {
            Self::Fixed(entry) => entry.choose(request, pick, |request, choice| choose(request, choice, 0)),
            Self::Lookup(handle, lookup) => {
                let entries = handle.entries();
                let found = lookup.find(&RequestHead::of(request));
                let found = found.and_then(|(name, cut)| Some((entries.get(name.as_str())?, cut)));
                match found {
                    Some((entry, cut)) => {
                        entry.choose(request, pick, |request, choice| choose(request, choice, cut))
                    }
                    None => {
                        handle.count_unknown();
                        choose(request, Err(NoChoice::UnknownService), 0)
                    }
                }
            }
        }
    }
}

impl Lookup {
    fn find<'a>(&self, head: &RequestHead<'a>) -> Option<(Named<'a>, usize)> {
        let name = match self {
            Self::PathSegment { strip } => {
                let path = head.uri.path().strip_prefix('/')?;
                let segment = path.bytes().position(|byte| byte == b'/').map_or(path, |end| &path[..end]);
                return Some((Named::Text(segment.into()), if *strip { 1 + segment.len() } else { 0 }));
            }
            Self::Host => lower(head.host()?),
            Self::Subdomain(suffix) => {
                let host = head.host()?;
                let label = host.len().checked_sub(suffix.len()).and_then(|at| host.split_at_checked(at));
                lower(label.filter(|(_, domain)| domain.eq_ignore_ascii_case(suffix))?.0)
            }
            Self::Header(name) => head.single(name)?.into(),
            Self::Extension => head.extensions.get::<ServiceName>()?.as_str().into(),
            Self::Function(function) => return function(head).map(|name| (Named::Service(name), 0)),
        };
        Some((Named::Text(name), 0))
    }
}

/// A name as it was found: part of the request, or made by the host.
enum Named<'a> {
    Text(Cow<'a, str>),
    Service(ServiceName),
}

impl Named<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Service(name) => name.as_str(),
        }
    }
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) { text.to_ascii_lowercase().into() } else { text.into() }
}
