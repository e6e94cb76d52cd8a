//! Who may use the admin API.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;
use http::header::{AUTHORIZATION, HeaderMap};
use http::request::Parts;
use thiserror::Error;

use super::problem::Problem;
use crate::common::error::{BoxError, chain_text};
use crate::store::MAX_ACTOR;

/// How requests to the admin API are authenticated. There is no way to have none.
///
/// With the feature `jwt`: `AdminAuth::jwt`. Else an [`Authenticator`] of the host's own:
///
/// ```
/// use http::request::Parts;
/// use tower_canary::admin::{AdminAuth, AuthError, Authenticator, Principal, Scope};
///
/// /// Trusts the name that a proxy in front has verified. The proxy must strip the header from what clients send, and
/// /// nobody may reach the gateway around it.
/// #[derive(Debug)]
/// struct BehindProxy;
///
/// #[async_trait::async_trait]
/// impl Authenticator for BehindProxy {
///     async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError> {
///         let user = request.headers.get("x-verified-user").ok_or(AuthError::Missing)?;
///         let user = user.to_str().map_err(AuthError::invalid)?;
///         let principal = Principal::new(user).map_err(AuthError::invalid)?;
///         Ok(principal.with_scopes([Scope::Read, Scope::Write]))
///     }
/// }
/// let auth = AdminAuth::custom(BehindProxy);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AdminAuth {
    authenticator: Arc<dyn Authenticator>,
}

/// Finds out who sent a request.
///
/// [`AdminAuth`] has an example. Credentials that a browser sends by itself (cookies, client certificates, Basic) also
/// need a check that the request is not forged by another site, which is then the host's to add.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Who sent `request`, and what they may do.
    ///
    /// # Errors
    ///
    /// [`AuthError`]: the sender is answered 401, whatever the reason.
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError>;
}

/// Who sent a request, and what they may do.
///
/// ```
/// use tower_canary::admin::{Principal, Scope};
///
/// let alice = Principal::new("alice")?.with_scopes([Scope::Read]);
/// assert!(alice.may(Scope::Read) && !alice.may(Scope::Write));
/// assert!(Principal::new("a\nb").is_err());
/// # Ok::<(), tower_canary::admin::InvalidSubject>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    subject: String,
    scopes: BTreeSet<Scope>,
}

/// What somebody may do.
///
/// ```
/// use tower_canary::admin::Scope;
///
/// assert_eq!(Scope::named("canary:write"), Some(Scope::Write));
/// assert_eq!(Scope::Read.as_str(), "canary:read");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// `canary:read`: GET and HEAD.
    Read,
    /// `canary:write`: every other method. It does not include [`Scope::Read`].
    Write,
}

/// Why a request is not authenticated. Its sender does not learn more than that.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// It has no credentials.
    #[error("the request has no credentials")]
    Missing,
    /// Its credentials are not valid.
    #[error("the credentials are not valid")]
    Invalid(#[source] BoxError),
}

/// A text that is not the subject of a [`Principal`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a subject has 1 to {MAX_ACTOR} characters, none of them a control character")]
#[non_exhaustive]
pub struct InvalidSubject;

// === impl AdminAuth ===

impl AdminAuth {
    /// Asks `authenticator`.
    pub fn custom(authenticator: impl Authenticator) -> Self {
        Self { authenticator: Arc::new(authenticator) }
    }

    async fn principal(&self, request: &Parts) -> Result<Principal, AuthError> {
        if request.headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            return Err(AuthError::invalid("several Authorization headers"));
        }
        self.authenticator.authenticate(request).await
    }
}

// === impl Principal ===

impl Principal {
    /// Somebody who may do nothing yet.
    ///
    /// # Errors
    ///
    /// When `subject` is empty, longer than 255 characters, or has control characters.
    pub fn new(subject: impl Into<String>) -> Result<Self, InvalidSubject> {
        let subject = subject.into();
        let length = subject.chars().take(MAX_ACTOR + 1).count();
        if length == 0 || length > MAX_ACTOR || subject.contains(char::is_control) {
            return Err(InvalidSubject);
        }
        Ok(Self { subject, scopes: BTreeSet::new() })
    }

    /// The same, allowed `scopes` as well.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scopes.extend(scopes);
        self
    }

    /// Who it is: the actor of the changes they make.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether `scope` is among what they may do.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

// === impl Scope ===

impl Scope {
    /// The scope called `name`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::Read, Self::Write].into_iter().find(|scope| scope.as_str() == name)
    }

    /// Its name in a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "canary:read",
            Self::Write => "canary:write",
        }
    }

    fn needed_for(method: &Method) -> Self {
        if matches!(*method, Method::GET | Method::HEAD) { Self::Read } else { Self::Write }
    }
}

// === impl AuthError ===

impl AuthError {
    /// Credentials that are not valid because of `cause`, which goes to the log and not to the sender.
    pub fn invalid(cause: impl Into<BoxError>) -> Self {
        Self::Invalid(cause.into())
    }

    const fn challenge(&self) -> &'static str {
        match self {
            Self::Missing => "Bearer",
            Self::Invalid(_) => r#"Bearer error="invalid_token""#,
        }
    }
}

/// Lets nothing of the API be seen before it is known who asks and that they may.
pub(super) async fn guard(
    State(auth): State<AdminAuth>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (mut parts, body) = request.into_parts();
    let principal = auth.principal(&parts).await.map_err(|error| {
        tracing::debug!(error = ?chain_text(&error), "not authenticated");
        Problem::unauthorized(error.challenge())
    })?;
    let needed = Scope::needed_for(&parts.method);
    if !principal.may(needed) {
        if needed == Scope::Write {
            let (subject, path) = (principal.subject(), parts.uri.path());
            tracing::warn!(?subject, method = ?parts.method, ?path, "a write by somebody who may not");
        }
        return Err(Problem::insufficient_scope(needed.as_str()));
    }
    parts.extensions.insert(principal);
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// The bearer token of a request (RFC 6750, section 2.1): the only place a token is taken from.
#[cfg_attr(not(feature = "jwt"), expect(dead_code, reason = "only tokens need it"))]
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let header = headers.get(AUTHORIZATION).ok_or(AuthError::Missing)?;
    let header = header.to_str().map_err(AuthError::invalid)?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::Missing);
    }
    Ok(token.trim_matches(' '))
}
