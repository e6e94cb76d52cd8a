//! What operators are informed of.

use std::fmt;
use std::time::{Duration, SystemTime};

use crate::health::Transition;
use crate::routing::{Backend, ServiceName, VersionName};

/// A change in the health of an instance or of a version, as this gateway saw it. See
/// [`Deployments::health_events`](crate::Deployments::health_events) for an example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthEvent {
    /// When it happened, to the millisecond.
    pub at: SystemTime,
    /// The service.
    pub service: ServiceName,
    /// The version.
    pub version: VersionName,
    /// The base URL of the instance. `None` for an event of the whole version.
    pub instance: Option<Backend>,
    /// What happened.
    pub kind: HealthEventKind,
    /// What the last check or the last request saw, never a body. `None` if nothing failed.
    pub cause: Option<String>,
    /// How long the instance stays out of service, if it was ejected.
    pub lasts: Option<Duration>,
    /// Whether the instance came back on trial: one failed request ejects it again.
    pub trial: bool,
}

/// The kinds of [`HealthEvent`].
///
/// ```
/// use tower_canary::deployments::HealthEventKind;
///
/// assert_eq!(HealthEventKind::NoneUsable.as_str(), "none-usable");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthEventKind {
    /// The instance is in service.
    Up,
    /// The instance is out of service, since its checks fail.
    Down,
    /// The instance is out of service for a while, since requests to it failed.
    Ejected,
    /// Requests to the instance failed, but too many instances of the version are out of service to eject it.
    Spared,
    /// No instance of the version is usable. Unless the settings say otherwise, all are tried.
    NoneUsable,
    /// Some instance of the version is usable again.
    SomeUsable,
}

impl HealthEventKind {
    /// Returns the word that the admin API uses: `up`, `down`, `ejected`, `spared`, `none-usable` or `some-usable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::Ejected => "ejected",
            Self::Spared => "spared",
            Self::NoneUsable => "none-usable",
            Self::SomeUsable => "some-usable",
        }
    }

    /// Returns the message of the log event.
    const fn message(self) -> &'static str {
        match self {
            Self::Up => "instance is in service",
            Self::Down => "instance is out of service: its checks fail",
            Self::Ejected => "instance is ejected: requests to it failed",
            Self::Spared => "instance fails requests and stays in service: too many others are out",
            Self::NoneUsable => "no instance of the version is usable",
            Self::SomeUsable => "an instance of the version is usable again",
        }
    }
}

/// Writes the word that [`as_str`](HealthEventKind::as_str) returns.
impl fmt::Display for HealthEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Transition> for HealthEventKind {
    fn from(transition: Transition) -> Self {
        match transition {
            Transition::Up { .. } => Self::Up,
            Transition::Down => Self::Down,
            Transition::Ejected { .. } => Self::Ejected,
            Transition::Spared => Self::Spared,
        }
    }
}

impl HealthEvent {
    /// Creates an event of the whole version.
    pub(super) fn new(service: ServiceName, version: VersionName, kind: HealthEventKind) -> Self {
        let at = crate::common::time::now();
        Self { at, service, version, instance: None, kind, cause: None, lasts: None, trial: false }
    }

    /// Returns the event as one of `instance`, with what `transition` says about it.
    pub(super) fn at_instance(
        self,
        instance: Backend,
        transition: Transition,
        cause: Option<String>,
    ) -> Self {
        let lasts = match transition {
            Transition::Ejected { lasts } => Some(lasts),
            _ => None,
        };
        let trial = matches!(transition, Transition::Up { trial: true });
        Self { instance: Some(instance), cause, lasts, trial, ..self }
    }

    /// Logs the event: at `info` if an instance or a version is in service again, else at `warn`.
    pub(super) fn log(&self) {
        match self.kind {
            HealthEventKind::Up | HealthEventKind::SomeUsable => self.log_return(),
            _ => self.log_loss(),
        }
    }

    /// Logs at `info` that an instance or a version is in service again.
    fn log_return(&self) {
        tracing::info!(
            canary.service = %self.service,
            canary.version = %self.version,
            canary.instance = self.instance.as_ref().map(tracing::field::display),
            trial = self.trial,
            "{}",
            self.kind.message()
        );
    }

    /// Logs at `warn` that an instance or a version is out of service, or that an instance was spared. The cause may
    /// quote a backend, so it is escaped.
    fn log_loss(&self) {
        tracing::warn!(
            canary.service = %self.service,
            canary.version = %self.version,
            canary.instance = self.instance.as_ref().map(tracing::field::display),
            cause = self.cause.as_ref().map(tracing::field::debug),
            lasts = self.lasts.as_ref().map(tracing::field::debug),
            "{}",
            self.kind.message()
        );
    }
}
