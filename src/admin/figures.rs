//! What the API answers of traffic.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use serde::Serialize;
use utoipa::ToSchema;

use super::answers::{Percent, rfc3339};
use crate::deployments::{DrainBlocker, OtherReplicas};
use crate::routing::{Reason, Weight};
use crate::store::Replica;
use crate::traffic::{Activity, Latencies, ObservedShare, Outcome, ServiceTraffic, VersionTraffic, Window};

/// What is known of the other gateways.
pub(super) enum Everywhere {
    /// This one is not among several.
    Here,
    /// The store could not be asked.
    Unknown,
    /// They are there.
    With(OtherReplicas),
}

/// What the versions of a service do at the gateway that answers.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrafficDto {
    #[schema(example = "auth")]
    service: String,
    /// The generation of the split that requests follow.
    generation: u64,
    /// The gateway, by the name under which it reports.
    #[schema(example = "gateway-1")]
    replica: Option<String>,
    #[schema(format = "date-time")]
    at: String,
    /// Requests that came while no version was active.
    unserved: u64,
    pub(super) versions: Vec<VersionTrafficDto>,
}

/// What one version does.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionTrafficDto {
    #[schema(example = "v1.1")]
    pub(super) version: String,
    weight: Percent,
    is_active: bool,
    state: State,
    /// Requests it has now, open tunnels included.
    in_flight: usize,
    /// Whether it gets no more requests and has none. At weight 0 an active version still gets some where users are pinned to
    /// versions or testers may ask for one: it is drained once it is inactive. At this gateway.
    pub(super) drained: bool,
    /// Where this gateway is one of several that report.
    #[serde(flatten)]
    everywhere: Option<EverywhereDto>,
    /// How long it has had no request; `null` while it has, and before its first.
    idle_seconds: Option<f64>,
    /// Since the gateway began to serve it.
    total: FiguresDto,
    /// The last 10 seconds, 60 seconds and 5 minutes.
    windows: Vec<WindowDto>,
}

/// Whether the gateways that share the store are done with a version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct EverywhereDto {
    /// The other gateways that may still have requests for it; `null` where the store could not be asked for them.
    elsewhere: Option<Vec<HolderDto>>,
    /// Whether it is drained at all of them: its process may be stopped. `null` where that is not known.
    drained_everywhere: Option<bool>,
}

/// Another gateway that may still have requests for a version.
#[derive(Debug, Serialize, ToSchema)]
struct HolderDto {
    #[schema(example = "gateway-2")]
    replica: String,
    /// `draining`: it has some, or users who are pinned and testers may bring it some. `behind`: it has not followed the last change of the service yet.
    #[schema(example = "draining")]
    state: &'static str,
}

/// What a version is at: `serving` at a weight above 0, `draining` at 0 while requests may come or are in flight, `idle`
/// once it is drained.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum State {
    Serving,
    Draining,
    Idle,
}

/// What a version did of late.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct WindowDto {
    #[schema(example = "10s")]
    window: &'static str,
    /// How long it is indeed.
    #[schema(example = 10.4)]
    seconds: f64,
    per_second: f64,
    /// The share of the service's requests that the version got, to compare with its weight; `null` without requests.
    share: Option<ObservedDto>,
    #[serde(flatten)]
    figures: FiguresDto,
}

/// A share of requests, in percent, and the interval that the true share is in with 95 % confidence.
#[derive(Debug, Serialize, ToSchema)]
struct ObservedDto {
    #[schema(example = 9.8)]
    observed: f64,
    #[schema(example = 8.1)]
    low: f64,
    #[schema(example = 11.8)]
    high: f64,
    /// Of how many requests.
    of: u64,
}

/// Counts of requests.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FiguresDto {
    /// How many requests it was given.
    requests: u64,
    /// How many of them by which rule.
    #[schema(example = json!({"failover": 0, "override": 0, "pin": 0, "key": 210, "draw": 994}))]
    picks: BTreeMap<&'static str, u64>,
    /// How many requests ended, and how.
    #[schema(example = json!({"1xx": 0, "2xx": 1200, "3xx": 0, "4xx": 2, "5xx": 1, "error": 0, "cancelled": 1}))]
    outcomes: BTreeMap<&'static str, u64>,
    /// The same in percent of the requests that ended, and how many that were; `null` where none did.
    rates: Option<RatesDto>,
    /// From the choice of the version to the head of its answer.
    latency: LatencyDto,
}

/// How requests ended, in percent.
#[derive(Debug, Serialize, ToSchema)]
struct RatesDto {
    /// Of how many requests.
    n: u64,
    #[serde(flatten)]
    #[schema(example = json!({"4xx": 0.17, "5xx": 0.08, "error": 0, "cancelled": 0.08}))]
    outcomes: BTreeMap<&'static str, f64>,
}

