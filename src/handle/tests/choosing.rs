//! Which instance and which version a request gets while instances are out of service.

use std::time::Duration;

use super::super::snapshot::NoChoice;
use super::support::*;
use crate::health::{Event, Health};
use crate::routing::{Change, Reason};

const STABLE: [&str; 3] = ["a1", "a2", "a3"];
const CANARY: [&str; 3] = ["b1", "b2", "b3"];

/// 90 % for v0 and 10 % for v1, of three instances each, all up.
fn canary(health: Health) -> super::super::routing_handle::RoutingHandle {
    let handle = handle(Some(health), &set_weight(&checked(&[&STABLE, &CANARY]), "v1", "10"));
    bring_up(&handle, "v0", &[0, 1, 2]);
    bring_up(&handle, "v1", &[0, 1, 2]);
    handle
}

fn sum(hosts: &std::collections::BTreeMap<String, usize>, of: &[&str]) -> usize {
    of.iter().filter_map(|host| hosts.get(*host)).sum()
}

fn diverted(handle: &super::super::routing_handle::RoutingHandle, version: usize) -> u64 {
    handle.traffic("auth").unwrap().versions[version].total.diverted()
}

// HEALTH: the share is exact to 2 of 100,000, whatever is down.
#[test]
fn share_is_exact_whatever_is_down() {
    for (stable, canaries) in
        [(&[][..], &[0][..]), (&[1, 2], &[]), (&[0], &[1, 2]), (&[], &[0, 1, 2]), (&[0, 1, 2], &[0, 1, 2])]
    {
        let handle = canary(Health::new());
        take_down(&handle, "v0", stable);
        take_down(&handle, "v1", canaries);
        let hosts = send(&handle, 100_000);
        assert!(sum(&hosts, &CANARY).abs_diff(10_000) <= 2, "{hosts:?}");
        assert_eq!(diverted(&handle, 1), 0);
        for (names, down) in [(STABLE, stable), (CANARY, canaries)] {
            let is_used = |i: usize| hosts.contains_key(names[i]);
            // With none usable, all are tried.
            assert!((0..3).all(|i| is_used(i) == (down.len() == 3 || !down.contains(&i))), "{hosts:?}");
        }
    }
}

#[test]
fn failover_diverts_the_share() {
    let handle = canary(Health::new().failover());
    take_down(&handle, "v1", &[0, 1, 2]);
    let hosts = send(&handle, 100_000);
    assert_eq!(sum(&hosts, &STABLE), 100_000);
    assert!(diverted(&handle, 1).abs_diff(10_000) <= 2);
    assert_eq!(diverted(&handle, 0), 0);
    assert_eq!(handle.picks("auth", "v0", Reason::Failover), Some(diverted(&handle, 1)));
    assert_eq!(handle.instances("auth").unwrap()[1].diverted, diverted(&handle, 1));
    // Back again, nothing is diverted any more.
    bring_up(&handle, "v1", &[1]);
    let before = diverted(&handle, 1);
    assert!(send(&handle, 10_000)["b2"].abs_diff(1_000) <= 2);
    assert_eq!(diverted(&handle, 1), before);
}

#[test]
fn override_is_never_diverted() {
    let handle = canary(Health::new().failover());
    take_down(&handle, "v1", &[0, 1, 2]);
    let version = choose_version(&handle, 1, Reason::Override, |choice| choice.unwrap().version);
    assert_eq!((version, diverted(&handle, 1)), (1, 0));
    for reason in [Reason::Pin, Reason::Key] {
        assert_eq!(choose_version(&handle, 1, reason, |choice| choice.unwrap().version), 0);
    }
    assert_eq!(diverted(&handle, 1), 2);
}

#[test]
fn zero_weight_version_takes_no_diverted_requests() {
    let split = checked(&[&STABLE, &CANARY]);
    let handle = handle(Some(Health::new().failover()), &split);
    bring_up(&handle, "v1", &[0, 1, 2]);
    take_down(&handle, "v0", &[0, 1, 2]);
    let hosts = send(&handle, 300);
    assert_eq!((sum(&hosts, &STABLE), diverted(&handle, 0)), (300, 0));
}

// No other version has a usable instance either.
#[test]
fn without_another_version_all_are_tried() {
    let handle = canary(Health::new().failover());
    take_down(&handle, "v0", &[0, 1, 2]);
    take_down(&handle, "v1", &[0, 1, 2]);
    let hosts = send(&handle, 10_000);
    assert!(sum(&hosts, &CANARY).abs_diff(1_000) <= 2, "{hosts:?}");
    assert_eq!((hosts.len(), diverted(&handle, 0) + diverted(&handle, 1)), (6, 0));
}

