//! The counters of one version.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::activity::Activity;
use super::apart_counters::ApartCounters;
use super::copies::CopyTraffic;
#[cfg(feature = "mirror")]
use super::copies::Unsent;
use super::failure_row::FailureRow;
#[cfg(feature = "rollout")]
use super::figures::{Figures, MirrorFigures};
use super::history::{History, SampleTimes};
use super::instance_counters::InstanceCounters;
use super::series::TrafficSample;
use crate::common::lock::lock;
use crate::routing::{Backend, Reason};

/// The counters of one version: the sums over its instances.
///
/// They outlive changes of the base URLs. An instance that was removed is counted until its last request has ended; then
/// its counts become part of `removed`.
#[derive(Debug)]
pub(crate) struct Counters {
    /// Locked while an instance is added or counts are read. Requests never take the lock.
    parts: Mutex<Parts>,
    /// Locked while a sample is recorded or read. Requests never take the lock.
    history: Mutex<History>,
    /// Requests that were sent to another version, since no instance of this one was usable.
    diverted: AtomicU64,
    /// Shared by the counters of all instances.
    apart: Arc<ApartCounters>,
}

/// The counters of the instances, and the sum of those that are gone.
#[derive(Debug, Default)]
struct Parts {
    /// The present instances, and removed ones until [`Counters::forget_removed`] finds that they have ended.
    instances: Vec<(Backend, InstanceCounters)>,
    /// The activity of removed instances.
    removed: Activity,
}

/// The counts of one instance at one moment.
#[derive(Clone, Debug)]
pub(crate) struct InstanceCounts {
    pub(crate) backend: Backend,
    /// Copies included.
    pub(crate) in_flight: usize,
    /// All requests that the instance was given, without copies.
    pub(crate) picks: u64,
    /// As [`InstanceCounters::failures`] counts them.
    pub(crate) failures: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            parts: Mutex::default(),
            history: Mutex::new(History::new()),
            diverted: AtomicU64::new(0),
            apart: Arc::default(),
        }
    }
}

