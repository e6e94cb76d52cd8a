//! What changes the health of instances, and what does not.

use std::time::Duration;

use futures_util::FutureExt;
use proptest::prelude::*;

use super::super::routing_handle::RoutingHandle;
use super::support::*;
use crate::health::{Event, Health, InstanceState, LastCheck, Transition};
use crate::routing::{Change, Reason};
use crate::traffic::Outcome;

/// Sends requests until the instance at `host` has had `count`, which end with `outcome`. The others succeed.
fn end(handle: &RoutingHandle, host: &str, count: usize, outcome: Outcome) {
    let mut ended = 0;
    for _ in 0..10_000 {
        if ended == count {
            return;
        }
        choose(handle, |choice| {
            let choice = choice.unwrap();
            let is_there = choice.upstream().authority.host() == host;
            ended += usize::from(is_there);
            choice.enter().set_outcome(if is_there { outcome } else { Outcome::Success });
        });
    }
    panic!("{host} got {ended} requests");
}

/// Judges the instances whose row is full. Returns what changed.
fn judge(handle: &RoutingHandle) -> Vec<Transition> {
    let mut transitions = Vec::new();
    while let Some((fleet, i)) = handle.next_row().now_or_never() {
        transitions.extend(fleet.apply(i, Event::RowFull, now()));
    }
    transitions
}

fn states(handle: &RoutingHandle, version: &str) -> Vec<&'static str> {
    fleet(handle, version).states().iter().map(|state| state.as_str()).collect()
}

#[test]
fn five_failures_in_a_row_eject() {
    let handle = handle(Some(Health::new()), &unchecked(&[&["a1", "a2"]]));
    end(&handle, "a1", 4, Outcome::Error);
    end(&handle, "a1", 1, Outcome::Success);
    end(&handle, "a1", 4, Outcome::Error);
    assert_eq!(judge(&handle), []);
    end(&handle, "a1", 1, Outcome::Error);
    assert!(matches!(judge(&handle)[..], [Transition::Ejected { .. }]));
    assert_eq!(states(&handle, "v0"), ["ejected", "up"]);
    assert_eq!(send(&handle, 100), [("a2".to_owned(), 100)].into());
    assert_eq!(fleet(&handle, "v0").last_failure(0).as_deref(), Some("no response"));
    let status = &handle.instances("auth").unwrap()[0];
    assert_eq!((status.usable, status.none_usable), (1, false));
    let ejected = &status.instances[0];
    assert_eq!((ejected.failures, ejected.ejections, ejected.state), (9, 1, InstanceState::Ejected));
    assert!(ejected.until.is_some_and(|until| until > ejected.since + Duration::from_secs(25)));
}

// The other one is the last one that remains.
#[test]
fn last_instance_is_spared() {
    for hosts in [&["a1", "a2"][..], &["a1", "a2", "a3"]] {
        let handle = handle(Some(Health::new()), &unchecked(&[hosts]));
        end(&handle, "a1", 5, Outcome::Error);
        assert_eq!(judge(&handle).len(), 1);
        end(&handle, "a2", 5, Outcome::Error);
        assert_eq!(judge(&handle), [Transition::Spared]);
        // It is judged again, and reported once.
        end(&handle, "a2", 20, Outcome::Error);
        assert_eq!(judge(&handle), []);
        assert_eq!(states(&handle, "v0")[..2], ["ejected", "up"]);
    }
}

#[test]
fn sole_instance_is_never_ejected() {
    let handle = handle(Some(Health::new()), &checked(&[&["a1"]]));
    bring_up(&handle, "v0", &[0]);
    end(&handle, "a1", 50, Outcome::Error);
    assert_eq!(judge(&handle), [Transition::Spared]);
    assert_eq!(states(&handle, "v0"), ["up"]);
}

#[tokio::test(start_paused = true)]
async fn trial_ends_with_one_request() {
    for (outcome, state) in [(Outcome::Success, "up"), (Outcome::Error, "ejected")] {
        let handle = handle(Some(Health::new()), &unchecked(&[&["a1", "a2"]]));
        end(&handle, "a1", 5, Outcome::Error);
        judge(&handle);
        tokio::time::advance(Duration::from_secs(40)).await;
        assert!(fleet(&handle, "v0").needs_tick());
        assert_eq!(fleet(&handle, "v0").tick(now()), [(0, Transition::Up { trial: true })]);
        assert!(handle.instances("auth").unwrap()[0].instances[0].trial);
        end(&handle, "a1", 1, outcome);
        judge(&handle);
        fleet(&handle, "v0").tick(now());
        assert_eq!(states(&handle, "v0")[0], state);
        assert!(!handle.instances("auth").unwrap()[0].instances[0].trial);
    }
}

