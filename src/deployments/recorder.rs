//! Counts events of deployments in the recorder of the `metrics` facade, when they happen.
//!
//! The module `metrics` documents these metrics and exports the others.

use std::fmt;

use metrics::{counter, gauge};

use super::progress::Freshness;
use crate::handle::RoutingHandle;
use crate::routing::{ServiceName, Version};
use crate::store::StoreError;

pub(crate) const HEALTHY: &str = "canary_backend_healthy";
pub(crate) const STORE_ERRORS: &str = "canary_store_errors_total";
pub(crate) const CHANGES: &str = "canary_admin_changes_total";

/// Counts a change by its kind and its result: `applied`, `refused` or `failed`.
pub(super) fn record_change(action: &'static str, result: &'static str) {
    counter!(CHANGES, "action" => action, "result" => result).increment(1);
}

/// Records whether the last probe of `version` found it healthy.
pub(super) fn record_probe(service: &ServiceName, version: &Version, healthy: bool) {
    let service = service.as_str().to_owned();
    let version = version.name.as_str().to_owned();
    gauge!(HEALTHY, "service" => service, "version" => version).set(if healthy { 1.0 } else { 0.0 });
}

/// Counts a call of the store that failed. A change that a rule refuses is no failure.
pub(super) fn record_store_call<T>(op: &'static str, result: &Result<T, StoreError>) {
    if let Err(StoreError::Unavailable(_) | StoreError::Broken(_)) = result {
        counter!(STORE_ERRORS, "op" => op).increment(1);
    }
}

/// Exports the counters of traffic. The module `metrics`, which uses this one, implements it.
pub(crate) trait Exporter: fmt::Debug + Send + Sync + 'static {
    fn export(&self, handle: &RoutingHandle, freshness: &Freshness);
}
