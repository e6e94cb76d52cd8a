//! Instances that were removed and still have requests.

use super::super::routing_handle::RoutingHandle;
use super::super::snapshot::Pick;
use super::support::*;
use crate::health::Health;
use crate::routing::{Change, Reason, Split};
use crate::traffic::InFlight;

/// A request to the version at position `version`, which is sent to `host`.
fn open(handle: &RoutingHandle, version: usize, host: &str) -> InFlight {
    for _ in 0..1_000 {
        let found = choose_version(handle, version, Reason::Draw, |choice| {
            let choice = choice.unwrap();
            (choice.upstream().authority.host() == host).then(|| choice.enter())
        });
        if let Some(request) = found {
            return request;
        }
    }
    panic!("{host} is never chosen");
}

fn set_urls(split: &Split, hosts: &[&str]) -> Split {
    apply(split, &Change::set_urls("v0".parse().unwrap(), urls(hosts)))
}

/// The requests of the instance at `host` of v0, and whether it is drained.
fn seen(handle: &RoutingHandle, host: &str) -> (usize, bool) {
    let backend = url(host);
    (handle.instance_in_flight("auth", "v0", &backend), handle.is_instance_drained("auth", "v0", &backend))
}

fn draining(handle: &RoutingHandle) -> Vec<String> {
    let draining = handle.draining(|_| false).into_iter();
    draining
        .map(|(_, version, url)| format!("{version} {}", url.map_or(String::new(), |url| url.to_string())))
        .collect()
}

/// An instance that is neither published nor in use.
const UNUSED: (usize, bool) = (0, true);

// Who waits until `is_drained` returns true must not wait forever for a service that was removed meanwhile.
#[test]
fn unknown_versions_are_drained() {
    let handle = handle(None, &unchecked(&[&["a1"]]));
    for (service, version) in [("orders", "v0"), ("auth", "v9")] {
        assert_eq!((handle.in_flight(service, version), handle.is_drained(service, version)), UNUSED);
        let at = (service, version, &url("a1"));
        assert_eq!(
            (handle.instance_in_flight(at.0, at.1, at.2), handle.is_instance_drained(at.0, at.1, at.2)),
            UNUSED
        );
    }
}

#[test]
fn removed_instance_drains() {
    for health in [None, Some(Health::new())] {
        let split = checked(&[&["a1", "a2"]]);
        let handle = handle(health, &split);
        let [first, second] = [open(&handle, 0, "a1"), open(&handle, 0, "a2")];
        assert_eq!((seen(&handle, "a1"), seen(&handle, "a9")), ((1, false), UNUSED));
        let removed = set_urls(&split, &["a2"]);
        publish(&handle, &removed);
        assert_eq!(seen(&handle, "a1"), (1, false));
        assert_eq!(draining(&handle), ["v0 http://a1"]);
        let status = &handle.instances("auth").unwrap()[0].instances;
        assert_eq!(
            status.iter().map(|i| (i.registered, i.in_flight)).collect::<Vec<_>>(),
            [(true, 1), (false, 1)]
        );
        assert_eq!(handle.in_flight("auth", "v0"), 2);
        drop(first);
        assert_eq!((seen(&handle, "a1"), draining(&handle).len()), (UNUSED, 0));
        assert_eq!(handle.instances("auth").unwrap()[0].instances.len(), 1);
        assert_eq!(seen(&handle, "a2"), (1, false));
        drop(second);
    }
}

