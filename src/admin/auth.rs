//! Who may use the admin API.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::AUTHORIZATION;
use http::request::Parts;
use thiserror::Error;

use super::principal::{Principal, Scope};
use super::problem::ApiError;
use crate::common::error::{BoxError, chain_text};

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
) -> Result<Response, ApiError> {
    let (mut parts, body) = request.into_parts();
    let principal = auth.principal(&parts).await.map_err(|error| {
        tracing::debug!(error = ?chain_text(&error), "not authenticated");
        ApiError::unauthorized(error.challenge())
    })?;
    let needed = Scope::needed_for(&parts.method);
    if !principal.may(needed) {
        if needed == Scope::Write {
            let subject = principal.subject();
            let path = parts.uri.path();
            tracing::warn!(?subject, method = ?parts.method, ?path, "a write by somebody who may not");
        }
        return Err(ApiError::insufficient_scope(needed.as_str()));
    }
    parts.extensions.insert(principal);
    Ok(next.run(Request::from_parts(parts, body)).await)
}
