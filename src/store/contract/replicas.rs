//! The registry of replicas.

use std::time::Duration;

use super::support::version;
use crate::store::replicas::{Draining, ReplicaRegistry, Report};
use crate::store::routes::RouteStore;

/// Each replica is listed with its last report, by name and then by id, until it is withdrawn. Panics without a
/// [`replica_registry`](RouteStore::replica_registry), like each case of that trait.
///
/// See the [module docs](super) for an example.
pub async fn replicas_show_their_last_report(store: &dyn RouteStore) {
    assert_eq!(listed(store).await, "", "an empty store has no replicas");
    for (id, name, revision) in [("2", "b", 7), ("1", "b", 7), ("3", "a", 8), ("2", "b", 9)] {
        registry_of(store).report(&Report::new(id, name, revision)).await.unwrap();
    }
    assert_eq!(listed(store).await, "3 a 8, 1 b 7, 2 b 9", "the replicas after their reports");
    registry_of(store).withdraw("1").await.unwrap();
    registry_of(store).withdraw("unknown").await.unwrap();
    assert_eq!(listed(store).await, "3 a 8, 2 b 9", "the replicas after one was withdrawn");
}

/// A report replaces the versions that the previous report of the replica drained.
///
/// See the [module docs](super) for an example.
pub async fn draining_lasts_until_next_report(store: &dyn RouteStore) {
    let all = [draining("auth", "v1.0"), draining("auth", "v1.1"), draining("orders", "v1.0")];
    for expected in [&all[..], &all[1..], &[]] {
        let report = Report::new("1", "a", 7).with_draining(expected.to_vec());
        registry_of(store).report(&report).await.unwrap();
        let found = registry_of(store).replicas().await.unwrap().remove(0);
        assert_eq!(found.draining, expected, "the versions that the replica drains");
    }
}

fn draining(service: &str, name: &str) -> Draining {
    Draining::new(service.parse().unwrap(), version(name))
}

fn registry_of(store: &dyn RouteStore) -> &dyn ReplicaRegistry {
    store.replica_registry().unwrap_or_else(|| panic!("the store has no registry of replicas"))
}

/// Returns the replicas, each by id, name and revision.
async fn listed(store: &dyn RouteStore) -> String {
    let replicas = registry_of(store).replicas().await.unwrap();
    let are_recent = replicas.iter().all(|replica| replica.seen < Duration::from_secs(5));
    assert!(are_recent, "replicas that have just reported: {replicas:?}");
    let texts =
        replicas.iter().map(|replica| format!("{} {} {}", replica.id, replica.name, replica.revision));
    texts.collect::<Vec<_>>().join(", ")
}
