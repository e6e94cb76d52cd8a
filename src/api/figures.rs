//! Figures of traffic: counts, rates, shares and latencies.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::routing::Reason;
use crate::traffic::{Activity, Latencies, ObservedShare, Outcome, Window};

/// Counts of requests.
///
/// See [`TrafficView`](super::TrafficView) for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ActivityView {
    /// The number of requests that were given to the version.
    pub requests: u64,
    /// The number of requests by the rule that chose the version: failover, override, pin, key or draw. Copies, `mirror`, are
    /// not among `requests`.
    #[cfg_attr(
        feature = "admin",
        schema(example = json!({"failover": 0, "override": 0, "pin": 0, "key": 210, "draw": 994, "mirror": 0}))
    )]
    pub picks: BTreeMap<String, u64>,
    /// The number of requests that ended, by outcome: 1xx to 5xx, error, abandoned or cancelled.
    #[cfg_attr(
        feature = "admin",
        schema(example = json!({"1xx": 0, "2xx": 1200, "3xx": 0, "4xx": 2, "5xx": 1, "error": 0, "abandoned": 0, "cancelled": 1}))
    )]
    pub outcomes: BTreeMap<String, u64>,
    /// The outcomes in percent. `null`: no request ended.
    pub rates: Option<OutcomeRates>,
    /// The time from the choice of the version until its response headers.
    pub latency: LatencyView,
}

/// Outcomes in percent of the requests that ended.
///
/// See [`ActivityView`] for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[cfg_attr(
    feature = "admin",
    schema(example = json!({"n": 1204, "4xx": 0.17, "5xx": 0.08, "error": 0, "abandoned": 0, "cancelled": 0.08}))
)]
#[non_exhaustive]
pub struct OutcomeRates {
    /// The number of requests that ended.
    pub n: u64,
    /// The percentages by outcome. In JSON they stand beside `n`.
    #[serde(flatten)]
    pub outcomes: BTreeMap<String, f64>,
}

/// Latencies in milliseconds, exact to 3.2 %. `null`: no request was measured.
///
/// See [`ActivityView`] for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LatencyView {
    /// The number of requests that were measured.
    pub n: u64,
    /// The median, in milliseconds.
    pub p50_ms: Option<f64>,
    /// The 99th percentile, in milliseconds.
    pub p99_ms: Option<f64>,
    /// The 99.9th percentile, in milliseconds.
    pub p999_ms: Option<f64>,
}

/// The figures of the last seconds.
///
/// See [`TrafficView`](super::TrafficView) for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct WindowView {
    /// The nominal length: `10s`, `60s` or `5m`.
    #[cfg_attr(feature = "admin", schema(example = "10s"))]
    pub window: String,
    /// The actual length in seconds.
    #[cfg_attr(feature = "admin", schema(example = 10.4))]
    pub seconds: f64,
    /// The requests per second.
    pub per_second: f64,
    /// The share of the service's requests that the version got, to compare with its weight. `null`: there
    /// was no request.
    pub share: Option<ObservedShareView>,
    /// The counts in this window. In JSON they stand beside the other fields.
    #[serde(flatten)]
    pub figures: ActivityView,
}

/// An observed share of requests in percent, with the 95 % confidence interval of the true share.
///
/// See [`ActivityView`] for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "admin", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct ObservedShareView {
    /// The observed share, in percent.
    #[cfg_attr(feature = "admin", schema(example = 9.8))]
    pub observed: f64,
    /// The lower end of the interval, in percent.
    #[cfg_attr(feature = "admin", schema(example = 8.1))]
    pub low: f64,
    /// The upper end of the interval, in percent.
    #[cfg_attr(feature = "admin", schema(example = 11.8))]
    pub high: f64,
    /// The number of requests of all versions.
    pub of: u64,
}

// === impl ActivityView ===

impl From<&Activity> for ActivityView {
    fn from(activity: &Activity) -> Self {
        let picks = Reason::ALL.iter().map(|reason| (reason.as_str().to_owned(), activity.picks(*reason)));
        let outcomes =
            Outcome::ALL.iter().map(|outcome| (outcome.as_str().to_owned(), activity.outcome(*outcome)));
        Self {
            requests: activity.requests(),
            picks: picks.collect(),
            outcomes: outcomes.collect(),
            rates: OutcomeRates::new(activity),
            latency: (&activity.latencies).into(),
        }
    }
}

// === impl OutcomeRates ===

impl OutcomeRates {
    /// Shows the outcomes in percent. `None`: no request has ended.
    fn new(activity: &Activity) -> Option<Self> {
        let n = activity.ended();
        if n == 0 {
            return None;
        }
        let rates = Outcome::ALL
            .iter()
            .map(|outcome| (outcome.as_str().to_owned(), rate(activity.outcome(*outcome), n)));
        Some(Self { n, outcomes: rates.collect() })
    }
}

/// Returns `count` in percent of `total`.
#[expect(clippy::cast_precision_loss, reason = "a rate is rounded to three decimals")]
pub(super) fn rate(count: u64, total: u64) -> f64 {
    rounded(100.0 * count as f64 / total as f64)
}

// === impl LatencyView ===

impl From<&Latencies> for LatencyView {
    fn from(latencies: &Latencies) -> Self {
        Self {
            n: latencies.count(),
            p50_ms: latencies.quantile(0.5).map(in_milliseconds),
            p99_ms: latencies.quantile(0.99).map(in_milliseconds),
            p999_ms: latencies.quantile(0.999).map(in_milliseconds),
        }
    }
}

/// Returns a latency as the API shows it: in milliseconds, rounded like a rate.
fn in_milliseconds(time: Duration) -> f64 {
    rounded(time.as_secs_f64() * 1e3)
}

// === impl WindowView ===

impl From<&Window> for WindowView {
    fn from(window: &Window) -> Self {
        // The three lengths of `Window::nominal`.
        let nominal = match window.nominal.as_secs() {
            10 => "10s",
            60 => "60s",
            _ => "5m",
        };
        Self {
            window: nominal.to_owned(),
            seconds: rounded(window.length.as_secs_f64()),
            per_second: rounded(window.per_second()),
            share: window.share.map(ObservedShareView::from),
            figures: (&window.activity).into(),
        }
    }
}

// === impl ObservedShareView ===

impl From<ObservedShare> for ObservedShareView {
    fn from(share: ObservedShare) -> Self {
        Self {
            observed: rounded(share.observed),
            low: rounded(share.low),
            high: rounded(share.high),
            of: share.of,
        }
    }
}

/// Rounds to three decimals. More would be noise.
pub(super) fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}