impl Counters {
    /// Locks the parts. Requests never take this lock.
    fn parts(&self) -> MutexGuard<'_, Parts> {
        lock(&self.parts)
    }

    /// Adds an instance, whose requests report to `row` how they ended, if there is one.
    ///
    /// A version may have a base URL twice for a while: removed and added again, or with a row after it had none.
    pub(crate) fn add_instance(&self, backend: Backend, row: Option<&Arc<FailureRow>>) -> InstanceCounters {
        let counters = InstanceCounters::new(row, &self.apart);
        self.parts().instances.push((backend, counters.clone()));
        counters
    }

    /// Forgets the removed instances that have no request in flight, and adds their counts to the sum of the removed
    /// ones.
    pub(crate) fn forget_removed(&self) {
        let mut parts = self.parts();
        let Parts { instances, removed } = &mut *parts;
        instances.retain(|(_, counters)| {
            let has_ended = counters.has_ended();
            if has_ended {
                counters.add_counts_to(removed);
                counters.add_latencies_to(removed);
            }
            !has_ended
        });
    }

    /// Counts a request that was sent to another version.
    #[cold]
    pub(crate) fn count_diverted(&self) {
        // Relaxed, here and below: a count of its own, which orders nothing.
        self.diverted.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many requests were sent to another version.
    pub(crate) fn diverted(&self) -> u64 {
        self.diverted.load(Ordering::Relaxed)
    }

    /// Returns how many requests and copies are in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.parts().instances.iter().map(|(_, counters)| counters.in_flight()).sum()
    }

    /// Returns how many requests the instance at `backend` has in flight. `None`: it was never added, or it was removed
    /// and forgotten after its last request.
    pub(crate) fn in_flight_at(&self, backend: &Backend) -> Option<usize> {
        let parts = self.parts();
        let at = parts.instances.iter().filter(|(other, _)| other == backend);
        at.map(|(_, counters)| counters.in_flight()).reduce(|sum, more| sum + more)
    }

    /// Returns the counts of each instance, of removed ones until they have ended.
    pub(crate) fn instances(&self) -> Vec<InstanceCounts> {
        let mut counts: Vec<InstanceCounts> = Vec::new();
        for (backend, counters) in &self.parts().instances {
            let part = InstanceCounts::new(backend, counters);
            match counts.iter_mut().find(|known| known.backend == *backend) {
                Some(known) => known.add(&part),
                None => counts.push(part),
            }
        }
        counts
    }

    /// Returns how many requests were given the version for `reason`.
    pub(crate) fn picks(&self, reason: Reason) -> u64 {
        if reason == Reason::Mirror {
            return self.apart.sent();
        }
        let parts = self.parts();
        let present: u64 = parts.instances.iter().map(|(_, counters)| counters.picks(reason)).sum();
        parts.removed.picks(reason) + present
    }

    /// Returns all activity until now.
    pub(crate) fn total(&self) -> Activity {
        let parts = self.parts();
        let mut total = self.counts_of(&parts);
        for (_, counters) in &parts.instances {
            counters.add_latencies_to(&mut total);
        }
        total.latencies.add_all(&parts.removed.latencies);
        total
    }

    /// Returns the figures by which the version is judged, until now.
    #[cfg(feature = "rollout")]
    pub(crate) fn figures(&self) -> Figures {
        // The overridden requests first: see `EndCounters::activity`.
        let overridden = self.apart.overridden.activity();
        Figures::from_activity(&self.total(), &overridden)
    }

    /// Returns the figures of the copies that the version got, and of its requests of which another version got copies,
    /// until now.
    #[cfg(feature = "rollout")]
    pub(crate) fn mirror_figures(&self) -> MirrorFigures {
        MirrorFigures::from_traffic(&self.copies(), &self.apart.originals.activity())
    }

    /// Returns the traffic of the copies that the version got until now.
    pub(crate) fn copies(&self) -> CopyTraffic {
        self.apart.copies()
    }

    /// Counts a request that was drawn to be copied to the version and was not.
    #[cfg(feature = "mirror")]
    pub(crate) fn count_unsent(&self, why: Unsent) {
        self.apart.count_unsent(why);
    }

    /// Returns all activity until now without latencies.
    fn counts(&self) -> Activity {
        self.counts_of(&self.parts())
    }

    /// Sums the counts of all instances, without the latencies.
    fn counts_of(&self, parts: &Parts) -> Activity {
        let mut counts = Activity { diverted: self.diverted(), ..Activity::default() };
        counts.picks[Reason::Mirror as usize] = self.apart.sent();
        for (_, counters) in &parts.instances {
            counters.add_counts_to(&mut counts);
        }
        counts.add_counts(&parts.removed);
        counts
    }

    /// Locks the samples of the last minutes.
    fn history(&self) -> MutexGuard<'_, History> {
        lock(&self.history)
    }

    /// Records a sample at `now`, unless the version is idle since the last one. Forgets the samples that no window needs,
    /// and the instances that are gone.
    pub(crate) fn sample(&self, now: Instant) {
        self.forget_removed();
        let in_flight = self.in_flight();
        let counts = self.counts();
        let mut history = self.history();
        // Of many versions most are idle: their latencies need not be read.
        if in_flight > 0 || history.is_behind(&counts) {
            history.record(now, self.total(), in_flight);
        } else {
            history.forget_expired(now);
        }
    }

    /// Returns how long the version has had no request, as [`History::idle_for`] defines it.
    pub(super) fn idle_for(&self, now: Instant, total: &Activity) -> Option<Duration> {
        self.history().idle_for(now, total, self.in_flight())
    }

    /// Returns the activity from the sample at `start` until now, without latencies.
    pub(super) fn counts_since(&self, start: Instant) -> Activity {
        let counts = self.counts();
        self.history().counts_since(start, &counts)
    }

    /// Returns the requests of each period between two samples.
    pub(super) fn series(&self, now: Instant, samples: &SampleTimes) -> Vec<TrafficSample> {
        let history = self.history();
        let periods = samples.periods();
        periods.map(|(start, end)| TrafficSample::new(now, start, end, history.sample(end))).collect()
    }

    /// Returns the activity from the sample at `start` until `total` was read.
    pub(super) fn since(&self, start: Instant, total: &Activity) -> Activity {
        self.history().since(start, total)
    }
}

