//! Removed services at the gateways that share a store, and the revisions that these serve.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::task::JoinHandle;
use tower_canary::deployments::{DeployError, Unhealthy};
use tower_canary::routing::{Backend, Change};
use tower_canary::store::{Applied, ChangeRequest, ReplicaRegistry, Report, RouteStore, StoreError};
use tower_canary::{Deployments, Draw, NoVersionCheck, ServiceName};

use crate::faulty_store::FaultyStore;
use crate::scripted_check::ScriptedCheck;
use crate::support::*;

fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

async fn gateway(store: &Arc<FaultyStore>) -> Deployments {
    Deployments::start(Arc::clone(store), NoVersionCheck).await.unwrap()
}

async fn apply(deployments: &Deployments, change: Change) -> Applied {
    deployments.apply(&auth(), ChangeRequest::new(change, "alice")).await.unwrap()
}

async fn two_versions(deployments: &Deployments) -> Applied {
    apply(deployments, Change::Register(registration(0))).await;
    apply(deployments, Change::Register(registration(1))).await
}

fn is_served(deployments: &Deployments) -> bool {
    deployments.handle().route("auth").is_some()
}

#[tokio::test]
async fn removed_service_is_withdrawn_everywhere() {
    let store = Arc::new(FaultyStore::default());
    let here = gateway(&store).await;
    let there = gateway(&store).await;
    two_versions(&here).await;
    there.refresh().await.unwrap();
    apply(&here, Change::force_remove_service()).await;
    assert!(!is_served(&here), "before the change is answered");
    there.refresh().await.unwrap();
    assert!(!is_served(&there));
    assert!(!is_served(&gateway(&store).await), "a start loads everything");
    let refused = there.apply(&auth(), ChangeRequest::new(set_weight(1, 10.0), "bob")).await;
    assert!(matches!(refused, Err(DeployError::Store(StoreError::UnknownService(_)))));

    let again = apply(&there, Change::Register(registration(0))).await.after;
    here.refresh().await.unwrap();
    assert_eq!(here.handle().route("auth").unwrap().split(), &again);
    let kinds: Vec<_> =
        here.history(&auth(), None, 9).await.unwrap().into_iter().map(|entry| entry.kind).collect();
    assert_eq!(kinds, ["register", "remove-service", "register", "register"]);
}

// The load has read the split before its removal.
#[tokio::test(start_paused = true)]
async fn slow_load_does_not_bring_a_service_back() {
    for first in [true, false] {
        let store = Arc::new(FaultyStore::default());
        let here = gateway(&store).await;
        let there = gateway(&store).await;
        two_versions(&there).await;
        if !first {
            here.refresh().await.unwrap();
            apply(&there, set_weight(1, 40.0)).await;
        }
        store.slow.store(true, Ordering::Relaxed);
        let refreshing = tokio::spawn({
            let here = here.clone();
            async move { here.refresh().await.unwrap() }
        });
        tokio::time::sleep(Duration::from_millis(25)).await;
        apply(&here, Change::force_remove_service()).await;
        refreshing.await.unwrap();
        assert!(!is_served(&here), "first load: {first}");
        here.refresh().await.unwrap();
        assert!(!is_served(&here), "first load: {first}");
    }
}

/// Two gateways on one store, and the access of the first, whose responses can be made late.
async fn two_gateways() -> (Deployments, Deployments, Arc<FaultyStore>) {
    let store = Arc::new(FaultyStore::default());
    let other = Arc::new(FaultyStore::over(Arc::clone(&store.memory)));
    (gateway(&store).await, gateway(&other).await, store)
}

/// Makes `change` at a gateway, whose store responds 5 ms after the change is made.
async fn apply_late(here: &Deployments, store: &FaultyStore, change: Change) -> JoinHandle<Applied> {
    store.slow.store(true, Ordering::Relaxed);
    let here = here.clone();
    let applying = tokio::spawn(async move { apply(&here, change).await });
    tokio::time::sleep(Duration::from_millis(1)).await;
    store.slow.store(false, Ordering::Relaxed);
    applying
}

