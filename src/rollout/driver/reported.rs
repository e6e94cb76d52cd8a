//! The services of which each gateway reported figures.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use serde::de::IgnoredAny;
use tokio::time::Instant;

use crate::common::lock::lock;
use crate::store::ReplicaFigures;

/// Gateways report about every 5 seconds, so an earlier read would find the same.
const READ_EVERY: Duration = Duration::from_secs(5);

/// The services of each gateway, by its id.
type Services = BTreeMap<String, BTreeSet<String>>;

/// The services in the figures of each gateway, when they were read last. They are kept since figures are large, and
/// many clients may ask at the same time.
#[derive(Debug, Default)]
pub(super) struct ReportedServices(Mutex<Option<(Instant, Services)>>);

impl ReportedServices {
    /// Returns whether the figures were read within the last five seconds.
    pub(super) fn is_recent(&self) -> bool {
        lock(&self.0).as_ref().is_some_and(|(at, _)| at.elapsed() < READ_EVERY)
    }

    /// Records the figures that were read now.
    pub(super) fn replace(&self, figures: &[ReplicaFigures]) {
        let services = figures.iter().map(|report| (report.id.clone(), services(report))).collect();
        *lock(&self.0) = Some((Instant::now(), services));
    }

    /// Returns whether the gateway with the id `replica` had reported figures of `service` when they were read last.
    pub(super) fn has(&self, replica: &str, service: &str) -> bool {
        let last = lock(&self.0);
        let services = last.as_ref().and_then(|(_, services)| services.get(replica));
        services.is_some_and(|services| services.contains(service))
    }
}

/// Returns the services in a report. A report that cannot be read counts as empty.
fn services(report: &ReplicaFigures) -> BTreeSet<String> {
    let services: BTreeMap<String, IgnoredAny> = serde_json::from_str(&report.figures).unwrap_or_default();
    services.into_keys().collect()
}
