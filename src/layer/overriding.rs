//! Overrides: requests that ask for a version by its name.

use std::fmt;
use std::sync::Arc;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, Request};

use super::cookies;
use super::head::RequestHead;
use crate::routing::Split;

/// The response header with the reason why a request did not get the version that it asked for.
pub(crate) const REFUSED: HeaderName = HeaderName::from_static("canary-override-refused");

/// Lets trusted clients choose a version by its name, also one at weight 0.
///
/// It is for testers, who try a canary before it gets traffic. The name is in a header or a
/// cookie. A predicate of the application decides which requests are trusted. Give it to
/// [`WeightedVersionLayer::with_override`](crate::WeightedVersionLayer::with_override).
///
/// - It comes before pins, keys and the draw.
/// - An inactive version is never chosen.
/// - The header or cookie is removed from every request, trusted or not, so no backend sees it.
/// - A shared cache in front of the gateway could store the response to a tester for everyone. Let it
///   pass such requests without storing.
/// - A request that is refused is served like one without an override. Its response has the reason in
///   `canary-override-refused`:
///
/// | value | reason |
/// | --- | --- |
/// | `not-trusted` | the predicate returned false |
/// | `unknown-version` | the service has no version of that name |
/// | `version-inactive` | the version is not active |
/// | `ambiguous` | the request has the header or cookie more than once |
///
/// ```
/// use http::header::HeaderName;
/// use tower_canary::layer::Override;
///
/// /// Inserted into the request's extensions by the authentication of the application.
/// #[derive(Clone)]
/// struct Tester;
///
/// let name = HeaderName::from_static("x-version");
/// let testers = Override::header(name, |head| head.extensions.get::<Tester>().is_some());
/// ```
#[derive(Clone)]
#[must_use]
pub struct Override {
    place: Place,
    trusts: Arc<Trusts>,
}

/// A function of the application that decides whether the sender of a request may choose a version.
type Trusts = dyn Fn(&RequestHead<'_>) -> bool + Send + Sync;

/// The place of the version's name in a request.
#[derive(Clone, Debug)]
enum Place {
    Header(HeaderName),
    Cookie(Arc<str>),
}

/// The version that a request asks for, or the reason why it is refused already.
pub(super) struct OverrideRequest(Result<HeaderValue, OverrideRefusal>);

/// The reason why a request does not get the version that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OverrideRefusal {
    NotTrusted,
    UnknownVersion,
    VersionInactive,
    Ambiguous,
}

impl Override {
    /// Takes the version from the header `name`, for requests that `trusts` returns true for.
    ///
    /// The predicate must decide by what the application knows about the sender, such as an
    /// extension that its authentication inserted. What the request claims can be forged. See
    /// [`Override`] for an example.
    pub fn header(
        name: HeaderName,
        trusts: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { place: Place::Header(name), trusts: Arc::new(trusts) }
    }

    /// Takes the version from the cookie `name`, for browsers. Otherwise like [`header`](Self::header).
    ///
    /// ```
    /// use tower_canary::layer::Override;
    ///
    /// /// Inserted into the request's extensions by the authentication of the application.
    /// #[derive(Clone)]
    /// struct Tester;
    ///
    /// let testers = Override::cookie("version", |head| head.extensions.get::<Tester>().is_some());
    /// ```
    pub fn cookie(name: &str, trusts: impl Fn(&RequestHead<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self { place: Place::Cookie(name.into()), trusts: Arc::new(trusts) }
    }

    /// Removes the header or cookie from `request`, and returns the version that it asks for, if any.
    pub(super) fn take<B>(&self, request: &mut Request<B>) -> Option<OverrideRequest> {
        if !self.place.is_used(request.headers()) {
            return None;
        }
        let trusted = (self.trusts)(&RequestHead::new(request));
        let value = self.place.take(request.headers_mut())?;
        Some(OverrideRequest(if trusted { value } else { Err(OverrideRefusal::NotTrusted) }))
    }
}

impl fmt::Debug for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Override").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Place {
    /// Returns whether the request asks for a version. Most do not, so this must be fast.
    fn is_used(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Header(name) => headers.contains_key(name),
            Self::Cookie(name) => cookies::pairs(headers).any(|pair| cookies::value(pair, name).is_some()),
        }
    }

    /// Removes the name of the version from `headers`, and returns it. `None` if there is none, and
    /// [`Ambiguous`](OverrideRefusal::Ambiguous) if there are several.
    fn take(&self, headers: &mut HeaderMap) -> Option<Result<HeaderValue, OverrideRefusal>> {
        match self {
            Self::Header(name) => {
                let several = headers.get_all(name).iter().nth(1).is_some();
                let value = headers.remove(name)?;
                Some(if several { Err(OverrideRefusal::Ambiguous) } else { Ok(value) })
            }
            Self::Cookie(name) => take_cookie(headers, name),
        }
    }
}

/// Removes every cookie called `name` from `headers`, and returns its value as [`Place::take`] does. A value that
/// cannot be a header names no version.
fn take_cookie(headers: &mut HeaderMap, name: &str) -> Option<Result<HeaderValue, OverrideRefusal>> {
    let values: Vec<_> = cookies::pairs(headers).filter_map(|pair| cookies::value(pair, name)).collect();
    let value = match values[..] {
        [] => return None,
        [only] => HeaderValue::from_bytes(only).map_err(|_| OverrideRefusal::UnknownVersion),
        _ => Err(OverrideRefusal::Ambiguous),
    };
    cookies::remove(headers, name);
    Some(value)
}

impl OverrideRequest {
    /// Returns the position of the requested version in `split`, if the sender is trusted and the version is active.
    pub(super) fn version(self, split: &Split) -> Result<usize, OverrideRefusal> {
        let name = self.0?;
        let mut names = split.versions().iter().map(|version| version.name.as_str());
        let version = names.position(|candidate| candidate.as_bytes() == name.as_bytes());
        let version = version.ok_or(OverrideRefusal::UnknownVersion)?;
        if split.versions()[version].active { Ok(version) } else { Err(OverrideRefusal::VersionInactive) }
    }
}

impl OverrideRefusal {
    /// Logs the reason, and sets it in the response.
    pub(super) fn set_header(self, headers: &mut HeaderMap) {
        tracing::debug!(reason = self.as_str(), "a request did not get the version it asked for");
        headers.insert(REFUSED, HeaderValue::from_static(self.as_str()));
    }

    /// Returns the value of the response header.
    const fn as_str(self) -> &'static str {
        match self {
            Self::NotTrusted => "not-trusted",
            Self::UnknownVersion => "unknown-version",
            Self::VersionInactive => "version-inactive",
            Self::Ambiguous => "ambiguous",
        }
    }
}
