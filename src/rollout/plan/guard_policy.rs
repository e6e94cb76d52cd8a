//! What the guard compares, and how sure it must be.

use std::time::Duration;

use super::end::{WhenFailed, WhenInconclusive};
use crate::routing::Weight;

/// What the guard compares, and how sure it must be. Read as the field `guard` of a [`Plan`](super::Plan).
///
/// ```
/// use tower_canary::rollout::GuardPolicy;
///
/// let policy = GuardPolicy::default();
/// assert_eq!((policy.false_rollbacks, policy.least_requests), (0.001, 200));
/// assert!(policy.errors.is_some_and(|errors| errors.worse_by == 0.1 && errors.limit.is_none()));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GuardPolicy {
    /// How failed requests are compared. `None`: not at all.
    pub errors: Option<ErrorPolicy>,
    /// How latencies are compared. `None`: not at all.
    pub latency: Option<LatencyPolicy>,
    /// The largest chance that a canary that is no worse is taken back: 0.000001 to 0.1, default 0.001. It is for the whole
    /// rollout, and holds however often the guard looks, if requests fail independently.
    pub false_rollbacks: f64,
    /// The number of requests of the canary that a step needs: at most 1,000,000,000, default 200.
    pub least_requests: u64,
    /// The number of windows of ten seconds with requests of both sides that a step needs: at most 100,000,
    /// default 12. Where the others have no weight, requests of the canary suffice.
    pub least_windows: u64,
    /// The next step waits while more than this share of the other versions' requests failed in the last minute, default
    /// 5 percent.
    pub calm: Weight,
    /// The reaction to evidence against the canary.
    pub when_failed: WhenFailed,
    /// The reaction to a step that has not passed at its deadline.
    pub when_inconclusive: WhenInconclusive,
}

/// How failed requests are compared. See [`GuardPolicy`] for an example.
///
/// The canary is worse if its rate of failures is above `times_worse` times the rate of the others plus `worse_by` points.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ErrorPolicy {
    /// Tolerated difference in percentage points: 0.05 to 100, default 0.1.
    pub worse_by: f64,
    /// Tolerated factor: 1 to 100, default 1.
    pub times_worse: f64,
    /// The highest rate of failures in percent, 0.05 to 100, unless the others are no better. `None`: no limit.
    pub limit: Option<f64>,
}

/// How latencies are compared. See [`GuardPolicy`] for an example.
///
/// The canary is slower if more of its requests exceed `times_worse` times a quantile of the others, but at least `at_least`
/// more, than requests of the others exceed this quantile. The quantiles are the median, p90 and p99.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LatencyPolicy {
    /// Tolerated factor: 1.1 to 100, default 1.3.
    pub times_worse: f64,
    /// A difference that never counts as slower, default 5 ms.
    pub at_least: Duration,
    /// The highest p99 of the canary, unless the others are no better. `None`: no limit.
    pub limit: Option<Duration>,
}

impl Default for GuardPolicy {
    fn default() -> Self {
        Self {
            errors: Some(ErrorPolicy::default()),
            latency: Some(LatencyPolicy::default()),
            false_rollbacks: 0.001,
            least_requests: 200,
            least_windows: 12,
            calm: Weight::from_percent(5),
            when_failed: WhenFailed::default(),
            when_inconclusive: WhenInconclusive::default(),
        }
    }
}

impl Default for ErrorPolicy {
    fn default() -> Self {
        Self { worse_by: 0.1, times_worse: 1.0, limit: None }
    }
}

impl Default for LatencyPolicy {
    fn default() -> Self {
        Self { times_worse: 1.3, at_least: Duration::from_millis(5), limit: None }
    }
}
