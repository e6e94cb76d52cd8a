//! Authentication of requests.
//!
//! Three decisions, in this order: who sent the request ([`Authenticator::authenticate`]), which scope it
//! needs ([`Access`]), and which challenge a denied request gets ([`Authenticator::challenge`]).
//! The first two are made before the path is matched.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};
use thiserror::Error;

use super::access::Access;
use super::principal::{Principal, Scope};
use super::problem::ApiError;
use crate::common::error::{BoxError, chain_text};

/// The authentication of the admin API. Every router has one: there is no way to leave it out.
///
/// With the feature `jwt`, `AdminAuth::jwt` checks JSON web tokens. An application with a login of its own
/// implements [`Authenticator`]:
///
/// ```
/// use tower_canary::admin::{AdminAuth, AuthError, Authenticator, Principal};
///
/// #[derive(Debug)]
/// struct Closed;
///
/// #[async_trait::async_trait]
/// impl Authenticator for Closed {
///     async fn authenticate(&self, _: &http::request::Parts) -> Result<Principal, AuthError> {
///         Err(AuthError::Missing)
///     }
/// }
///
/// let auth = AdminAuth::custom(Closed);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct AdminAuth {
    authenticator: Arc<dyn Authenticator>,
}

/// Authenticates requests by the rules of the application.
///
/// Credentials that a browser sends by itself (cookies, client certificates, Basic) also need protection
/// against requests that another site forges. That protection is the application's part.
///
/// An authenticator that trusts a proxy in front of the gateway:
///
/// ```
/// use http::HeaderValue;
/// use http::request::Parts;
/// use tower_canary::admin::{AdminAuth, AuthError, Authenticator, Denial, Principal, Scope};
///
/// /// The proxy verifies the user, removes the header from client requests and sets it. Clients must not
/// /// be able to reach the gateway around the proxy.
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
///
///     fn challenge(&self, _: Denial) -> Option<HeaderValue> {
///         Some(HeaderValue::from_static(r#"Proxy-Login realm="canary""#))
///     }
///
///     fn instructions(&self) -> &str {
///         "sign in at https://login.example"
///     }
/// }
///
/// let auth = AdminAuth::custom(BehindProxy);
/// ```
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync + 'static {
    /// Returns the sender of `request` and its scopes. A request with several `Authorization` headers is
    /// refused before this is called.
    ///
    /// # Errors
    ///
    /// [`AuthError`] if the request is not authenticated. The response is 401 and does not show the cause.
    async fn authenticate(&self, request: &Parts) -> Result<Principal, AuthError>;

    /// Returns the `WWW-Authenticate` header of the response to a request that is denied.
    ///
    /// RFC 9110, section 11.6.1, requires at least one challenge in each 401 response, and allows it in a 403
    /// response. The default therefore sends the challenge `Custom realm="canary-admin"` with 401 and none
    /// with 403. No scheme of that name is registered, so browsers show no login dialog and clients do not
    /// retry with credentials of their own. An authenticator for a registered scheme returns that scheme, for
    /// example `Basic realm="canary-admin"`. `None` leaves the header out; with 401 that breaks the rule, and
    /// some clients then report a protocol error.
    fn challenge(&self, denial: Denial) -> Option<HeaderValue> {
        match denial {
            Denial::MissingCredentials | Denial::InvalidCredentials => {
                Some(HeaderValue::from_static(r#"Custom realm="canary-admin""#))
            }
            Denial::InsufficientScope => None,
        }
    }

    /// Returns the detail of the problem in a 401 response: an instruction to the sender. It must be the same
    /// for all requests, so that it does not show which part of the credentials is wrong.
    fn instructions(&self) -> &str {
        "send valid credentials"
    }
}

/// Why the admin API denies a request.
///
/// ```
/// use tower_canary::admin::{AuthError, Denial};
///
/// assert_eq!(Denial::from(&AuthError::Missing), Denial::MissingCredentials);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Denial {
    /// The request has no credentials: 401.
    MissingCredentials,
    /// The credentials are not valid: 401.
    InvalidCredentials,
    /// The credentials are valid, and their scopes do not include the one that the request needs: 403.
    InsufficientScope,
}

