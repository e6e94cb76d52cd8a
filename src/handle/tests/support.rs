//! Handles with versions of several instances, and events for them.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use super::super::fleet::Fleet;
use super::super::routing_handle::RoutingHandle;
use super::super::snapshot::{Choice, NoChoice, Pick};
use crate::health::{Event, Health};
use crate::routing::{Backend, Change, Draw, Instances, Reason, Registration, Route, Split};

pub(super) fn url(host: &str) -> Backend {
    format!("http://{host}").parse().unwrap()
}

pub(super) fn urls(hosts: &[&str]) -> Instances {
    Instances::new(hosts.iter().map(|host| url(host)).collect()).unwrap()
}

pub(super) fn apply(split: &Split, change: &Change) -> Split {
    split.apply(change, SystemTime::UNIX_EPOCH).unwrap()
}

/// A service with a health path. Its versions v0, v1, ... have these hosts and equal weights.
pub(super) fn checked(versions: &[&[&str]]) -> Split {
    let mut split = unchecked(versions);
    split = apply(&split, &Change::set_health_path("/healthz".parse().ok()));
    split
}

/// The same without a health path.
pub(super) fn unchecked(versions: &[&[&str]]) -> Split {
    let mut split = Split::new("auth".parse().unwrap(), 7);
    for (i, hosts) in versions.iter().enumerate() {
        let name = format!("v{i}").parse().unwrap();
        let registration = Registration::new(name, url(hosts[0])).with_instances(urls(hosts));
        split = apply(&split, &Change::Register(registration));
    }
    split
}

pub(super) fn set_weight(split: &Split, version: &str, weight: &str) -> Split {
    apply(split, &Change::set_weight(version.parse().unwrap(), weight.parse().unwrap()))
}

pub(super) fn handle(health: Option<Health>, split: &Split) -> RoutingHandle {
    let handle = RoutingHandle::with_draw(Draw::Seeded(1));
    if let Some(health) = health {
        handle.set_health(Arc::new(health));
    }
    publish(&handle, split);
    handle
}

pub(super) fn publish(handle: &RoutingHandle, split: &Split) {
    assert!(handle.publish(Route::compile(split.clone())));
}

/// The fleet of a version of `auth`.
pub(super) fn fleet(handle: &RoutingHandle, version: &str) -> Arc<Fleet> {
    handle.fleets().into_iter().find(|fleet| fleet.version().as_str() == version).unwrap()
}

pub(super) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Applies `event` to the instances of `version` in `positions`.
pub(super) fn event(handle: &RoutingHandle, version: &str, positions: &[usize], event: Event) {
    for i in positions {
        fleet(handle, version).apply(*i, event, now());
    }
}

/// Lets the only or the last checks of these instances fail.
pub(super) fn take_down(handle: &RoutingHandle, version: &str, positions: &[usize]) {
    (0..3).for_each(|_| event(handle, version, positions, Event::CheckFailed));
}

/// Lets the checks of these instances pass.
pub(super) fn bring_up(handle: &RoutingHandle, version: &str, positions: &[usize]) {
    (0..2).for_each(|_| event(handle, version, positions, Event::CheckPassed));
}

/// Calls `see` with the choice for a request.
pub(super) fn choose<T>(handle: &RoutingHandle, see: impl FnOnce(Result<Choice<'_>, NoChoice>) -> T) -> T {
    let entry = handle.find("auth").unwrap();
    let loaded = entry.load();
    let snapshot = loaded.snapshot().unwrap();
    see(snapshot.choose(snapshot.draw()))
}

/// The same for a request that asks for the version at position `version`.
pub(super) fn choose_version<T>(
    handle: &RoutingHandle,
    version: usize,
    reason: Reason,
    see: impl FnOnce(Result<Choice<'_>, NoChoice>) -> T,
) -> T {
    let entry = handle.find("auth").unwrap();
    let loaded = entry.load();
    let snapshot = loaded.snapshot().unwrap();
    see(snapshot.choose(Pick::new(Some(version), reason)))
}

/// Sends `count` requests one after the other. Returns how many each host got.
pub(super) fn send(handle: &RoutingHandle, count: usize) -> std::collections::BTreeMap<String, usize> {
    let mut hosts = std::collections::BTreeMap::new();
    for _ in 0..count {
        let host = choose(handle, |choice| {
            let choice = choice.unwrap();
            drop(choice.enter());
            choice.upstream().authority.host().to_owned()
        });
        *hosts.entry(host).or_default() += 1;
    }
    hosts
}
