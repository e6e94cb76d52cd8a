//! Authenticated senders and their scopes.

use std::collections::BTreeSet;

use http::Method;
use thiserror::Error;

use crate::store::MAX_ACTOR;

/// The authenticated sender of a request, and its scopes.
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

/// A text that is not the subject of a [`Principal`].
///
/// ```
/// let error = tower_canary::admin::Principal::new("").unwrap_err();
/// assert_eq!(error.to_string(), "a subject has 1 to 255 characters, none of them a control character");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a subject has 1 to {MAX_ACTOR} characters, none of them a control character")]
#[non_exhaustive]
pub struct InvalidSubject;

// === impl Principal ===

impl Principal {
    /// Creates a principal without scopes, which every request refuses.
    ///
    /// # Errors
    ///
    /// [`InvalidSubject`] if `subject` is empty, is longer than 255 characters or has control characters.
    pub fn new(subject: impl Into<String>) -> Result<Self, InvalidSubject> {
        let subject = subject.into();
        let length = subject.chars().take(MAX_ACTOR + 1).count();
        if length == 0 || length > MAX_ACTOR || subject.contains(char::is_control) {
            return Err(InvalidSubject);
        }
        Ok(Self { subject, scopes: BTreeSet::new() })
    }

    /// Adds `scopes` to the scopes of the principal. See [`Principal`] for an example.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scopes.extend(scopes);
        self
    }

    /// Returns the subject: the actor of the principal's changes in the history.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns whether the principal has `scope`.
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

    /// Returns the name of the scope in a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "canary:read",
            Self::Write => "canary:write",
        }
    }

    pub(super) fn needed_for(method: &Method) -> Self {
        if matches!(*method, Method::GET | Method::HEAD) { Self::Read } else { Self::Write }
    }
}
