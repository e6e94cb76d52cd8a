//! What requests do with the routes: read from outside.

use std::sync::atomic::Ordering;
use std::sync::{Arc, MutexGuard};

use tokio::time::Instant;

use super::{Cell, RoutingHandle};
use crate::common::lock::lock;
use crate::routing::{Reason, ServiceName, VersionName};
#[cfg(feature = "metrics")]
use crate::traffic::Seen;
use crate::traffic::{ServiceTraffic, Ticks};

impl RoutingHandle {
    /// How many requests the version has in flight through layers of this handle, from the choice of the version
    /// until the response's body has ended. `None` when the version is not published, and has none.
    ///
    /// A protocol upgrade counts until its [`Tunnel`](crate::layer::Tunnel) is dropped; after
    /// [`SetUrl`](crate::routing::Change::SetUrl) the count is that of both URLs, and requests of a version that was
    /// removed count for one of the same name.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// assert_eq!(handle.in_flight("auth", "v1.0"), Some(0));
    /// assert_eq!(handle.in_flight("auth", "v9"), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_flight(&self, service: &str, version: &str) -> Option<usize> {
        self.find(service)?.in_flight(version)
    }

    /// Whether the version gets no more requests through layers of this handle and has none: none is left at its backend. At
    /// weight 0 an active version still gets some where a layer has a [`PinCookie`](crate::layer::PinCookie) or an
    /// [`Override`](crate::layer::Override): make it inactive first. `None` when there is no version of that name.
    ///
    /// Its process may be stopped as soon as the same holds for every gateway that follows the store:
    /// [`Deployments::other_replicas`](crate::Deployments::other_replicas) tells of them.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let (handle, at) = (RoutingHandle::new(), std::time::SystemTime::now());
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), at)?
    /// #     .apply(&Change::register("v1.1".parse()?, "http://10.0.0.2".parse()?), at)?
    /// #     .apply(&Change::switch("v1.1".parse()?), at)?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// // After a switch to v1.1:
    /// assert_eq!(handle.is_drained("auth", "v1.0"), Some(true));
    /// assert_eq!(handle.is_drained("auth", "v1.1"), Some(false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_drained(&self, service: &str, version: &str) -> Option<bool> {
        self.find(service)?.is_drained(version, self.is_kept())
    }

    /// How many requests the version was given for `reason` through layers of this handle, since it was published first.
    /// `None` when the version is not published.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Reason, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// let without_a_key = handle.picks("auth", "v1.0", Reason::Draw);
    /// assert_eq!(without_a_key, Some(0));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn picks(&self, service: &str, version: &str, reason: Reason) -> Option<u64> {
        self.find(service)?.tally(version).map(|tally| tally.picks(reason))
    }

    /// What the versions of a service do: see [`traffic`](crate::traffic) for an example. `None` when it is not published.
    #[must_use]
    pub fn traffic(&self, service: &str) -> Option<ServiceTraffic> {
        let ticks = self.ticks();
        let seen = self.find(service)?.seen()?;
        Some(ServiceTraffic::new(&seen, self.is_kept(), &ticks))
    }

    /// What is known of each service.
    #[cfg(feature = "metrics")]
    pub(crate) fn each_seen(&self, look: impl FnMut(Seen)) {
        let cells: Vec<_> = self.shared.cells.load().values().cloned().collect();
        cells.iter().filter_map(|cell| cell.seen()).for_each(look);
    }

    /// Keeps what was done since the last sample, for [windows](crate::traffic::Window) that begin now. To be called every two
    /// seconds; [`Deployments::run`](crate::Deployments::run) does so by itself.
    ///
    /// ```
    /// let handle = tower_canary::RoutingHandle::new();
    /// handle.sample_traffic();
    /// ```
    pub fn sample_traffic(&self) {
        let mut ticks = self.ticks();
        let now = Instant::now();
        if ticks.tick(now) {
            for cell in self.shared.cells.load().values() {
                cell.tallies().iter().for_each(|tally| tally.sample(now));
            }
        }
    }

    /// How many requests were for services that nobody knew. Those for a service that is known and has no active version
    /// are counted [with it](crate::traffic::ServiceTraffic::unserved).
    ///
    /// ```
    /// assert_eq!(tower_canary::RoutingHandle::new().unknown_service_requests(), 0);
    /// ```
    #[must_use]
    pub fn unknown_service_requests(&self) -> u64 {
        let known = self.shared.cells.load().values().map(|cell| cell.unknown()).sum::<u64>();
        known + self.shared.unknown.load(Ordering::Relaxed)
    }

    /// Notes that a layer may bring requests to active versions at weight 0.
    pub(crate) fn note_kept(&self) {
        self.shared.kept.store(true, Ordering::Relaxed);
    }

    fn is_kept(&self) -> bool {
        self.shared.kept.load(Ordering::Relaxed)
    }

    /// The versions at weight 0 that may get requests or have some, in order; and those that serve of services whose route
    /// `is_outdated`.
    pub(crate) fn draining(&self, is_outdated: impl Fn(&str) -> bool) -> Vec<(ServiceName, VersionName)> {
        let (cells, kept) = (self.shared.cells.load_full(), self.is_kept());
        let of = |(service, cell): (&ServiceName, &Arc<Cell>)| {
            let versions = cell.draining(kept, is_outdated(service.as_str()));
            versions.into_iter().map(|version| (service.clone(), version)).collect::<Vec<_>>()
        };
        let mut draining: Vec<_> = cells.iter().flat_map(of).collect();
        draining.sort_unstable();
        draining
    }

    fn ticks(&self) -> MutexGuard<'_, Ticks> {
        lock(&self.shared.ticks)
    }
}
