//! Authenticated senders and their scopes.
//!
//! A principal is the result of authentication. Its subject becomes the actor in
//! the history, so it has the limits of that column: a text that a store could not keep is refused before the
//! change and not after.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

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
    expires_at: Option<SystemTime>,
}

/// A permission: to read or to write.
///
/// Neither scope includes the other. A tool that only makes changes gets [`Scope::Write`] alone, and cannot
/// list services.
///
/// ```
/// use tower_canary::admin::Scope;
///
/// let scope: Scope = "canary:write".parse()?;
/// assert_eq!(scope, Scope::Write);
/// assert_eq!(Scope::Read.to_string(), "canary:read");
/// assert!("CANARY:READ".parse::<Scope>().is_err());
/// # Ok::<(), tower_canary::admin::UnknownScope>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Scope {
    /// `canary:read`: GET, HEAD, and the requests that change nothing: probes without `clear`, and changes with
    /// `?dryRun=true`.
    Read,
    /// `canary:write`: every other request, and those probes and previews. It does not include [`Scope::Read`].
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

/// A text that is not the name of a [`Scope`].
///
/// ```
/// let error = "admin".parse::<tower_canary::admin::Scope>().unwrap_err();
/// assert_eq!(error.to_string(), "unknown scope: use canary:read or canary:write");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("unknown scope: use canary:read or canary:write")]
#[non_exhaustive]
pub struct UnknownScope;

// === impl Principal ===

impl Principal {
    /// Creates a principal without scopes, which may send `GET /whoami` alone.
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
        Ok(Self { subject, scopes: BTreeSet::new(), expires_at: None })
    }

    /// Adds `scopes` to the scopes of the principal.
    ///
    /// ```
    /// use tower_canary::admin::{Principal, Scope};
    ///
    /// let roles = ["viewer", "deployer"];
    /// let mut operator = Principal::new("alice")?.with_scopes([Scope::Read]);
    /// if roles.contains(&"deployer") {
    ///     operator = operator.with_scopes([Scope::Write]);
    /// }
    /// assert!(operator.may(Scope::Read) && operator.may(Scope::Write));
    /// # Ok::<(), tower_canary::admin::InvalidSubject>(())
    /// ```
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl IntoIterator<Item = Scope>) -> Self {
        self.scopes.extend(scopes);
        self
    }

    /// Sets when the credentials expire, which `GET /whoami` shows. It is not checked: that is the authenticator's part.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_canary::admin::Principal;
    ///
    /// let in_an_hour = SystemTime::now() + Duration::from_secs(3_600);
    /// let alice = Principal::new("alice")?.with_expiry(in_an_hour);
    /// assert_eq!(alice.expires_at(), Some(in_an_hour));
    /// # Ok::<(), tower_canary::admin::InvalidSubject>(())
    /// ```
    #[must_use]
    pub fn with_expiry(self, at: SystemTime) -> Self {
        Self { expires_at: Some(at), ..self }
    }

    /// Returns when the credentials expire. `None`: not known, or never. See [`with_expiry`](Self::with_expiry) for an
    /// example.
    #[must_use]
    pub const fn expires_at(&self) -> Option<SystemTime> {
        self.expires_at
    }

    /// Returns the scopes, in the order of [`Scope::ALL`].
    ///
    /// ```
    /// use tower_canary::admin::{Principal, Scope};
    ///
    /// let alice = Principal::new("alice")?.with_scopes([Scope::Write, Scope::Read]);
    /// assert!(alice.scopes().eq([Scope::Read, Scope::Write]));
    /// # Ok::<(), tower_canary::admin::InvalidSubject>(())
    /// ```
    pub fn scopes(&self) -> impl Iterator<Item = Scope> + '_ {
        self.scopes.iter().copied()
    }

    /// Returns the subject: the actor of the principal's changes in the history.
    ///
    /// ```
    /// let alice = tower_canary::admin::Principal::new("alice")?;
    /// assert_eq!(alice.subject(), "alice");
    /// # Ok::<(), tower_canary::admin::InvalidSubject>(())
    /// ```
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Returns whether the principal has `scope`. See [`Principal`] for an example.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

// === impl Scope ===

impl Scope {
    /// All scopes.
    pub const ALL: &'static [Self] = &[Self::Read, Self::Write];

    /// Returns the name of the scope in a token.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "canary:read",
            Self::Write => "canary:write",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(name: &str) -> Result<Self, UnknownScope> {
        Self::ALL.iter().copied().find(|scope| scope.as_str() == name).ok_or(UnknownScope)
    }
}
