//! The limit of probes that clients of the API ask for.
//!
//! A probe is a request to a version, and a reader may ask for it. So a version is probed at most once per second: a
//! request within that time gets the result of the probe before it. Requests at the same time share one probe, however long
//! it takes: otherwise each of them would wait for those before it, and a version that hangs would be probed for minutes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex as SyncMutex};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::common::lock::lock;
use crate::deployments::{DeployError, Deployments, VersionProbe};
use crate::routing::{ChangeError, HealthPath, Instances, Route, VersionId, VersionName};
use crate::store::StoreError;

/// The time between the starts of two probes of one version.
const PERIOD: Duration = Duration::from_secs(1);

/// The last probes of each version, for one second.
#[derive(Debug, Default)]
pub(super) struct ProbeLimit {
    slots: SyncMutex<HashMap<VersionId, Slot>>,
}

/// Locked while the version is probed, so that others wait for the result.
type Slot = Arc<Mutex<Option<LastProbes>>>;

/// The probes of all instances of a version, with their results.
#[derive(Debug)]
struct LastProbes {
    started: Instant,
    ended: Instant,
    /// Where they were sent. A version whose URLs were changed since is probed again.
    target: (Instances, Option<HealthPath>),
    results: Vec<VersionProbe>,
}

impl ProbeLimit {
    /// Probes the instances of a version of `route`, or returns the results of the probes within the last second.
    ///
    /// If `clear`, it always probes, and the ejections of instances that pass end. The results before do not count: another
    /// client asked for them, and they ended no ejection.
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
        let known = last.as_ref().filter(|probes| probes.answer(asked) && probes.target == target);
        if let Some(known) = known.filter(|_| !clear) {
            return Ok(known.results.clone());
        }
        let started = Instant::now();
        let results = if clear {
            deployments.check_and_clear(split.service(), name).await?
        } else {
            deployments.check(split.service(), name).await?
        };
        *last = Some(LastProbes { started, ended: Instant::now(), target, results: results.clone() });
        Ok(results)
    }

    /// Returns the slot of a version, and forgets those that are neither in use nor recent.
    fn slot(&self, version: VersionId) -> Slot {
        let mut slots = lock(&self.slots);
        slots.retain(|_, slot| Arc::strong_count(slot) > 1 || is_recent(slot));
        Arc::clone(slots.entry(version).or_default())
    }
}

impl LastProbes {
    /// Returns whether they answer a request of the time `asked`: they were under way then, or are recent.
    fn answer(&self, asked: Instant) -> bool {
        self.ended >= asked || self.is_recent()
    }

    /// Returns whether the probes may still be reported instead of new ones.
    fn is_recent(&self) -> bool {
        self.started.elapsed() < PERIOD
    }
}

/// Returns whether a slot must be kept. One that is locked is in use.
fn is_recent(slot: &Slot) -> bool {
    slot.try_lock().is_ok_and(|last| last.as_ref().is_some_and(LastProbes::is_recent))
}
