//! The state of a version in words.

use tower_canary::api::{
    ClusterDrainView, SplitView, VersionHealthView, VersionState, VersionTrafficView, VersionView,
};

use super::back::newest_sharing;
use crate::output::Cell;

/// Returns the state of a version: what it does, whether its process may be stopped, and how its instances are.
pub(crate) fn badge(split: &SplitView, traffic: &VersionTrafficView) -> Cell {
    let version = split.versions.iter().find(|version| version.version == traffic.version);
    match traffic.state {
        VersionState::Serving => serving_state(split, version),
        // Before the other states: a version without a request yet is drained, and with pins it is draining.
        _ if version.is_some_and(|version| is_ready(split, version, traffic)) => Cell::good("ready"),
        VersionState::Draining => Cell::watch(&draining_text(traffic)),
        _ => drained_state(traffic),
    }
}

/// Returns the state of a version with traffic, and how many of its instances are out of service if some are. The state is
/// `new` for the version that was registered last of those that share the traffic, and `serving` for the others.
fn serving_state(split: &SplitView, version: Option<&VersionView>) -> Cell {
    let health = version.and_then(|version| version.health.as_ref());
    if health.is_some_and(|health| health.none_usable) {
        return Cell::bad("serving, no instance is usable");
    }
    let newest = newest_sharing(split).map(|newest| &newest.id);
    let is_new = newest.is_some() && newest == version.map(|version| &version.id);
    let word = if is_new { "new" } else { "serving" };
    match health.and_then(instances_out) {
        Some(out) => Cell::watch(&format!("{word}, {out}")),
        None => Cell::good(word),
    }
}

/// Returns how many instances are out of service. `None`: all are in.
fn instances_out(health: &VersionHealthView) -> Option<String> {
    let count =
        health.instances.iter().filter(|instance| matches!(&*instance.state, "down" | "ejected")).count();
    (count > 0).then(|| format!("{count} of {} instances out", health.instances.len()))
}

/// Returns whether a version waits for its first traffic: it had no request, and is newer than all that serve.
fn is_ready(split: &SplitView, version: &VersionView, traffic: &VersionTrafficView) -> bool {
    let mut serving = split.versions.iter().filter(|other| !other.weight.weight().is_zero());
    version.is_active
        && traffic.total.requests == 0
        && serving.all(|other| other.created_at < version.created_at)
}

/// Returns the state of a version that gets no more traffic by its weight and still has requests, or may get
/// some.
fn draining_text(traffic: &VersionTrafficView) -> String {
    if traffic.in_flight == 0 && traffic.is_active {
        return "draining: pinned users may still come, take it out of service".into();
    }
    let others = other_gateways(traffic.cluster.as_ref());
    format!("draining: {} in flight{others}", traffic.in_flight)
}

/// Lists the other gateways that keep the version from being drained.
fn other_gateways(cluster: Option<&ClusterDrainView>) -> String {
    let blockers = cluster.and_then(|cluster| cluster.elsewhere.as_deref()).unwrap_or_default();
    let names: Vec<&str> = blockers.iter().map(|blocker| blocker.replica.as_str()).collect();
    if names.is_empty() { String::new() } else { format!(", also {}", names.join(", ")) }
}

/// Returns the state of a version that is drained at this gateway.
fn drained_state(traffic: &VersionTrafficView) -> Cell {
    match &traffic.cluster {
        None => Cell::good("may be stopped"),
        Some(cluster) => match cluster.drained_everywhere {
            Some(true) => Cell::good("may be stopped"),
            Some(false) => Cell::watch(&format!("drained here{}", other_gateways(Some(cluster)))),
            None => Cell::watch("drained here, others not known"),
        },
    }
}
