//! Counts events of deployments in the recorder of the `metrics` facade, when they happen.
//!
//! The module `metrics` documents these metrics and exports the others.

use std::collections::HashMap;
use std::fmt;
use std::mem::take;
use std::sync::Mutex;

use metrics::counter;

use super::progress::Freshness;
use crate::common::lock::lock;
use crate::handle::RoutingHandle;
use crate::routing::{Instances, ServiceName, Version, VersionName};
use crate::store::StoreError;

/// Counts calls of the store that failed, by operation.
pub(crate) const STORE_ERRORS: &str = "canary_store_errors_total";
/// Counts requested changes, by action and result.
pub(crate) const CHANGES: &str = "canary_admin_changes_total";
/// Counts the checks of instances, by result. Probes before the first traffic are not checks.
pub(crate) const HEALTH_CHECKS: &str = "canary_health_checks_total";

/// The operations of the store whose errors are counted. Each has its series from the first export on.
pub(crate) const STORE_OPERATIONS: &[&str] = &[
    "apply",
    "history",
    "load",
    #[cfg(feature = "rollout")]
    "write-rollout",
];

/// The most results of probes between two exports. Later ones of other versions are dropped: nobody exports.
const MAX_RESULTS: usize = 10_000;

/// The last result of the probes of each version, until the next export.
///
/// A probe may end after its version was removed. The exporter knows which versions are served, so it writes the gauge.
#[derive(Debug, Default)]
pub(crate) struct ProbeResults {
    latest: Mutex<HashMap<(ServiceName, VersionName), ProbeResult>>,
}

/// The last result of the probes of one version.
#[derive(Debug)]
pub(crate) struct ProbeResult {
    /// The base URLs that were probed. The version may have others by now.
    pub(crate) instances: Instances,
    /// Whether enough of them passed to give the version traffic.
    pub(crate) healthy: bool,
}

impl ProbeResults {
    /// Records whether the probes of `version` found it healthy, unless nobody exports the results.
    pub(super) fn record(&self, service: &ServiceName, version: &Version, healthy: bool) {
        let mut latest = lock(&self.latest);
        let key = (service.clone(), version.name.clone());
        if latest.len() < MAX_RESULTS || latest.contains_key(&key) {
            latest.insert(key, ProbeResult { instances: version.instances.clone(), healthy });
        }
    }

    /// Returns the results since the last call.
    pub(super) fn take(&self) -> HashMap<(ServiceName, VersionName), ProbeResult> {
        take(&mut lock(&self.latest))
    }
}

/// Counts a change by its kind and its result: `applied`, `refused` or `failed`.
pub(super) fn record_change(action: &'static str, result: &'static str) {
    counter!(CHANGES, "action" => action, "result" => result).increment(1);
}

/// Counts a call of the store that failed. `op` is one of [`STORE_OPERATIONS`]. A change that a rule refuses is no
/// failure.
pub(super) fn record_store_call<T>(op: &'static str, result: &Result<T, StoreError>) {
    debug_assert!(STORE_OPERATIONS.contains(&op), "{op} has no series before its first failure");
    if let Err(StoreError::Unavailable(_) | StoreError::Unusable { .. } | StoreError::Broken(_)) = result {
        counter!(STORE_ERRORS, "op" => op).increment(1);
    }
}

/// Counts a check of an instance of `version` by its result: `passed` or `failed`.
pub(super) fn record_check(service: &ServiceName, version: &VersionName, passed: bool) {
    let result = if passed { "passed" } else { "failed" };
    counter!(
        HEALTH_CHECKS,
        "service" => service.to_string(), "version" => version.to_string(), "result" => result
    )
    .increment(1);
}

/// Exports the counters of traffic. The module `metrics`, which uses this one, implements it.
pub(crate) trait Exporter: fmt::Debug + Send + Sync + 'static {
    /// Exports the counts since the last call. `probes` are the results since then.
    fn export(
        &self,
        handle: &RoutingHandle,
        freshness: &Freshness,
        probes: HashMap<(ServiceName, VersionName), ProbeResult>,
    );
}