// The first requests were sent while nothing was to be chosen.
#[test]
fn instance_that_was_alone_drains() {
    let split = unchecked(&[&["a1"]]);
    let handle = handle(None, &split);
    let alone = open(&handle, 0, "a1");
    let both = set_urls(&split, &["a1", "a2"]);
    publish(&handle, &both);
    let beside = open(&handle, 0, "a1");
    assert_eq!(seen(&handle, "a1"), (2, false));
    let last = set_urls(&both, &["a2"]);
    publish(&handle, &last);
    assert_eq!(seen(&handle, "a1"), (2, false));
    drop(beside);
    assert_eq!((seen(&handle, "a1"), draining(&handle)), ((1, false), vec!["v0 http://a1".to_owned()]));
    publish(&handle, &set_weight(&last, "v0", "100"));
    drop(alone);
    assert_eq!((seen(&handle, "a1"), draining(&handle).len()), (UNUSED, 0));
    assert_eq!(
        handle.picks("auth", "v0", Reason::Draw),
        handle.traffic("auth").map(|t| t.versions[0].total.requests())
    );
}

#[test]
fn moved_instance_drains() {
    let split = unchecked(&[&["a1"]]);
    let handle = handle(None, &split);
    let before = open(&handle, 0, "a1");
    publish(&handle, &set_urls(&split, &["a2"]));
    assert_eq!((seen(&handle, "a1"), seen(&handle, "a2")), ((1, false), (0, false)));
    drop(before);
    assert_eq!(seen(&handle, "a1"), UNUSED);
}

// It read the route before the instance was removed, and has not chosen yet.
#[test]
fn late_reader_counts_at_the_removed_instance() {
    for start in [&["a1"][..], &["a1", "a2"]] {
        let split = unchecked(&[start]);
        let handle = handle(None, &split);
        let entry = handle.find("auth").unwrap();
        let reader = entry.load();
        publish(&handle, &set_urls(&split, &["a2"]));
        assert_eq!(seen(&handle, "a1"), (1, false));
        assert_eq!(draining(&handle), ["v0 http://a1"]);
        let snapshot = reader.snapshot().unwrap();
        let mut requests = Vec::new();
        while requests.last() != Some(&"a1".to_owned()) {
            let choice = snapshot.choose(Pick::new(Some(0), Reason::Draw)).unwrap();
            requests.push(choice.upstream().authority.host().to_owned());
            drop(choice.enter());
        }
        let held = snapshot.choose(Pick::new(Some(0), Reason::Draw)).unwrap().enter();
        drop(reader);
        let a1 = seen(&handle, "a1").0;
        let a2 = seen(&handle, "a2").0;
        assert_eq!(a1 + a2, 1, "{a1} {a2}");
        drop(held);
        assert_eq!((seen(&handle, "a1"), draining(&handle).len()), (UNUSED, 0));
    }
}

#[test]
fn removed_version_drains_by_instance() {
    let split = unchecked(&[&["a1", "a2"], &["b1"]]);
    let handle = handle(None, &split);
    let request = open(&handle, 0, "a2");
    let switched = apply(&split, &Change::switch("v1".parse().unwrap()));
    let inactive = apply(&switched, &Change::deactivate("v0".parse().unwrap()));
    publish(&handle, &inactive);
    assert_eq!((seen(&handle, "a1"), seen(&handle, "a2")), ((0, true), (1, false)));
    publish(&handle, &apply(&inactive, &Change::remove("v0".parse().unwrap())));
    assert_eq!((seen(&handle, "a1"), seen(&handle, "a2")), (UNUSED, (1, false)));
    assert_eq!(draining(&handle), ["v0 ", "v0 http://a2"]);
    drop(request);
    assert_eq!((seen(&handle, "a2"), draining(&handle).len()), (UNUSED, 0));
}

// Its route may be older than the store, so each of its instances may be one that was removed there.
#[test]
fn outdated_route_reports_its_instances() {
    let split = set_weight(&unchecked(&[&["a1", "a2"], &["b1"], &["c1"]]), "v1", "10");
    let handle = handle(None, &split);
    let draining = handle.draining(|_| true);
    let draining: Vec<String> = draining
        .into_iter()
        .map(|(_, version, url)| format!("{version} {}", url.map_or(String::new(), |url| url.to_string())))
        .collect();
    assert_eq!(draining, ["v0 ", "v0 http://a1", "v0 http://a2", "v1 ", "v1 http://b1"]);
}
