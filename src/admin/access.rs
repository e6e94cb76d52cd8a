//! Which scope a request needs.
//!
//! The decision is made before the path is matched, from the method, the path and the query. It can be too generous
//! for a path that the API does not have, and for a body, which is read later: a handler that changes something takes
//! [`WriteConditions`](super::extract::WriteConditions), which refuse a sender who may not write unless the request
//! is a preview, or compares the scopes itself, as a probe that ends ejections does.

use http::Method;
use http::request::Parts;
use url::form_urlencoded;

use super::principal::{Principal, Scope};

/// The path of the operation that needs no scope, so that a sender without any can see that.
pub(super) const WHO_AM_I: &str = "/whoami";

/// The end of the path of a probe.
const CHECK: &str = "/check";

/// The scope that a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Every authenticated sender.
    Anyone,
    /// One of both scopes: the request changes nothing, although it has the method of a write.
    Either,
    /// Exactly this scope.
    Only(Scope),
}

impl Access {
    /// Returns the access that a request needs. Methods that are not known here count as writes.
    pub(super) fn needed_for(request: &Parts) -> Self {
        let path = request.uri.path();
        match request.method {
            Method::GET | Method::HEAD if path == WHO_AM_I => Self::Anyone,
            Method::GET | Method::HEAD => Self::Only(Scope::Read),
            Method::POST if path.ends_with(CHECK) => Self::Either,
            _ if is_preview(request) => Self::Either,
            _ => Self::Only(Scope::Write),
        }
    }

    /// Returns the scope to name in a refusal, if `principal` may not send the request.
    pub(super) fn missing(self, principal: &Principal) -> Option<Scope> {
        match self {
            Self::Anyone => None,
            Self::Either if principal.may(Scope::Read) || principal.may(Scope::Write) => None,
            Self::Either => Some(Scope::Read),
            Self::Only(scope) => (!principal.may(scope)).then_some(scope),
        }
    }
}

/// Returns whether the query has `dryRun=true`. A query that also has `dryRun=false` is refused later, since it names a
/// parameter twice.
fn is_preview(request: &Parts) -> bool {
    let query = request.uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(name, value)| name == "dryRun" && value == "true")
}