// The removal is followed before the response to an earlier change arrives.
#[tokio::test(start_paused = true)]
async fn late_response_does_not_bring_a_service_back() {
    let (here, there, store) = two_gateways().await;
    two_versions(&there).await;
    here.refresh().await.unwrap();
    let late = apply_late(&here, &store, Change::Redraw).await;
    apply(&there, Change::force_remove_service()).await;
    here.refresh().await.unwrap();
    late.await.unwrap();
    assert!(!is_served(&here));
}

#[tokio::test(start_paused = true)]
async fn late_removal_leaves_the_next_life() {
    let (here, there, store) = two_gateways().await;
    two_versions(&there).await;
    here.refresh().await.unwrap();
    let late = apply_late(&here, &store, Change::force_remove_service()).await;
    let again = apply(&there, Change::Register(registration(0))).await.after;
    here.refresh().await.unwrap();
    late.await.unwrap();
    assert_eq!(here.handle().route("auth").map(|route| route.split().clone()), Some(again));
}

// The responses to two changes of one gateway arrive in the other order.
#[tokio::test(start_paused = true)]
async fn overtaken_response_does_not_bring_a_service_back() {
    let (here, _, store) = two_gateways().await;
    two_versions(&here).await;
    let late = apply_late(&here, &store, Change::Redraw).await;
    apply(&here, Change::force_remove_service()).await;
    late.await.unwrap();
    assert!(!is_served(&here));
}

// All splits are loaded, and the response to an earlier change arrives between their read and their publication.
#[tokio::test(start_paused = true)]
async fn late_response_does_not_hide_a_later_change() {
    for change in [set_weight(1, 40.0), Change::force_remove_service()] {
        let (here, there, store) = two_gateways().await;
        two_versions(&there).await;
        let late = apply_late(&here, &store, Change::Redraw).await;
        let last = apply(&there, change.clone()).await.after;
        store.slow.store(true, Ordering::Relaxed);
        here.refresh().await.unwrap();
        late.await.unwrap();
        let served = here.handle().route("auth").map(|route| route.split().clone());
        assert_eq!(served, Some(last).filter(|last| !last.is_removed()), "after {change}");
    }
}

// As after a deletion in the database, which no load of changes shows.
#[tokio::test]
async fn vanished_service_is_withdrawn_with_the_next_change() {
    let store = Arc::new(FaultyStore::default());
    let here = gateway(&store).await;
    two_versions(&here).await;
    here.refresh().await.unwrap();
    let revision = here.freshness().revision;
    let empty = tower_canary::store::Snapshot::new(revision, Vec::new());
    *store.older.lock().unwrap() = Some(empty);
    here.refresh().await.unwrap();
    assert!(is_served(&here), "no change is loaded");
    store.memory.commit(&auth(), &ChangeRequest::new(Change::force_remove_service(), "bob")).await.unwrap();
    here.apply(&auth(), ChangeRequest::new(set_weight(1, 10.0), "alice")).await.unwrap_err();
    assert!(!is_served(&here));
}

#[tokio::test]
async fn own_changes_are_part_of_the_revision() {
    let here = Deployments::in_memory(Draw::Exact);
    let applied = two_versions(&here).await;
    let freshness = here.freshness();
    assert_eq!((freshness.revision, freshness.latest), (applied.revision, applied.revision));
    let unchanged = apply(&here, Change::switch(name(0))).await;
    assert_eq!(here.freshness().revision, unchanged.revision);
}

