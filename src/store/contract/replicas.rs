//! The registry of replicas.

use std::time::Duration;

use super::support::version;
use crate::store::replicas::{Draining, ReplicaFigures, ReplicaRegistry, Report};
use crate::store::routes::RouteStore;

/// Each replica is listed with its last report, by name and then by id, until it is withdrawn. Panics without a
/// [`replica_registry`](RouteStore::replica_registry), like each case of that trait.
///
/// See the [module docs](super) for an example.
pub async fn replicas_show_their_last_report(store: &dyn RouteStore) {
    assert_eq!(replica_list(store).await, "", "an empty store has no replicas");
    for (id, name, revision) in [("2", "b", 7), ("1", "b", 7), ("3", "a", 8), ("2", "b", 9)] {
        registry_of(store).report(&Report::new(id, name, revision)).await.unwrap();
    }
    assert_eq!(replica_list(store).await, "3 a 8, 1 b 7, 2 b 9", "the replicas after their reports");
    registry_of(store).withdraw("1").await.unwrap();
    registry_of(store).withdraw("unknown").await.unwrap();
    assert_eq!(replica_list(store).await, "3 a 8, 2 b 9", "the replicas after one was withdrawn");
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

/// A report replaces the base URLs that the previous report of the replica drained, and they stay apart from whole versions.
///
/// See the [module docs](super) for an example.
pub async fn draining_base_urls_last_until_next_report(store: &dyn RouteStore) {
    let url = |version: &str, url: &str| draining("auth", version).with_url(url.parse().unwrap());
    let all = [
        draining("auth", "v1.0"),
        url("v1.0", "http://10.0.0.1:8080/b/"),
        url("v1.0", "https://10.0.0.2"),
        url("v1.1", "http://[2001:db8::1]:8080"),
        draining("orders", "v1.0"),
    ];
    for expected in [&all[..], &all[1..4], &all[2..], &[]] {
        let report = Report::new("1", "a", 7).with_draining(expected.to_vec());
        registry_of(store).report(&report).await.unwrap();
        let found = registry_of(store).replicas().await.unwrap().remove(0);
        assert_eq!((&*found.draining, found.reports_urls), (expected, true), "what the replica drains");
    }
}

/// A report replaces the base URL of the replica's admin API, also by none.
///
/// See the [module docs](super) for an example.
pub async fn admin_url_lasts_until_next_report(store: &dyn RouteStore) {
    for expected in [None, Some("http://10.0.0.5:8081/admin"), Some("https://gateway-1"), None] {
        let report = Report::new("1", "a", 7).with_admin_url(expected.map(ToOwned::to_owned));
        registry_of(store).report(&report).await.unwrap();
        let found = registry_of(store).replicas().await.unwrap().remove(0);
        assert_eq!(found.admin_url.as_deref(), expected, "the admin API of the replica");
    }
}

/// A report replaces the figures that the previous report of the replica had, also by none.
///
/// See the [module docs](super) for an example.
pub async fn figures_last_until_next_report(store: &dyn RouteStore) {
    let registry = registry_of(store);
    registry.report(&Report::new("0", "b", 7)).await.unwrap();
    assert_eq!(registry.figures().await.unwrap(), [], "replicas that reported no figures");
    let longest = "x".repeat(Report::MAX_FIGURES);
    for text in ["{\"\u{1f426}\": 1}", &longest, "{}"] {
        registry.report(&Report::new("1", "a", 7).with_figures(Some(text.to_owned()))).await.unwrap();
        let expected = [ReplicaFigures::new("1", "a", text)];
        assert_eq!(registry.figures().await.unwrap(), expected, "the figures of the last report");
    }
    registry.report(&Report::new("1", "a", 7)).await.unwrap();
    assert_eq!(registry.figures().await.unwrap(), [], "a report without figures");
}

fn draining(service: &str, name: &str) -> Draining {
    Draining::new(service.parse().unwrap(), version(name))
}

/// Returns the registry of a store that has one.
fn registry_of(store: &dyn RouteStore) -> &dyn ReplicaRegistry {
    store.replica_registry().unwrap_or_else(|| panic!("the store has no registry of replicas"))
}

/// Returns the id, the name and the revision of each replica, and asserts that all of them reported just now.
async fn replica_list(store: &dyn RouteStore) -> String {
    let replicas = registry_of(store).replicas().await.unwrap();
    let are_recent = replicas.iter().all(|replica| replica.seen < Duration::from_secs(5));
    assert!(are_recent, "replicas that have just reported: {replicas:?}");
    let texts =
        replicas.iter().map(|replica| format!("{} {} {}", replica.id, replica.name, replica.revision));
    texts.collect::<Vec<_>>().join(", ")
}
