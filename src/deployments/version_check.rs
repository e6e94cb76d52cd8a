//! The check of instances: before they are registered, before they get traffic, and while they do.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::routing::{Backend, HealthPath};

/// Decides which URLs may be registered, and probes instances: before their version gets traffic, and periodically with
/// [`Builder::with_health`](super::Builder::with_health).
///
/// `probe::HttpProbe` (feature `admin` or `client`) is the check of a gateway. [`NoVersionCheck`] accepts everything.
///
/// ```
/// use tower_canary::deployments::{Healthy, VersionCheck, Unhealthy, UrlRefused};
/// use tower_canary::routing::{Backend, HealthPath};
///
/// /// Accepts backends of one domain and does not probe.
/// #[derive(Debug)]
/// struct OurDomain;
///
/// #[async_trait::async_trait]
/// impl VersionCheck for OurDomain {
///     fn admit(&self, backend: &Backend) -> Result<(), UrlRefused> {
///         match backend.authority().host().ends_with(".internal") {
///             true => Ok(()),
///             false => Err(UrlRefused::new("the host must end in .internal")),
///         }
///     }
///
///     async fn probe(&self, _: &Backend, _: Option<&HealthPath>) -> Result<Option<Healthy>, Unhealthy> {
///         Ok(None)
///     }
/// }
/// assert!(OurDomain.admit(&"http://auth.internal".parse()?).is_ok());
/// assert!(OurDomain.admit(&"http://example.com".parse()?).is_err());
/// # Ok::<(), tower_canary::routing::InvalidBackend>(())
/// ```
#[async_trait]
pub trait VersionCheck: fmt::Debug + Send + Sync + 'static {
    /// Checks whether `backend` may be registered as the URL of a version.
    ///
    /// # Errors
    ///
    /// [`UrlRefused`] with a reason, which is shown to the caller of the change.
    fn admit(&self, backend: &Backend) -> Result<(), UrlRefused>;

    /// Probes the instance `backend` at `health_path` below its base URL, or at the base URL itself. Returns `None` if this
    /// check does not probe.
    ///
    /// It is called for several instances at the same time, and may be dropped at every `await`. With
    /// [health](super::Builder::with_health) an instance is probed every few seconds, so a probe should open a connection of
    /// its own and read no more than the response headers.
    ///
    /// # Errors
    ///
    /// [`Unhealthy`] with what the probe saw.
    async fn probe(
        &self,
        backend: &Backend,
        health_path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy>;
}

/// Accepts every URL and probes nothing: for tests, and for applications whose changes come from code.
///
/// See [`Deployments::register_if_absent`](crate::Deployments::register_if_absent) for an example.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to add")]
pub struct NoVersionCheck;

#[async_trait]
impl VersionCheck for NoVersionCheck {
    fn admit(&self, _: &Backend) -> Result<(), UrlRefused> {
        Ok(())
    }

    async fn probe(&self, _: &Backend, _: Option<&HealthPath>) -> Result<Option<Healthy>, Unhealthy> {
        Ok(None)
    }
}

/// The result of a probe that succeeded.
///
/// See [`Deployments::check`](crate::Deployments::check) for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "the version check of an application builds it")]
pub struct Healthy {
    /// Status of the response.
    pub status: u16,
    /// Time until the response headers arrived.
    pub took: Duration,
}

/// The result of a probe that failed: a status or a cause, never the body of the response.
///
/// ```
/// use std::time::Duration;
/// use tower_canary::deployments::Unhealthy;
///
/// assert_eq!(Unhealthy::Status(503).to_string(), "it responded 503");
/// assert_eq!(Unhealthy::TimedOut(Duration::from_secs(3)).to_string(), "it did not respond within 3s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unhealthy {
    /// The response had this status.
    Status(u16),
    /// There was no response within this time.
    TimedOut(Duration),
    /// The backend could not be reached, for this cause.
    Unreachable(String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "it responded {status}"),
            Self::TimedOut(limit) => write!(f, "it did not respond within {limit:?}"),
            Self::Unreachable(cause) => write!(f, "it cannot be reached ({cause})"),
        }
    }
}

impl std::error::Error for Unhealthy {}

/// Why a URL may not be registered. Returned by [`VersionCheck::admit`].
///
/// ```
/// use tower_canary::deployments::UrlRefused;
///
/// let refused = UrlRefused::new("the host must end in .internal");
/// assert_eq!(refused.to_string(), "this URL may not be a backend: the host must end in .internal");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this URL may not be a backend: {reason}")]
pub struct UrlRefused {
    reason: String,
}

impl UrlRefused {
    /// Creates the refusal of a URL. `reason` is shown to the caller of the change.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}