#[test]
fn health_survives_re_weights() {
    let mut split = checked(&[&["a1", "a2", "a3"], &["b1"]]);
    let handle = handle(Some(Health::new()), &split);
    bring_up(&handle, "v0", &[0, 1]);
    take_down(&handle, "v0", &[2]);
    end(&handle, "a1", 2, Outcome::Error);
    let before = fleet(&handle, "v0");
    for weight in ["10", "0", "55.5"] {
        split = set_weight(&split, "v1", weight);
        publish(&handle, &split);
    }
    assert!(std::sync::Arc::ptr_eq(&before, &fleet(&handle, "v0")));
    assert_eq!(states(&handle, "v0"), ["up", "up", "down"]);
    end(&handle, "a1", 3, Outcome::Error);
    assert_eq!(judge(&handle), [Transition::Spared], "one of three is out already");
}

#[test]
fn health_survives_other_urls() {
    let split = checked(&[&["a1", "a2", "a3"]]);
    let handle = handle(Some(Health::new()), &split);
    bring_up(&handle, "v0", &[0, 1]);
    take_down(&handle, "v0", &[2]);
    end(&handle, "a2", 3, Outcome::Error);
    let changed = apply(&split, &Change::set_urls("v0".parse().unwrap(), urls(&["a4", "a3", "a2", "a5"])));
    let before = fleet(&handle, "v0");
    publish(&handle, &changed);
    assert_eq!(states(&handle, "v0"), ["new", "down", "up", "new"]);
    // Those that join wait for a check, since another one is up. The row goes on.
    assert_eq!(send(&handle, 100), [("a2".to_owned(), 100)].into());
    end(&handle, "a2", 3, Outcome::Error);

    // What a check of the old route saw reaches the instance in its new place, or nothing.
    assert_eq!(before.apply(2, Event::CheckPassed, now()), None);
    assert_eq!(before.apply(2, Event::CheckPassed, now()), Some(Transition::Up { trial: false }));
    assert_eq!(before.apply(0, Event::CheckFailed, now()), None);
    before.record_check(2, LastCheck::passed(204, Duration::from_millis(3)));
    assert_eq!(states(&handle, "v0"), ["new", "up", "up", "new"]);
    let check = handle.instances("auth").unwrap()[0].instances[1].last_check.clone().unwrap();
    assert_eq!((check.status, check.passed), (Some(204), true));
}

#[test]
fn added_instance_finds_the_old_one_up() {
    let split = checked(&[&["a1"]]);
    for (health_path, expected) in [(true, ["up", "new"]), (false, ["up", "up"])] {
        let split = if health_path { split.clone() } else { unchecked(&[&["a1"]]) };
        let handle = handle(Some(Health::new()), &split);
        if health_path {
            bring_up(&handle, "v0", &[0]);
        }
        send(&handle, 10);
        let added = apply(&split, &Change::add_urls("v0".parse().unwrap(), urls(&["a2"])));
        publish(&handle, &added);
        assert_eq!(states(&handle, "v0"), expected);
    }
}

// It got requests without a check, so it stays in service while the first checks are made.
#[test]
fn health_path_finds_instances_up() {
    let split = unchecked(&[&["a1"]]);
    let handle = handle(Some(Health::new()), &split);
    send(&handle, 10);
    publish(&handle, &apply(&split, &Change::set_health_path("/healthz".parse().ok())));
    assert_eq!(states(&handle, "v0"), ["up"]);
    assert_eq!(handle.instances("auth").unwrap()[0].instances[0].picks, 10);
}

#[test]
fn health_survives_a_withdrawn_route() {
    let split = checked(&[&["a1", "a2"]]);
    let handle = handle(Some(Health::new()), &split);
    bring_up(&handle, "v0", &[0]);
    take_down(&handle, "v0", &[1]);
    send(&handle, 10);
    handle.replace(&crate::routing::RoutingTable::default());
    assert!(handle.fleets().is_empty());
    publish(&handle, &split);
    assert_eq!(states(&handle, "v0"), ["up", "down"]);
}

