//! Exports the health and the traffic of instances.

use std::collections::{HashMap, HashSet};

use metrics::{Label, Unit, counter, describe_counter, describe_gauge, gauge};

use super::labels::label;
use crate::deployments::HEALTH_CHECKS;
use crate::handle::{InstanceStatus, VersionInstances};
use crate::health::InstanceState;
use crate::routing::Backend;

const INSTANCES: &str = "canary_instances";
const USABLE: &str = "canary_instance_usable";
const INSTANCE_IN_FLIGHT: &str = "canary_instance_in_flight";
const EJECTIONS: &str = "canary_instance_ejections_total";
const DIVERTED: &str = "canary_diverted_total";
const NONE_USABLE: &str = "canary_none_usable";

/// The results of a check.
const CHECK_RESULTS: [&str; 2] = ["failed", "passed"];

/// The metrics of the instances of one version.
///
/// A version that is not observed has no series: there would be many, and they would not change.
#[derive(Debug, Default)]
pub(super) struct InstanceSeries {
    /// The ejections that were exported, by base URL. Empty before the first export.
    ejections: HashMap<Backend, u32>,
    /// The diverted requests that were exported.
    diverted: u64,
}

impl InstanceSeries {
    /// Exports the instances of a published version, and ends the series of those that are gone.
    pub(super) fn export(&mut self, labels: &[Label; 2], version: &VersionInstances) {
        if !version.observed && self.ejections.is_empty() {
            return;
        }
        self.export_version(labels, version);
        let present: HashSet<&Backend> = version.instances.iter().map(|instance| &instance.backend).collect();
        self.ejections.retain(|backend, _| {
            let is_present = present.contains(backend);
            if !is_present {
                end_instance(labels, backend);
            }
            is_present
        });
        for instance in &version.instances {
            self.export_instance(labels, instance);
        }
    }

    /// Ends the series of a version that was removed. Those that its successor of the same name exports go on.
    pub(super) fn end(&self, labels: &[Label; 2], successor: Option<&HashSet<Backend>>) {
        if self.ejections.is_empty() {
            return;
        }
        if successor.is_none_or(HashSet::is_empty) {
            for state in InstanceState::ALL {
                gauge!(INSTANCES, with(labels, "state", state.as_str())).set(0.0);
            }
            gauge!(NONE_USABLE, labels.to_vec()).set(f64::NAN);
        }
        let gone =
            self.ejections.keys().filter(|backend| successor.is_none_or(|urls| !urls.contains(backend)));
        gone.for_each(|backend| end_instance(labels, backend));
    }

    /// Returns the base URLs with series.
    pub(super) fn urls(&self) -> HashSet<Backend> {
        self.ejections.keys().cloned().collect()
    }

    /// Exports the numbers of the whole version: instances in each state, also where it is 0, diverted requests,
    /// and whether no instance is usable. The counters of checks begin at 0 here.
    fn export_version(&mut self, labels: &[Label; 2], version: &VersionInstances) {
        for state in InstanceState::ALL {
            let registered = version.instances.iter().filter(|instance| instance.registered);
            let count = registered.filter(|instance| instance.state == *state).count();
            gauge!(INSTANCES, with(labels, "state", state.as_str())).set(to_f64(count));
        }
        gauge!(NONE_USABLE, labels.to_vec()).set(to_f64(usize::from(version.none_usable)));
        counter!(DIVERTED, labels.to_vec()).increment(version.diverted.saturating_sub(self.diverted));
        self.diverted = version.diverted;
        // Before the first check ends, so that its result is an increase.
        if version.instances.iter().any(is_checked) {
            for result in CHECK_RESULTS {
                counter!(HEALTH_CHECKS, with(labels, "result", result)).increment(0);
            }
        }
    }

    /// Exports one instance. A removed one has NaN, which no alert matches.
    fn export_instance(&mut self, labels: &[Label; 2], instance: &InstanceStatus) {
        let labels = with(labels, "url", instance.backend.as_str());
        let usable = if instance.registered { to_f64(usize::from(instance.usable)) } else { f64::NAN };
        gauge!(USABLE, labels.clone()).set(usable);
        gauge!(INSTANCE_IN_FLIGHT, labels.clone()).set(to_f64(instance.in_flight));
        let exported = self.ejections.entry(instance.backend.clone()).or_default();
        counter!(EJECTIONS, labels).increment(instance.ejections.saturating_sub(*exported).into());
        *exported = instance.ejections;
    }
}

/// Returns whether the instance was checked or waits for its first check.
fn is_checked(instance: &InstanceStatus) -> bool {
    instance.state == InstanceState::New || instance.last_check.is_some()
}

/// Ends the series of one instance. The facade cannot remove a series, so its health is NaN, as for a removed version.
fn end_instance(labels: &[Label; 2], backend: &Backend) {
    let labels = with(labels, "url", backend.as_str());
    gauge!(USABLE, labels.clone()).set(f64::NAN);
    gauge!(INSTANCE_IN_FLIGHT, labels).set(0.0);
}

/// Returns `labels`, and one more with this name and value.
fn with(labels: &[Label; 2], name: &'static str, value: &str) -> Vec<Label> {
    let mut labels = labels.to_vec();
    labels.push(label(name, value));
    labels
}

/// Converts a count that an `f64` holds exactly.
#[expect(clippy::cast_precision_loss, reason = "instances and requests in flight are far below 2^53")]
fn to_f64(count: usize) -> f64 {
    count as f64
}

/// Describes the metrics of instances. A recorder ignores a repeated description.
pub(super) fn describe() {
    describe_gauge!(INSTANCES, Unit::Count, "Instances of the version, by state.");
    describe_gauge!(USABLE, Unit::Count, "Whether requests may be given to the instance for its health.");
    describe_gauge!(INSTANCE_IN_FLIGHT, Unit::Count, "Requests in flight at the instance.");
    describe_counter!(EJECTIONS, Unit::Count, "Ejections of the instance, because requests to it failed.");
    describe_counter!(HEALTH_CHECKS, Unit::Count, "Checks of instances, by result.");
    describe_counter!(DIVERTED, Unit::Count, "Requests drawn for the version and given to another one.");
    describe_gauge!(NONE_USABLE, Unit::Count, "Whether no instance of the version is usable.");
}