/// Times in milliseconds, within 3.2 %; `null` where none were taken.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct LatencyDto {
    n: u64,
    p50_ms: Option<f64>,
    p99_ms: Option<f64>,
    p999_ms: Option<f64>,
}

impl TrafficDto {
    /// Of `version` alone, where one is named.
    pub(super) fn new(
        traffic: &ServiceTraffic,
        replica: Option<&str>,
        version: Option<&str>,
        everywhere: &Everywhere,
    ) -> Self {
        let named = |of: &&VersionTraffic| version.is_none_or(|name| of.version.as_str() == name);
        let told = |of: &VersionTraffic| VersionTrafficDto::new(of, everywhere);
        Self {
            service: traffic.service.to_string(),
            generation: traffic.generation,
            replica: replica.map(ToOwned::to_owned),
            at: rfc3339(SystemTime::now()),
            unserved: traffic.unserved,
            versions: traffic.versions.iter().filter(named).map(told).collect(),
        }
    }
}

impl VersionTrafficDto {
    fn new(of: &VersionTraffic, everywhere: &Everywhere) -> Self {
        Self {
            version: of.version.to_string(),
            weight: Percent(of.weight),
            is_active: of.active,
            state: State::of(of),
            in_flight: of.in_flight,
            drained: of.is_drained(),
            everywhere: EverywhereDto::new(of, everywhere),
            idle_seconds: of.idle_for.map(|idle| rounded(idle.as_secs_f64())),
            total: FiguresDto::from(&of.total),
            windows: of.windows.iter().map(WindowDto::from).collect(),
        }
    }
}

impl EverywhereDto {
    fn new(of: &VersionTraffic, everywhere: &Everywhere) -> Option<Self> {
        let holders = |elsewhere: &OtherReplicas| {
            let holder = |(replica, holding): (&Replica, DrainBlocker)| HolderDto {
                replica: replica.name.clone(),
                state: holding.as_str(),
            };
            elsewhere.blockers(&of.version).map(holder).collect::<Vec<_>>()
        };
        let elsewhere = match everywhere {
            Everywhere::Here => return None,
            Everywhere::Unknown => None,
            Everywhere::With(elsewhere) => Some(holders(elsewhere)),
        };
        let drained = elsewhere.as_ref().map(|holders| of.is_drained() && holders.is_empty());
        Some(Self { elsewhere, drained_everywhere: drained })
    }
}

impl State {
    fn of(version: &VersionTraffic) -> Self {
        match version.is_drained() {
            _ if version.weight > Weight::ZERO => Self::Serving,
            true => Self::Idle,
            false => Self::Draining,
        }
    }
}

impl From<&Window> for WindowDto {
    fn from(window: &Window) -> Self {
        Self {
            window: match window.nominal.as_secs() {
                10 => "10s",
                60 => "60s",
                _ => "5m",
            },
            seconds: rounded(window.length.as_secs_f64()),
            per_second: rounded(window.per_second()),
            share: window.share.map(ObservedDto::from),
            figures: FiguresDto::from(&window.activity),
        }
    }
}

impl From<ObservedShare> for ObservedDto {
    fn from(share: ObservedShare) -> Self {
        let ObservedShare { observed, low, high, of } = share;
        Self { observed: rounded(observed), low: rounded(low), high: rounded(high), of }
    }
}

impl From<&Activity> for FiguresDto {
    fn from(activity: &Activity) -> Self {
        Self {
            requests: activity.requests(),
            picks: Reason::ALL.iter().map(|reason| (reason.as_str(), activity.picks(*reason))).collect(),
            outcomes: Outcome::ALL
                .iter()
                .map(|outcome| (outcome.as_str(), activity.outcome(*outcome)))
                .collect(),
            rates: RatesDto::of(activity),
            latency: LatencyDto::from(&activity.latencies),
        }
    }
}

impl RatesDto {
    fn of(activity: &Activity) -> Option<Self> {
        let n = activity.ended();
        #[expect(clippy::cast_precision_loss, reason = "a rate")]
        let rate = |outcome: &Outcome| 100.0 * activity.outcome(*outcome) as f64 / n as f64;
        let outcomes =
            Outcome::ALL.iter().map(|outcome| (outcome.as_str(), rounded(rate(outcome)))).collect();
        (n > 0).then_some(Self { n, outcomes })
    }
}

impl From<&Latencies> for LatencyDto {
    fn from(latencies: &Latencies) -> Self {
        let millis = |time: Duration| rounded(time.as_secs_f64() * 1e3);
        let quantile = |q| latencies.quantile(q).map(millis);
        Self { n: latencies.count(), p50_ms: quantile(0.5), p99_ms: quantile(0.99), p999_ms: quantile(0.999) }
    }
}

/// To three decimals: more would be noise.
fn rounded(figure: f64) -> f64 {
    (figure * 1e3).round() / 1e3
}
