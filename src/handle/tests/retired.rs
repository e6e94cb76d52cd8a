//! Requests that read a route when it retires.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use super::super::entry::ServiceEntry;
use super::super::fleet_settings::FleetSettings;
use super::super::snapshot::Pick;
use crate::routing::{Change, Draw, Reason, Route, Split};

/// One version at 100 and one at 0.
fn two_versions() -> Split {
    let at = SystemTime::UNIX_EPOCH;
    let register = |name: &str| Change::register(name.parse().unwrap(), "http://h".parse().unwrap());
    let split = Split::new("auth".parse().unwrap(), 7).apply(&register("v0"), at).unwrap();
    split.apply(&register("v1"), at).unwrap()
}

/// The versions that drain. Their instances are listed beside them.
fn draining_versions(entry: &ServiceEntry) -> usize {
    entry.draining(false, false).iter().filter(|(_, url)| url.is_none()).count()
}

#[test]
fn only_readers_hold_a_retired_route() {
    let split = two_versions();
    let entry = ServiceEntry::new(Draw::Exact, split.service());
    let settings = FleetSettings::default();
    let publish = || entry.publish(&Arc::new(Route::compile(split.clone())), &settings);
    publish();
    for _ in 0..3 {
        let readers = [entry.live.load(), entry.live.load()];
        entry.withdraw();
        assert_eq!(entry.retired().references(), [2]);
        publish();
        let later = entry.live.load();
        publish();
        assert_eq!(entry.retired().references(), [2, 1]);
        drop((readers, later));
        assert_eq!(entry.retired().references(), [0; 0]);
        entry.withdraw();
        assert_eq!(entry.retired().references(), [0; 0]);
        publish();
    }
}

#[test]
fn withdrawn_service_that_returns_forgets_drained_versions() {
    let entry = ServiceEntry::new(Draw::Exact, two_versions().service());
    let at = SystemTime::UNIX_EPOCH;
    for salt in 0..100 {
        let register = Change::register("v0".parse().unwrap(), "http://h".parse().unwrap());
        let split = Split::new("auth".parse().unwrap(), salt).apply(&register, at).unwrap();
        entry.publish(&Arc::new(Route::compile(split)), &FleetSettings::default());
        let first = Pick::new(Some(0), Reason::Draw);
        drop(entry.load().snapshot().unwrap().choose(first).unwrap().enter());
        entry.withdraw();
    }
    // The last ones, and the version of the route that was withdrawn last.
    assert!(entry.retired().versions().len() <= 9, "{} versions", entry.retired().versions().len());
}

#[test]
fn draining_sees_a_request_while_its_service_returns() {
    let split = two_versions();
    let entry = ServiceEntry::new(Draw::Exact, split.service());
    let route = Arc::new(Route::compile(split));
    let settings = FleetSettings::default();
    entry.publish(&route, &settings);
    let zero = Pick::new(Some(1), Reason::Draw);
    let in_flight = entry.load().snapshot().unwrap().choose(zero).unwrap().enter();
    let done = AtomicBool::new(false);
    // Miri runs some thousand times slower.
    let rounds = if cfg!(miri) { 30 } else { 100_000 };
    let observe = || {
        while !done.load(Ordering::Relaxed) {
            assert_eq!(draining_versions(&entry), 1);
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds {
                entry.withdraw();
                entry.publish(&route, &settings);
            }
            done.store(true, Ordering::Relaxed);
        });
        scope.spawn(observe);
        scope.spawn(observe);
        observe();
    });
    drop(in_flight);
}

#[test]
fn a_late_reader_counts_at_the_retired_version() {
    let split = two_versions();
    let entry = ServiceEntry::new(Draw::Exact, split.service());
    entry.publish(&Arc::new(Route::compile(split)), &FleetSettings::default());
    let reader = entry.load();
    entry.withdraw();
    assert_eq!((entry.in_flight("v0"), entry.in_flight("v1")), (1, 1));
    let first = Pick::new(Some(0), Reason::Draw);
    let in_flight = reader.snapshot().unwrap().choose(first).unwrap().enter();
    drop(reader);
    assert_eq!((entry.in_flight("v0"), entry.in_flight("v1")), (1, 0));
    assert_eq!(draining_versions(&entry), 1);
    drop(in_flight);
    assert_eq!(entry.in_flight("v0"), 0);
}