// A change of another gateway is not followed yet.
#[tokio::test]
async fn revision_stays_before_a_gap() {
    let store = Arc::new(FaultyStore::default());
    let here = gateway(&store).await;
    let there = gateway(&store).await;
    two_versions(&here).await;
    there
        .apply(&"orders".parse().unwrap(), ChangeRequest::new(Change::Register(registration(0)), "bob"))
        .await
        .unwrap();
    let unchanged = apply(&here, Change::switch(name(0))).await;
    assert_eq!((unchanged.revision, here.freshness().revision, here.freshness().latest), (3, 2, 2));
    let applied = apply(&here, set_weight(1, 10.0)).await;
    assert_eq!((applied.revision, here.freshness().revision, here.freshness().latest), (4, 2, 4));
    here.refresh().await.unwrap();
    assert_eq!((here.freshness().revision, here.freshness().latest), (4, 4));
}

#[tokio::test(start_paused = true)]
async fn no_replica_is_not_converged() {
    let here = Deployments::in_memory(Draw::Exact);
    let applied = two_versions(&here).await;
    let convergence = here.wait_converged(applied.revision, Duration::from_secs(1)).await.unwrap();
    assert!(!convergence.is_complete() && convergence.waiting.is_empty());
    let store = Arc::new(FaultyStore::default());
    let here = gateway(&store).await;
    let applied = two_versions(&here).await;
    store.memory.report(&Report::new("1", "a", applied.revision)).await.unwrap();
    let convergence = here.wait_converged(applied.revision, Duration::from_secs(1)).await.unwrap();
    assert!(convergence.is_complete());
}

// The policy of this gateway differs from the one that registered the URL.
#[tokio::test]
async fn restored_url_is_admitted_and_probed() {
    fn restore(generation: u64) -> ChangeRequest {
        ChangeRequest::new(Change::restore(generation), "alice")
    }

    fn url(url: &str) -> Backend {
        url.parse().unwrap()
    }

    let store = Arc::new(FaultyStore::default());
    let check = ScriptedCheck::default();
    let there = gateway(&store).await;
    apply(&there, Change::register(name(0), url("http://forbidden"))).await;
    let before = apply(&there, Change::Register(registration(1))).await.after;
    let here = Deployments::start(Arc::clone(&store), check.clone()).await.unwrap();
    apply(&here, set_weight(1, 10.0)).await;
    here.apply(&auth(), restore(before.generation())).await.unwrap();
    let moved = apply(&here, Change::set_url(name(0), url("http://h"))).await.after;
    let refused = here.apply(&auth(), restore(before.generation())).await.unwrap_err();
    assert!(matches!(&refused, DeployError::UrlNotRestorable { generation: 2, .. }), "{refused:?}");
    assert!(refused.to_string().contains("the URL of v0: "), "{refused}");
    let dry = here.restore_change(&auth(), before.generation()).await.unwrap();
    here.preview(&auth(), &ChangeRequest::new(dry, "alice")).unwrap_err();

    apply(&here, Change::set_url(name(0), url("http://other"))).await;
    let probes = check.probes();
    let restored = here.apply(&auth(), restore(moved.generation())).await.unwrap().after;
    assert_eq!((restored.shares(), check.probes()), (moved.shares(), probes + 1));
    apply(&here, Change::set_url(name(0), url("http://other"))).await;
    check.set_all(Some(Unhealthy::Status(500)));
    let sick = here.apply(&auth(), restore(moved.generation())).await.unwrap_err();
    assert!(matches!(&sick, DeployError::Unhealthy { version, .. } if *version == name(0)), "{sick:?}");
}

// Another gateway registered the service, and this one has not followed it yet.
#[tokio::test]
async fn restored_url_of_an_unknown_version_is_admitted() {
    let store = Arc::new(FaultyStore::default());
    let here = Deployments::start(Arc::clone(&store), ScriptedCheck::default()).await.unwrap();
    let there = gateway(&store).await;
    apply(&there, Change::register(name(0), "http://forbidden".parse().unwrap())).await;
    apply(&there, Change::set_url(name(0), "http://h".parse().unwrap())).await;
    let restore = ChangeRequest::new(Change::restore(1), "alice").without_check();
    let refused = here.apply(&auth(), restore).await.unwrap_err();
    assert!(matches!(&refused, DeployError::UrlNotRestorable { generation: 1, .. }), "{refused:?}");
}
