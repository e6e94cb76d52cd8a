//! The limit of probes that clients of the API ask for.
//!
//! A probe is a request to a version, and a reader may ask for it. So a version is probed at most once per second for
//! readers: a request within that time gets the result of the probe before it. Requests at the same time share one probe,
//! however long it takes: otherwise each of them would wait for those before it, and a version that hangs would be probed for
//! minutes. If the client of a probe leaves, the probe has no result and still counts: the next request waits for its time.
//! A probe that ends ejections needs the scope to write, and is always carried out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

use crate::common::lock::lock;
use crate::deployments::{DeployError, Deployments, VersionProbe};
use crate::routing::{ChangeError, HealthPath, Instances, Route, VersionId, VersionName};
use crate::store::StoreError;

/// The shortest time between the starts of two probes of one version for readers.
const PERIOD: Duration = Duration::from_secs(1);

/// The last probes of each version that was probed within the last [`PERIOD`] or is probed now.
#[derive(Debug, Default)]
pub(super) struct ProbeLimit {
    slots: SyncMutex<HashMap<VersionId, Slot>>,
}

/// Locked while the version is probed, so that others wait for the result.
type Slot = Arc<Mutex<Option<LastProbes>>>;

/// The probes of all instances of a version.
#[derive(Debug)]
struct LastProbes {
    started: Instant,
    /// Where the probes were sent. A version whose URLs or health path changed since is probed again.
    target: (Instances, Option<HealthPath>),
    /// `None`: the probes are under way, or their client left before they ended.
    end: Option<End>,
}

/// The end of probes, with their results.
#[derive(Debug)]
struct End {
    at: Instant,
    results: Vec<VersionProbe>,
}

impl ProbeLimit {
    /// Probes the instances of a version of `route`, or returns the results of the last probes if they started within the last
    /// [`PERIOD`] or were under way when this was called. Fails if the version does not exist.
    ///
    /// If `clear`, the instances are always probed, and the ejections of those that pass end. The last results do not count:
    /// another client asked for them, and they ended no ejection.
    pub(super) async fn check(
        &self,
        deployments: &Deployments,
        route: &Route,
        name: &VersionName,
        clear: bool,
    ) -> Result<Vec<VersionProbe>, DeployError> {
        let split = route.split();
        let Some(version) = split.version(name.as_str()) else {
            return Err(StoreError::Refused(ChangeError::UnknownVersion(name.clone())).into());
        };
        let target = (version.instances.clone(), split.health_path().cloned());
        let slot = self.slot(version.id);
        let asked = Instant::now();
        let mut last = slot.lock().await;
        if !clear && let Some(probes) = last.as_ref().filter(|probes| probes.target == target) {
            if let Some(results) = probes.results_for(asked) {
                return Ok(results.to_vec());
            }
            sleep_until(probes.started + PERIOD).await;
        }
        // Recorded before the probes end: this future is dropped if its client leaves, when the version has their requests.
        let probes = last.insert(LastProbes { started: Instant::now(), target, end: None });
        let results = if clear {
            deployments.check_and_clear(split.service(), name).await?
        } else {
            deployments.check(split.service(), name).await?
        };
        probes.end = Some(End { at: Instant::now(), results: results.clone() });
        Ok(results)
    }

    /// Returns the slot of a version, and forgets the slots that are neither in use nor recent.
    fn slot(&self, version: VersionId) -> Slot {
        let mut slots = lock(&self.slots);
        // A slot is cloned here alone, under the lock of the map: a slot without clones is not in use, and stays so.
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || is_recent(slot));
        Arc::clone(slots.entry(version).or_default())
    }
}

impl LastProbes {
    /// Returns the results for a request that arrived at `asked`, if the probes were under way then or are recent, and have
    /// ended.
    fn results_for(&self, asked: Instant) -> Option<&[VersionProbe]> {
        let end = self.end.as_ref().filter(|end| end.at >= asked || self.is_recent());
        end.map(|end| &*end.results)
    }

    /// Returns whether the probes started within the last [`PERIOD`].
    fn is_recent(&self) -> bool {
        self.started.elapsed() < PERIOD
    }
}

/// Returns whether the last probes of a slot are recent. The slot is not in use, so the lock is free.
fn is_recent(slot: &Slot) -> bool {
    slot.try_lock().is_ok_and(|last| last.as_ref().is_some_and(LastProbes::is_recent))
}