impl InstanceCounts {
    /// Reads the counters of one instance.
    fn new(backend: &Backend, counters: &InstanceCounters) -> Self {
        Self {
            backend: backend.clone(),
            in_flight: counters.in_flight(),
            picks: counters.requests(),
            failures: counters.failures(),
        }
    }

    /// Adds the counts of another life of the same instance.
    fn add(&mut self, other: &Self) {
        self.in_flight += other.in_flight;
        self.picks += other.picks;
        self.failures += other.failures;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::common::sharded::Shard;
    use crate::traffic::outcome::Outcome;

    #[test]
    fn counts_of_removed_instances_stay() {
        let (counters, shard) = (Counters::default(), Shard::current());
        let [a, b]: [Backend; 2] = ["http://a", "http://b"].map(|url| url.parse().unwrap());
        let first = counters.add_instance(a.clone(), None);
        let open = first.enter(shard, Reason::Draw);
        drop(first.enter(shard, Reason::Key));
        let second = counters.add_instance(b.clone(), None);
        drop(first);
        counters.forget_removed();
        assert_eq!((counters.in_flight_at(&a), counters.in_flight_at(&b)), (Some(1), Some(0)));
        drop(open);
        assert_eq!(counters.in_flight_at(&a), Some(0));
        let before = counters.total();
        counters.forget_removed();
        assert_eq!((counters.in_flight_at(&a), counters.in_flight_at(&b)), (None, Some(0)));
        assert_eq!(counters.total(), before);
        assert_eq!((before.requests(), before.outcome(Outcome::Abandoned)), (2, 2));
        assert_eq!(counters.picks(Reason::Key), 1);
        drop(second);
    }

    #[test]
    fn one_url_is_one_instance() {
        let (counters, shard) = (Counters::default(), Shard::current());
        let a: Backend = "http://a".parse().unwrap();
        let (old, new) = (counters.add_instance(a.clone(), None), counters.add_instance(a.clone(), None));
        let open = [old.enter(shard, Reason::Draw), new.enter(shard, Reason::Draw)];
        let instances = counters.instances();
        assert_eq!((instances.len(), instances[0].in_flight, instances[0].picks), (1, 2, 2));
        assert_eq!(counters.in_flight_at(&a), Some(2));
        drop(open);
    }

    #[cfg(feature = "rollout")]
    #[test]
    fn figures_leave_out_overrides_and_count_diverted_requests() {
        use http::StatusCode;
        let (counters, shard) = (Counters::default(), Shard::current());
        let instance = counters.add_instance("http://a".parse().unwrap(), None);
        for reason in [Reason::Draw, Reason::Override] {
            for status in [StatusCode::OK, StatusCode::NOT_FOUND, StatusCode::BAD_GATEWAY] {
                let mut request = instance.enter(shard, reason);
                request.start_timer();
                request.record_head(status);
                request.complete();
            }
            // The client leaves before the head, which is bad, and after it, which says nothing.
            drop(instance.enter(shard, reason));
            let mut request = instance.enter(shard, reason);
            request.record_head(StatusCode::OK);
        }
        let open = instance.enter(shard, Reason::Draw);
        counters.count_diverted();
        let figures = counters.figures();
        assert_eq!((figures.requests, figures.bad, figures.latencies.count()), (5, 3, 3));
        assert_eq!(counters.total().ended(), 10);
        drop(open);
    }
}
