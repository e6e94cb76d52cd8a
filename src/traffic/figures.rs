//! Figures that gateways exchange, to judge a version by the requests of all of them.

#[cfg(feature = "rollout")]
use super::activity::Activity;
#[cfg(feature = "rollout")]
use super::copies::CopyTraffic;
use super::latencies::Latencies;
#[cfg(feature = "rollout")]
use super::outcome::Outcome;

/// How many requests of a version ended, how many of them were bad, and how long they took.
///
/// A gateway reports the figures since its start. The difference of two reports is the figures of the time between them.
///
/// | request | counts as |
/// | --- | --- |
/// | response 5xx, or a gRPC status that maps to one | bad |
/// | no response: an error, or the client left before the response head | bad |
/// | left the version because none of its instances was usable | bad |
/// | any other response, 4xx included | good |
/// | response 101: a connection that became a tunnel | nothing: its end says nothing about the version |
/// | the client left after the response head | nothing |
/// | came by an override | nothing: testers look for faults |
/// | is a copy of a request | nothing: see [`MirrorFigures`] |
///
/// ```
/// use tower_canary::traffic::Figures;
///
/// let before = Figures::new(100, 1);
/// let now = Figures::new(150, 4);
/// assert_eq!(now.since(&before), Some(Figures::new(50, 3)));
/// assert_eq!(before.since(&now), None); // another process
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Figures {
    /// The number of requests that count.
    pub requests: u64,
    /// The number of bad ones among them.
    pub bad: u64,
    /// The times until the response head, of all requests that got one: also of bad ones, of tunnels, and of requests
    /// whose client left after the head. Empty if latencies are not measured.
    #[cfg_attr(feature = "serde", serde(default))]
    pub latencies: Latencies,
}

impl Figures {
    /// Creates figures without latencies.
    #[must_use]
    pub fn new(requests: u64, bad: u64) -> Self {
        Self { requests, bad, latencies: Latencies::default() }
    }

    /// Counts the requests of a version that are in `total` and not in `overridden`, as the table at [`Figures`] says.
    #[cfg(feature = "rollout")]
    pub(super) fn from_activity(total: &Activity, overridden: &Activity) -> Self {
        let ended = total.since(overridden);
        let diverted = total.diverted();
        let ignored = [Outcome::Cancelled, Outcome::Informational];
        let counted = Outcome::ALL.iter().filter(|outcome| !ignored.contains(outcome));
        let requests: u64 = counted.map(|outcome| ended.outcome(*outcome)).sum();
        let failed = [Outcome::ServerError, Outcome::Error, Outcome::Abandoned];
        let bad: u64 = failed.iter().map(|outcome| ended.outcome(*outcome)).sum();
        Self { requests: requests + diverted, bad: bad + diverted, latencies: ended.latencies }
    }

    /// Returns whether no request was counted.
    #[cfg(feature = "rollout")]
    pub(super) const fn is_empty(&self) -> bool {
        self.requests == 0
    }

    /// Sets the latencies.
    #[must_use]
    pub fn with_latencies(self, latencies: Latencies) -> Self {
        Self { latencies, ..self }
    }

    /// Returns the figures of the time from `earlier` until these. `None` if `earlier` has more requests or more bad
    /// ones: it is of another process, or of other versions.
    ///
    /// The latencies are empty if `earlier` has requests and no latencies: the times before it cannot be separated from
    /// the times after it.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Option<Self> {
        let requests = self.requests.checked_sub(earlier.requests)?;
        let bad = self.bad.checked_sub(earlier.bad)?;
        let are_unknown = earlier.requests > 0 && earlier.latencies.count() == 0;
        let latencies =
            if are_unknown { Latencies::default() } else { self.latencies.since(&earlier.latencies) };
        Some(Self { requests, bad, latencies })
    }

    /// Adds the figures of another gateway or version.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.saturating_add(other.requests);
        self.bad = self.bad.saturating_add(other.bad);
        self.latencies.add_all(&other.latencies);
    }
}

/// The figures of a version for the copies that it got, and for its requests of which another version got copies.
///
/// A version that gets only copies is judged by them. They are compared with their originals and not with all requests
/// of the other version, which also have methods that are not copied. [`Figures`] says which requests count as bad.
///
/// ```
/// use tower_canary::traffic::MirrorFigures;
///
/// let figures = MirrorFigures::default();
/// assert_eq!((figures.copies.requests, figures.originals.requests), (0, 0));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MirrorFigures {
    /// The copies that the version got.
    pub copies: Figures,
    /// The requests of the version of which another one got copies.
    pub originals: Figures,
}

#[cfg(feature = "rollout")]
impl MirrorFigures {
    /// Counts the copies that a version got, and its own requests of which another version got copies.
    pub(super) fn from_traffic(copies: &CopyTraffic, originals: &Activity) -> Self {
        let none = Activity::default();
        Self {
            copies: Figures::from_activity(copies.ends(), &none),
            originals: Figures::from_activity(originals, &none),
        }
    }
}
