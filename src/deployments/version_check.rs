//! What is looked at before a version gets traffic.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::routing::{Backend, HealthPath, Version};

/// Decides which URLs may be registered, and probes a version before it gets traffic.
///
/// ```
/// use tower_canary::deployments::{Healthy, VersionCheck, Unhealthy, UrlRefused};
/// use tower_canary::routing::{Backend, HealthPath, Version};
///
/// /// Only backends in one domain, taken to be healthy.
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
///     async fn probe(&self, _: &Version, _: Option<&HealthPath>) -> Result<Option<Healthy>, Unhealthy> {
///         Ok(None)
///     }
/// }
/// assert!(OurDomain.admit(&"http://auth.internal".parse()?).is_ok());
/// assert!(OurDomain.admit(&"http://example.com".parse()?).is_err());
/// # Ok::<(), tower_canary::routing::InvalidBackend>(())
/// ```
#[async_trait]
pub trait VersionCheck: fmt::Debug + Send + Sync + 'static {
    /// Whether `backend` may be registered as the URL of a version.
    ///
    /// # Errors
    ///
    /// Why not, to be shown to who asks.
    fn admit(&self, backend: &Backend) -> Result<(), UrlRefused>;

    /// Asks `version` whether it is healthy: at `health_path` below its base URL, or at the base URL itself.
    /// `None` when it was not asked.
    ///
    /// # Errors
    ///
    /// What was seen instead.
    async fn probe(
        &self,
        version: &Version,
        health_path: Option<&HealthPath>,
    ) -> Result<Option<Healthy>, Unhealthy>;
}

/// Admits every URL and takes every version to be healthy: for tests, and for hosts whose changes come from code.
#[derive(Clone, Copy, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "it has nothing to add")]
pub struct NoVersionCheck;

#[async_trait]
impl VersionCheck for NoVersionCheck {
    fn admit(&self, _: &Backend) -> Result<(), UrlRefused> {
        Ok(())
    }

    async fn probe(&self, _: &Version, _: Option<&HealthPath>) -> Result<Option<Healthy>, Unhealthy> {
        Ok(None)
    }
}

/// A version that answered as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a preflight of a host's own builds it")]
pub struct Healthy {
    /// The status of its answer.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
}

/// What was seen of a version that did not answer as it should: a status or a cause, never what it said.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unhealthy {
    /// It answered with this status.
    Status(u16),
    /// It did not answer in time.
    TimedOut(Duration),
    /// It could not be asked, for this cause.
    Unreachable(String),
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "it answered {status}"),
            Self::TimedOut(limit) => write!(f, "it did not answer within {limit:?}"),
            Self::Unreachable(cause) => write!(f, "it cannot be reached ({cause})"),
        }
    }
}

impl std::error::Error for Unhealthy {}

/// Why a URL may not be registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlRefused {
    why: String,
}

impl UrlRefused {
    /// `why` is shown to who asks.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into() }
    }
}

impl fmt::Display for UrlRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "this URL may not be a backend: {}", self.why)
    }
}

impl std::error::Error for UrlRefused {}
