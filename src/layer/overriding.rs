//! A request that asks for a version by its name.

use std::fmt;
use std::sync::Arc;

use http::header::{COOKIE, HeaderName, HeaderValue};
use http::{HeaderMap, Request};

use super::cookies;
use super::head::RequestHead;
use crate::routing::Split;

/// The header of a response whose request asked for a version and did not get it; its value says why.
pub(crate) const REFUSED: HeaderName = HeaderName::from_static("canary-override-refused");

/// Lets testers ask for a version by its name, one at weight 0 too: those whom the host trusts, and nobody else.
///
/// An inactive version is never chosen. The header or cookie is taken out of every request, asked for by whomever, so no
/// backend sees it. Who does not get the version is served as if they had not asked, and the response says why in
/// `canary-override-refused`:
///
/// | value | when |
/// | --- | --- |
/// | `not-trusted` | the host's predicate says no |
/// | `unknown-version` | the service has no version of that name |
/// | `version-inactive` | it has, and that is not active |
/// | `ambiguous` | the request asks more than once |
///
/// ```
/// use http::header::HeaderName;
/// use tower_canary::layer::Override;
///
/// /// Put into the request's extensions by the host's own authentication.
/// #[derive(Clone)]
/// struct Tester;
///
/// let ask = HeaderName::from_static("x-version");
/// let testers = Override::header(ask, |head| head.extensions.get::<Tester>().is_some());
/// ```
#[derive(Clone)]
#[must_use]
pub struct Override {
    place: Place,
    trusts: Arc<Trusts>,
}

type Trusts = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;

#[derive(Clone, Debug)]
enum Place {
    Header(HeaderName),
    Cookie(Arc<str>),
}

/// What a request asks for.
pub(super) struct Asked(Result<HeaderValue, Refused>);

/// Why a request does not get the version that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotTrusted,
    UnknownVersion,
    VersionInactive,
    Ambiguous,
}

impl Override {
    /// The header `name` names the version, if the request is one that `trusts` says yes to: by what the host found out
    /// about its sender, never by what the request says of itself.
    pub fn header(
        name: HeaderName,
        trusts: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { place: Place::Header(name), trusts: Arc::new(trusts) }
    }

    /// Like [`header`](Self::header), for the cookie `name`: for browsers.
    ///
    /// ```
    /// use tower_canary::layer::Override;
    ///
    /// /// What the host's own authentication puts into the extensions.
    /// #[derive(Clone)]
    /// struct Tester;
    ///
    /// let testers = Override::cookie("version", |head| head.extensions.get::<Tester>().is_some());
    /// ```
    pub fn cookie(name: &str, trusts: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self { place: Place::Cookie(name.into()), trusts: Arc::new(trusts) }
    }

    /// Takes out of `request` what it asks for, if it asks.
    pub(super) fn take<B>(&self, request: &mut Request<B>) -> Option<Asked> {
        if !self.place.is_used(request.headers()) {
            return None;
        }
        let trusted = (self.trusts)(&RequestHead::new(request));
        let value = self.place.take(request.headers_mut())?;
        Some(Asked(if trusted { value } else { Err(Refused::NotTrusted) }))
    }
}

impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Override").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Place {
    fn is_used(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Header(name) => headers.contains_key(name),
            Self::Cookie(name) => cookies::pairs(headers).any(|pair| cookies::value(pair, name).is_some()),
        }
    }

    fn take(&self, headers: &mut HeaderMap) -> Option<Result<HeaderValue, Refused>> {
        match self {
            Self::Header(name) => {
                let several = headers.get_all(name).iter().nth(1).is_some();
                let value = headers.remove(name)?;
                Some(if several { Err(Refused::Ambiguous) } else { Ok(value) })
            }
            Self::Cookie(name) => take_cookie(headers, name),
        }
    }
}

/// Takes every cookie called `name` out of the headers, and leaves the others as they are.
fn take_cookie(headers: &mut HeaderMap, name: &str) -> Option<Result<HeaderValue, Refused>> {
    let asked: Vec<_> = cookies::pairs(headers).filter_map(|pair| cookies::value(pair, name)).collect();
    let value = match asked[..] {
        [] => return None,
        [only] => HeaderValue::from_bytes(only).map_err(|_| Refused::UnknownVersion),
        _ => Err(Refused::Ambiguous),
    };
    let mut kept = Vec::new();
    for header in headers.get_all(COOKIE) {
        let pairs = header.as_bytes().split(|byte| *byte == b';');
        let others: Vec<_> = pairs.filter(|pair| cookies::value(pair, name).is_none()).collect();
        kept.push(others.join(&b';'));
    }
    headers.remove(COOKIE);
    for others in kept.iter().map(|others| others.trim_ascii()).filter(|others| !others.is_empty()) {
        // It is made of what was a header value.
        if let Ok(others) = HeaderValue::from_bytes(others) {
            headers.append(COOKIE, others);
        }
    }
    Some(value)
}

impl Asked {
    /// The position of the version asked for.
    pub(super) fn version(self, split: &Split) -> Result<usize, Refused> {
        let name = self.0?;
        let is_meant =
            |version: &crate::routing::Version| version.name.as_str().as_bytes() == name.as_bytes();
        let version = split.versions().iter().position(is_meant).ok_or(Refused::UnknownVersion)?;
        if split.versions()[version].active { Ok(version) } else { Err(Refused::VersionInactive) }
    }
}

impl Refused {
    /// Says so in the response.
    pub(super) fn note(self, headers: &mut HeaderMap) {
        tracing::debug!(reason = self.as_str(), "a request did not get the version it asked for");
        headers.insert(REFUSED, HeaderValue::from_static(self.as_str()));
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::NotTrusted => "not-trusted",
            Self::UnknownVersion => "unknown-version",
            Self::VersionInactive => "version-inactive",
            Self::Ambiguous => "ambiguous",
        }
    }
}
