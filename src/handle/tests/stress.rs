//! Threads of requests beside changes of weights, base URLs and health.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use futures_util::FutureExt;

use super::super::routing_handle::RoutingHandle;
use super::support::*;
use crate::common::lock::lock;
use crate::health::{Event, Health};
use crate::routing::{Change, RoutingTable, Split};
use crate::traffic::{InFlight, Outcome};

// Miri runs some thousand times slower.
const PUBLICATIONS: usize = if cfg!(miri) { 20 } else { 3_000 };

/// What requests did, as their threads know it.
#[derive(Default)]
struct Sent {
    succeeded: AtomicU64,
    failed: AtomicU64,
    /// Requests that end on whichever thread finds them.
    passed: Mutex<Vec<InFlight>>,
}

/// Sends up to `count` requests until `done`. Some are held for a while or passed to another thread, and some fail, but none
/// at the instance `a1`.
fn send_until(handle: &RoutingHandle, done: &AtomicBool, sent: &Sent, count: u64) {
    let mut held = Vec::new();
    for n in 0..count {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let entry = handle.find("auth").unwrap();
        let loaded = entry.load();
        let Some(snapshot) = loaded.snapshot() else { continue };
        let choice = snapshot.choose(snapshot.draw()).unwrap();
        let fails = n % 7 == 0 && choice.upstream().authority.host() != "a1";
        let mut request = choice.enter();
        request.set_outcome(if fails { Outcome::Error } else { Outcome::Success });
        if fails { &sent.failed } else { &sent.succeeded }.fetch_add(1, Ordering::Relaxed);
        match n % 5 {
            0 => held.push(request),
            1 => pass_on(request, sent),
            _ => {}
        }
        if held.len() > 20 {
            held.drain(..10);
        }
    }
}

fn pass_on(request: InFlight, sent: &Sent) {
    let mut passed = lock(&sent.passed);
    passed.push(request);
    if passed.len() > 20 {
        passed.drain(..10);
    }
}

/// Starts threads that send a few requests each, until `done`: each takes a shard of an earlier one, if one is free.
fn start_threads_until(handle: &RoutingHandle, done: &AtomicBool, sent: &Sent) {
    while !done.load(Ordering::Relaxed) {
        thread::scope(|scope| _ = scope.spawn(|| send_until(handle, done, sent, 50)));
    }
}

/// Lets checks pass and fail, and judges full rows, until `done`. The instance `a1` passes always.
fn judge_until(handle: &RoutingHandle, done: &AtomicBool) {
    for n in 0.. {
        if done.load(Ordering::Relaxed) {
            break;
        }
        for fleet in handle.fleets() {
            let i = n % fleet.instances().len().get();
            let is_first = fleet.instances().iter().nth(i) == Some(&url("a1"));
            let passes = is_first || n % 3 != 0;
            fleet.apply(i, if passes { Event::CheckPassed } else { Event::CheckFailed }, now());
            fleet.tick(now());
        }
        if let Some((fleet, i)) = handle.next_row().now_or_never() {
            fleet.apply(i, Event::RowFull, now());
        }
    }
}

/// The change number `n`: the canary's weight, or the base URLs of a version.
fn change(n: usize) -> Change {
    let version = || "v0".parse().unwrap();
    match n % 6 {
        0 => Change::add_urls(version(), urls(&["a4"])),
        1 => Change::set_weight("v1".parse().unwrap(), (n % 90).to_string().parse().unwrap()),
        2 => Change::remove_urls(version(), urls(&["a2"])),
        3 => Change::set_urls("v1".parse().unwrap(), urls(if n % 4 == 1 { &["b1"] } else { &["b2", "b1"] })),
        4 => Change::set_urls(version(), urls(&["a3", "a1", "a2"])),
        _ => Change::set_health_path(if n % 12 == 5 { "/healthz".parse().ok() } else { None }),
    }
}

fn in_flight(handle: &RoutingHandle, split: &Split) -> usize {
    let versions = split.versions().iter();
    versions.map(|version| handle.in_flight("auth", version.name.as_str())).sum()
}

/// Publishes one change after the other, and returns the last split. The table is empty for a moment now and then.
fn publish_changes(handle: &RoutingHandle, mut split: Split) -> Split {
    for n in 0..PUBLICATIONS {
        split = apply(&split, &change(n));
        publish(handle, &split);
        if n % 50 == 0 {
            handle.replace(&RoutingTable::default());
            publish(handle, &split);
        }
        if n % 10 == 0 {
            handle.sample_traffic();
            assert!(in_flight(handle, &split) <= 1_000);
        }
    }
    split
}

#[test]
fn each_request_is_counted_once() {
    let split = set_weight(&checked(&[&["a1", "a2", "a3"], &["b1"]]), "v1", "10");
    let handle = handle(Some(Health::new()), &split);
    bring_up(&handle, "v0", &[0]);
    let since = handle.instances("auth").unwrap()[0].instances[0].state;
    let done = AtomicBool::new(false);
    let sent = Sent::default();
    let split = thread::scope(|scope| {
        scope.spawn(|| send_until(&handle, &done, &sent, u64::MAX));
        scope.spawn(|| send_until(&handle, &done, &sent, u64::MAX));
        scope.spawn(|| start_threads_until(&handle, &done, &sent));
        scope.spawn(|| judge_until(&handle, &done));
        let last = publish_changes(&handle, split);
        done.store(true, Ordering::Relaxed);
        last
    });

    lock(&sent.passed).clear();
    let traffic = handle.traffic("auth").unwrap();
    let count = |outcome| traffic.versions.iter().map(|version| version.total.outcome(outcome)).sum::<u64>();
    assert_eq!(count(Outcome::Success), sent.succeeded.load(Ordering::Relaxed));
    assert_eq!(count(Outcome::Error), sent.failed.load(Ordering::Relaxed));
    let requests: u64 = traffic.versions.iter().map(|version| version.total.requests()).sum();
    assert_eq!(requests, sent.succeeded.into_inner() + sent.failed.into_inner());
    assert_eq!((in_flight(&handle, &split), handle.draining(|_| false).len()), (0, 0));
    // After one more publication no removed instance remains.
    publish(&handle, &set_weight(&split, "v1", "50"));
    for version in handle.instances("auth").unwrap() {
        assert!(version.instances.iter().all(|instance| instance.registered && instance.in_flight == 0));
    }
    // The one whose checks and requests never failed was in service all the time.
    let first =
        handle.instances("auth").unwrap()[0].instances.iter().find(|i| i.backend == url("a1")).cloned();
    assert_eq!(first.map(|first| first.state), Some(since));
}
