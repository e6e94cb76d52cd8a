//! What requests do with the published routes, read from outside.

use tokio::time::Instant;

use super::routing_handle::RoutingHandle;
use crate::routing::{Backend, Reason, ServiceName, VersionName};
#[cfg(feature = "metrics")]
use crate::traffic::ServiceSnapshot;
use crate::traffic::{ServiceSummary, ServiceTraffic, VersionSeries};

impl RoutingHandle {
    /// Returns how many requests `version` has in flight through layers of this handle, from the choice of the version
    /// until the response body has ended. 0 for a version that is neither published nor in use, an unknown one
    /// included.
    ///
    /// - A protocol upgrade counts until its [`Tunnel`](crate::layer::Tunnel) is dropped.
    /// - After [`ChangeUrls`](crate::routing::Change::ChangeUrls) the requests of both URLs are counted.
    /// - Requests of a removed version count for a later version of the same name too.
    /// - Requests of a service that was removed or left out of a [`replace`](Self::replace)d table stay counted.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// assert_eq!(handle.in_flight("auth", "v1.0"), 0);
    /// let request = handle.choose("auth", None)?;
    /// assert_eq!(handle.in_flight("auth", "v1.0"), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn in_flight(&self, service: &str, version: &str) -> usize {
        self.find(service).map_or(0, |entry| entry.in_flight(version))
    }

    /// Returns whether `version` is drained: it gets no more requests through layers of this handle, and its last one
    /// has ended.
    ///
    /// A version that is neither published nor in use is drained: a removed one whose last request has ended, and one
    /// that this handle never had. [`route`](Self::route) returns the published ones.
    ///
    /// At weight 0 an active version still gets requests where a layer has a [`PinCookie`](crate::layer::PinCookie) or
    /// an [`Override`](crate::layer::Override), and copies of requests while the split mirrors to it: make it inactive
    /// first.
    ///
    /// Its process may be stopped once every gateway that follows the store reports the same:
    /// [`Deployments::other_replicas`](crate::Deployments::other_replicas) returns what the others report.
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
    /// assert!(handle.is_drained("auth", "v1.0"));
    /// assert!(!handle.is_drained("auth", "v1.1"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn is_drained(&self, service: &str, version: &str) -> bool {
        let Some(entry) = self.find(service) else { return true };
        entry.is_drained(version, self.is_zero_weight_reachable())
    }

    /// Returns how many requests `version` was given for `reason` through layers of this handle since it was published
    /// first. `None` if the version is not published.
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
        self.find(service)?.counters(version).map(|counters| counters.picks(reason))
    }

    /// Returns the traffic of each version of `service`, or `None` if the service is not published. See
    /// [`traffic`](crate::traffic) for an example.
    #[must_use]
    pub fn traffic(&self, service: &str) -> Option<ServiceTraffic> {
        let sample_times = self.sample_times();
        let snapshot = self.find(service)?.snapshot(self.is_zero_weight_reachable())?;
        Some(ServiceTraffic::new(&snapshot, &sample_times))
    }

    /// Returns the requests of each version of `service` in the periods between the samples of the last five minutes, or
    /// `None` if the service is not published. The versions are the same as in [`traffic`](Self::traffic), in the same order.
    ///
    /// ```
    /// # use tower_canary::routing::{Change, Route, Split};
    /// # use tower_canary::RoutingHandle;
    /// # let handle = RoutingHandle::new();
    /// # let split = Split::new("auth".parse()?, 7)
    /// #     .apply(&Change::register("v1.0".parse()?, "http://10.0.0.1".parse()?), std::time::SystemTime::now())?;
    /// # assert!(handle.publish(Route::compile(split)));
    /// for series in handle.traffic_series("auth").ok_or("not published")? {
    ///     for sample in series.samples {
    ///         println!("{} {:?} ago: {} requests", series.version, sample.age, sample.requests);
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn traffic_series(&self, service: &str) -> Option<Vec<VersionSeries>> {
        let samples = self.sample_times();
        Some(self.find(service)?.snapshot(self.is_zero_weight_reachable())?.series(&samples))
    }

    /// Returns the traffic of the last 10 seconds of each service that had requests or has some in flight, in the order of
    /// their names.
    ///
    /// ```
    /// let handle = tower_canary::RoutingHandle::new();
    /// for summary in handle.traffic_summaries() {
    ///     println!("{}: {} requests per second", summary.service, summary.per_second());
    /// }
    /// ```
    #[must_use]
    pub fn traffic_summaries(&self) -> Vec<ServiceSummary> {
        let samples = self.sample_times();
        let reachable = self.is_zero_weight_reachable();
        let entries = self.entries_owned();
        let snapshots = entries.values().filter_map(|entry| entry.snapshot(reachable));
        let summaries = snapshots.map(|snapshot| ServiceSummary::new(&snapshot, &samples));
        let mut busy: Vec<ServiceSummary> = summaries.filter(ServiceSummary::is_busy).collect();
        busy.sort_unstable_by(|a, b| a.service.cmp(&b.service));
        busy
    }

    /// Calls `observe` with a snapshot of each published service, and forgets the drained versions of removed ones.
    #[cfg(feature = "metrics")]
    pub(crate) fn each_snapshot(&self, mut observe: impl FnMut(ServiceSnapshot)) {
        let reachable = self.is_zero_weight_reachable();
        for entry in self.entries_owned().values() {
            match entry.snapshot(reachable) {
                Some(snapshot) => observe(snapshot),
                None => entry.forget_removed(),
            }
        }
    }

    /// Records a sample, from which [windows](crate::traffic::Window) can begin. To be called every two seconds;
    /// [`Deployments::run`](crate::Deployments::run) does it. A call within a second of the last sample has no effect.
    ///
    /// ```
    /// let handle = tower_canary::RoutingHandle::new();
    /// handle.sample_traffic();
    /// ```
    pub fn sample_traffic(&self) {
        let mut sample_times = self.sample_times();
        let now = Instant::now();
        if !sample_times.record(now) {
            return;
        }
        for entry in self.entries_owned().values() {
            for counters in entry.used_counters() {
                counters.sample(now);
            }
        }
    }

    /// Returns how many requests were for services that are not published, or named no service. Those that went to a
    /// [fallback](crate::WeightedVersionLayer::with_fallback) are included. Requests for a published service without an
    /// active version are counted [with the service](crate::traffic::ServiceTraffic::unserved).
    ///
    /// ```
    /// assert_eq!(tower_canary::RoutingHandle::new().unknown_service_requests(), 0);
    /// ```
    #[must_use]
    pub fn unknown_service_requests(&self) -> u64 {
        let withdrawn: u64 = self.entries().values().map(|entry| entry.unknown()).sum();
        withdrawn + self.requests_without_entry()
    }

    /// Returns the versions at weight 0 that may get requests or have some in flight, and the removed instances, by base URL,
    /// that have some in flight. Where the route of a service `is_outdated`, also the versions that serve, and their
    /// instances. Sorted by service, version and base URL.
    pub(crate) fn draining(
        &self,
        is_outdated: impl Fn(&str) -> bool,
    ) -> Vec<(ServiceName, VersionName, Option<Backend>)> {
        let zero_weight_reachable = self.is_zero_weight_reachable();
        let mut draining = Vec::new();
        for (service, entry) in self.entries_owned().iter() {
            let instances = entry.draining(zero_weight_reachable, is_outdated(service.as_str()));
            draining.extend(instances.into_iter().map(|(version, url)| (service.clone(), version, url)));
        }
        draining.sort_unstable();
        draining.dedup();
        draining
    }
}
