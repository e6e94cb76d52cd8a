//! The instances of versions, for their readers.

use std::time::SystemTime;

use crate::health::{InstanceState, LastCheck};
use crate::routing::{Backend, VersionId, VersionName};

/// The instances of one version. Returned by [`RoutingHandle::instances`](crate::RoutingHandle::instances), which has an
/// example.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VersionInstances {
    /// The identity of the version.
    pub id: VersionId,
    /// The name of the version.
    pub version: VersionName,
    /// Whether the health of the instances is judged, or requests are balanced over several. `false`: the version has one
    /// instance, which nothing checks.
    pub observed: bool,
    /// The instances in the order of the version's base URLs, then removed ones while they have requests in flight.
    pub instances: Vec<InstanceStatus>,
    /// How many instances may be chosen because of their health: 0 if none is usable, though all may be tried then.
    pub usable: usize,
    /// Whether each instance is down or ejected.
    pub none_usable: bool,
    /// How many requests were meant for the version and went to another one, since none of its instances was usable. See
    /// [`Activity::diverted`](crate::traffic::Activity::diverted).
    pub diverted: u64,
}

/// One instance as this gateway sees it. See [`VersionInstances`].
///
/// The counts begin when this gateway first serves the instance, and go on when a change keeps its base URL.
/// They are of this gateway alone.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InstanceStatus {
    /// The base URL.
    pub backend: Backend,
    /// Whether it is one of the version's base URLs. `false`: it was removed, and its last requests have not ended.
    pub registered: bool,
    /// Whether it is in service. Always `Up` without health, and for a removed instance, which nothing judges any more.
    pub state: InstanceState,
    /// Whether its health lets it be chosen: it is up, or new while no instance of the version is up. `false` for all if none
    /// is usable, though all may be tried then.
    pub usable: bool,
    /// When it got the state, by the clock of this gateway at that moment: two reads say the same. Without health, and
    /// for a removed instance, when this gateway got the service.
    pub since: SystemTime,
    /// When its ejection ends, unless checks fail. `None`: it is not ejected.
    pub until: Option<SystemTime>,
    /// Whether it came back from an ejection and has not answered a request since: one more failure ejects it.
    pub trial: bool,
    /// How often it was ejected. The number never falls.
    pub ejections: u32,
    /// What its last check saw. `None`: it was not checked.
    pub last_check: Option<LastCheck>,
    /// How many of its checks passed. The number never falls.
    pub checks_passed: u64,
    /// How many of its checks failed. The number never falls.
    pub checks_failed: u64,
    /// How many requests are in flight.
    pub in_flight: usize,
    /// How many requests were sent to it.
    pub picks: u64,
    /// How many of them failed: there was no response, or 502, 503, 504, or the gRPC status `UNAVAILABLE`.
    ///
    /// Of a version with one instance that is not checked, only those without a response are counted.
    pub failures: u64,
}
