//! The measures by which the guard compares.

use serde::{Deserialize, Serialize};

/// What the guard compares. See [`Odds`](super::Odds) for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Measure {
    /// The rate of failed requests, beside the others.
    Errors,
    /// The time until the response head, beside the others.
    Latency,
    /// The rate of failed requests, beside a limit.
    ErrorLimit,
    /// The 99th percentile of the time until the response head, beside a limit.
    LatencyLimit,
}

impl Measure {
    /// All measures.
    pub const ALL: &'static [Self] = &[Self::Errors, Self::Latency, Self::ErrorLimit, Self::LatencyLimit];

    /// Returns the word for responses and metrics: `errors`, `latency`, `error-limit` or `latency-limit`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Errors => "errors",
            Self::Latency => "latency",
            Self::ErrorLimit => "error-limit",
            Self::LatencyLimit => "latency-limit",
        }
    }

    /// Returns how much of the chance of a false rollback the measure gets, in proportion to the others.
    ///
    /// A slower version differs in each request and is found soon in any case, while few requests show a failure. In the
    /// simulation, equal parts delay a version that fails by up to one window, and these parts delay a slower one by half a
    /// window.
    pub(super) const fn part(self) -> f64 {
        match self {
            Self::Errors | Self::ErrorLimit => 9.0,
            Self::Latency | Self::LatencyLimit => 1.0,
        }
    }

    /// Returns whether the measure is a limit, which needs no other version to compare with.
    pub(super) const fn is_limit(self) -> bool {
        matches!(self, Self::ErrorLimit | Self::LatencyLimit)
    }
}