#[test]
fn version_registered_again_is_new() {
    let split = checked(&[&["a1", "a2"], &["b1"]]);
    let handle = handle(Some(Health::new()), &split);
    take_down(&handle, "v1", &[0]);
    let remove = |split: &_| {
        let inactive = apply(split, &Change::deactivate("v1".parse().unwrap()));
        apply(&inactive, &Change::remove("v1".parse().unwrap()))
    };
    let again = apply(&remove(&split), &Change::register("v1".parse().unwrap(), url("b1")));
    publish(&handle, &again);
    assert_eq!(states(&handle, "v1"), ["new"]);
}

// Nothing judges the instances: all are up, and no row is ever full.
#[test]
fn without_health_failures_only_count() {
    let handle = handle(None, &unchecked(&[&["a1", "a2"]]));
    end(&handle, "a1", 20, Outcome::Error);
    assert!(handle.next_row().now_or_never().is_none());
    let status = &handle.instances("auth").unwrap()[0];
    assert_eq!((status.instances[0].failures, status.usable), (20, 2));
    assert_eq!(status.instances[0].state, InstanceState::Up);
    // It is passed over, but for one request in eight.
    let hosts = send(&handle, 1_600);
    assert!((80..120).contains(&hosts["a1"]), "{hosts:?}");
}

#[test]
fn status_of_an_idle_service_has_no_requests() {
    let handle = handle(Some(Health::new()), &checked(&[&["a1", "a2"], &["b1"]]));
    let versions = handle.instances("auth").unwrap();
    assert_eq!(versions.iter().map(|version| version.instances.len()).collect::<Vec<_>>(), [2, 1]);
    for instance in versions.iter().flat_map(|version| &version.instances) {
        assert_eq!((instance.state, instance.picks, instance.in_flight), (InstanceState::New, 0, 0));
        assert!(instance.registered && instance.last_check.is_none());
    }
    // All are tried while nothing is known.
    assert_eq!(
        versions.iter().map(|version| (version.usable, version.none_usable)).collect::<Vec<_>>(),
        [(2, false), (1, false)]
    );
    assert_eq!(fleet(&handle, "v0").picks(), 0);
    choose_version(&handle, 0, Reason::Draw, |choice| drop(choice.unwrap().enter()));
    assert_eq!(fleet(&handle, "v0").picks(), 1);
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::CheckPassed),
        Just(Event::CheckFailed),
        Just(Event::RowFull),
        Just(Event::RowCleared),
        Just(Event::Unchecked),
        Just(Event::Cleared),
        Just(Event::Time),
    ]
}

proptest! {
    #[test]
    fn a_request_finds_an_instance_after_any_events(
        count in 1..6_usize, is_checked: bool, is_failover: bool,
        events in prop::collection::vec((0..6_usize, any_event(), 0..100_u64), 0..60),
    ) {
        let hosts = ["a1", "a2", "a3", "a4", "a5"];
        let split = if is_checked { checked(&[&hosts[..count]]) } else { unchecked(&[&hosts[..count]]) };
        let health = if is_failover { Health::new().failover() } else { Health::new() };
        let handle = handle(Some(health), &split);
        let mut at = now();
        for (i, event, seconds) in events {
            at += Duration::from_secs(seconds);
            for fleet in handle.fleets() {
                fleet.apply(i, event, at);
                fleet.tick(at);
                let states = fleet.states();
                let up = states.iter().filter(|state| state.is_up()).count();
                let ejected = states.iter().filter(|state| **state == InstanceState::Ejected).count();
                prop_assert!(ejected <= count / 2, "{states:?}");
                let usable = fleet.words().usable();
                prop_assert_eq!(usable == 0, is_failover && fleet.is_none_usable());
                prop_assert!(up == 0 || usable.count_ones() as usize == up);
                let status = &handle.instances("auth").unwrap()[0];
                prop_assert_eq!(status.none_usable, status.usable == 0);
            }
            choose(&handle, |choice| {
                let choice = choice.unwrap();
                let state = handle.instances("auth").unwrap()[0].instances[choice.instance].state;
                let any_up = handle.fleets().iter().any(|fleet| fleet.states().iter().any(|state| state.is_up()));
                assert!(!any_up || state.is_up());
            });
        }
    }
}