/// Why a request is not authenticated. The cause goes to the log, and the sender does not see it.
///
/// ```
/// use std::error::Error;
/// use tower_canary::admin::AuthError;
///
/// let error = AuthError::invalid("the session has expired");
/// assert_eq!(error.to_string(), "the credentials are not valid");
/// assert_eq!(error.source().unwrap().to_string(), "the session has expired");
/// ```
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The request has no credentials.
    #[error("the request has no credentials")]
    Missing,
    /// The credentials are not valid.
    #[error("the credentials are not valid")]
    Invalid(#[source] BoxError),
}

// === impl AdminAuth ===

impl AdminAuth {
    /// Authenticates requests with `authenticator`. See [`Authenticator`] for an example.
    ///
    /// Clones of the result share the authenticator, so its caches and counters are shared too.
    pub fn custom(authenticator: impl Authenticator) -> Self {
        Self { authenticator: Arc::new(authenticator) }
    }

    /// Authenticates a request.
    async fn principal(&self, request: &Parts) -> Result<Principal, AuthError> {
        // Otherwise a proxy and the authenticator could each check another one of them.
        if request.headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            return Err(AuthError::invalid("several Authorization headers"));
        }
        self.authenticator.authenticate(request).await
    }

    /// Creates the 401 response.
    fn unauthorized(&self, error: &AuthError) -> ApiError {
        let challenge = self.authenticator.challenge(error.into());
        ApiError::unauthorized(challenge, self.authenticator.instructions())
    }

    /// Adds the challenge to a 403 response, if the authenticator has one for it.
    fn challenge_scope(&self, mut denied: Response) -> Response {
        if let Some(challenge) = self.authenticator.challenge(Denial::InsufficientScope) {
            denied.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        denied
    }
}

// === impl Denial ===

impl From<&AuthError> for Denial {
    fn from(error: &AuthError) -> Self {
        match error {
            AuthError::Missing => Self::MissingCredentials,
            AuthError::Invalid(_) => Self::InvalidCredentials,
        }
    }
}

// === impl AuthError ===

impl AuthError {
    /// Creates the error for credentials that are not valid because of `cause`. See [`AuthError`] for an
    /// example.
    pub fn invalid(cause: impl Into<BoxError>) -> Self {
        Self::Invalid(cause.into())
    }
}

/// Authenticates a request and checks its scope before any part of the API sees it.
///
/// This middleware is around the whole router, its `Allow` headers and its 404 included, so that a denied client gets the
/// same response for every path. The principal goes into the extensions of the request, for a handler that denies a request
/// by its body. Every 403 gets the challenge of the authenticator, and every denied write is logged.
pub(super) async fn guard(
    State(auth): State<AdminAuth>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let principal = auth.principal(&parts).await.map_err(|error| {
        tracing::debug!(error = ?chain_text(&error), "not authenticated");
        auth.unauthorized(&error)
    })?;
    if let Some(missing) = Access::needed_for(&parts).missing(&principal) {
        if missing == Scope::Write {
            log_denied_write(&principal, &parts.method, &parts.uri);
        }
        return Ok(auth.challenge_scope(ApiError::insufficient_scope(missing).into_response()));
    }
    let method = parts.method.clone();
    let uri = parts.uri.clone();
    parts.extensions.insert(principal.clone());
    let response = next.run(Request::from_parts(parts, body)).await;
    if response.status() != StatusCode::FORBIDDEN {
        return Ok(response);
    }
    // Handlers deny writes alone: what a sender with either scope may send is a read unless the body says otherwise.
    log_denied_write(&principal, &method, &uri);
    Ok(auth.challenge_scope(response))
}

/// Logs a write of an authenticated client that may not write. Denied reads are not logged: they change
/// nothing, and a dashboard with a wrong scope would fill the log.
fn log_denied_write(principal: &Principal, method: &Method, uri: &Uri) {
    let subject = principal.subject();
    let path = uri.path();
    // With `?` (Debug), because all come from the client and may have control characters.
    tracing::warn!(?subject, ?method, ?path, "write denied: the scope is missing");
}