#[test]
fn diverted_requests_follow_the_weights() {
    let weights = [("v0", "50"), ("v1", "20"), ("v2", "30")];
    let weights = weights.map(|(version, weight)| (version.parse().unwrap(), weight.parse().unwrap()));
    let split = checked(&[&["a1", "a2"], &["b1"], &["c1"]]);
    let split = apply(&split, &Change::SetWeights(weights.into()));
    let handle = handle(Some(Health::new().failover()), &split);
    take_down(&handle, "v0", &[0, 1]);
    let hosts = send(&handle, 10_000);
    assert!(hosts["b1"].abs_diff(4_000) <= 5 && hosts["c1"].abs_diff(6_000) <= 5, "{hosts:?}");
}

// A version that is down as well takes none.
#[test]
fn diverted_requests_find_a_usable_version() {
    let split = set_weight(&set_weight(&checked(&[&["a1"], &["b1"], &["c1"]]), "v1", "40"), "v2", "10");
    let handle = handle(Some(Health::new().failover()), &split);
    take_down(&handle, "v0", &[0]);
    take_down(&handle, "v1", &[0]);
    assert_eq!(send(&handle, 1_000), [("c1".to_owned(), 1_000)].into());
    assert!((diverted(&handle, 0) + diverted(&handle, 1)).abs_diff(900) <= 2);
}

#[test]
fn refusing_gives_no_choice() {
    let handle = canary(Health::new().refusing());
    take_down(&handle, "v0", &[0, 1, 2]);
    let refused = choose_version(&handle, 0, Reason::Draw, |choice| choice.err());
    assert_eq!(refused, Some(NoChoice::NoInstance));
    let refused = choose_version(&handle, 0, Reason::Override, |choice| choice.err());
    assert_eq!(refused, Some(NoChoice::NoInstance));
    assert_eq!(handle.traffic("auth").unwrap().unserved, 2);
    assert_eq!(choose_version(&handle, 1, Reason::Draw, |choice| choice.unwrap().version), 1);
    assert!(handle.choose("auth", None).is_err());
}

#[test]
fn failover_precedes_refusal() {
    let handle = canary(Health::new().failover().refusing());
    take_down(&handle, "v1", &[0, 1, 2]);
    assert_eq!(choose_version(&handle, 1, Reason::Draw, |choice| choice.unwrap().version), 0);
    take_down(&handle, "v0", &[0, 1, 2]);
    assert_eq!(choose_version(&handle, 1, Reason::Draw, |choice| choice.err()), Some(NoChoice::NoInstance));
}

#[test]
fn instances_are_used_in_turn() {
    for count in [2, 3, 8, 64] {
        let hosts: Vec<String> = (0..count).map(|i| format!("h{i}")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let used = send(&handle(None, &unchecked(&[&hosts])), 6_400);
        let even = 6_400 / count;
        assert!(used.len() == count && used.values().all(|n| n.abs_diff(even) <= 3), "{used:?}");
    }
}

// The request is one of this thread, so it knows of it.
#[test]
fn busy_instance_gets_fewer() {
    let handle = handle(None, &unchecked(&[&["a1", "a2"]]));
    let open = choose(&handle, |choice| choice.unwrap().enter());
    let used = send(&handle, 100);
    assert_eq!(used.into_values().collect::<Vec<_>>(), [100]);
    drop(open);
    assert_eq!(send(&handle, 100).len(), 2);
}

#[test]
fn slow_start_begins_with_a_tenth() {
    let handle = canary(Health::new().with_slow_start(Duration::from_secs(3_600)));
    take_down(&handle, "v0", &[0]);
    bring_up(&handle, "v0", &[0]);
    let hosts = send(&handle, 90_000);
    // A tenth of the even share of 27,000, while the others have the rest.
    assert!(hosts["a1"].abs_diff(2_700) < 200, "{hosts:?}");
    assert!(hosts["a2"].abs_diff(hosts["a3"]) < 600, "{hosts:?}");
}

#[test]
fn version_without_choice_has_no_fleet() {
    let split = unchecked(&[&["a1"]]);
    assert!(handle(None, &split).fleets().is_empty());
    assert!(handle(Some(Health::new()), &split).fleets().is_empty());
    assert!(handle(None, &checked(&[&["a1"]])).fleets().is_empty());
    assert_eq!(handle(Some(Health::new()), &checked(&[&["a1"]])).fleets().len(), 1);
    assert_eq!(handle(None, &unchecked(&[&["a1", "a2"]])).fleets().len(), 1);
}

// Nothing is known when the process starts.
#[test]
fn new_instances_are_tried() {
    let handle = handle(Some(Health::new()), &checked(&[&STABLE]));
    assert_eq!(send(&handle, 300).len(), 3);
    event(&handle, "v0", &[2], Event::CheckPassed);
    assert_eq!(send(&handle, 300), [("a3".to_owned(), 300)].into());
}
