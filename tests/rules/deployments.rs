//! Changes through `Deployments`: probed, published before `apply` returns, and never undone by a refresh.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tower_canary::deployments::{DeployError, Healthy, Unhealthy};
use tower_canary::routing::{Change, ChangeError, Route};
use tower_canary::store::{Applied, ChangeRequest, MemoryStore, RouteStore, Snapshot, StoreError};
use tower_canary::{Deployments, Draw, NoVersionCheck, RoutingHandle, ServiceName};

use crate::faulty_store::FaultyStore;
use crate::health_support::{A, B, C, unchecked_version, urls};
use crate::scripted_check::ScriptedCheck;
use crate::support::*;

fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

async fn apply(deployments: &Deployments, change: Change) -> Result<Applied, DeployError> {
    deployments.apply(&auth(), ChangeRequest::new(change, "alice")).await
}

fn served(deployments: &Deployments) -> Vec<f64> {
    percents(deployments.handle().route("auth").unwrap().split())
}

fn faulty_store() -> Arc<FaultyStore> {
    Arc::default()
}

async fn two_versions(store: &Arc<FaultyStore>) -> Deployments {
    let deployments = Deployments::start(Arc::clone(store), NoVersionCheck).await.unwrap();
    for i in 0..2 {
        apply(&deployments, Change::Register(registration(i))).await.unwrap();
    }
    deployments
}

#[tokio::test]
async fn apply_publishes_before_returning() {
    let deployments = two_versions(&faulty_store()).await;
    for percent in [10.0, 50.0, 100.0] {
        apply(&deployments, set_weight(1, percent)).await.unwrap();
        assert_eq!(served(&deployments)[1], percent);
    }
}

#[tokio::test]
async fn refused_change_keeps_the_route() {
    let deployments = two_versions(&faulty_store()).await;
    let refused = apply(&deployments, Change::remove(name(0))).await.unwrap_err();
    assert!(matches!(refused, DeployError::Store(StoreError::Refused(ChangeError::VersionActive(_)))));
    assert_eq!(served(&deployments), [100.0, 0.0]);
}

// Changes fail. The store is followed within 5 s of its return.
#[tokio::test(start_paused = true)]
async fn store_outage_keeps_routes() {
    let store = faulty_store();
    let (deployments, other) =
        (two_versions(&store).await, Deployments::start(Arc::clone(&store), NoVersionCheck).await.unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = spawn(deployments.clone().run(async { _ = stopped.await }));
    store.down.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(served(&deployments), [100.0, 0.0]);
    assert!(deployments.freshness().age >= Duration::from_secs(590));
    let failed = apply(&deployments, set_weight(1, 10.0)).await.unwrap_err();
    assert!(matches!(failed, DeployError::Store(StoreError::Unavailable(_))));
    store.down.store(false, Ordering::Relaxed);
    apply(&other, set_weight(1, 10.0)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(served(&deployments), [90.0, 10.0]);
    assert!(deployments.freshness().age < Duration::from_secs(2));
    stop.send(()).unwrap();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn change_by_another_process_is_followed() {
    let store = faulty_store();
    let (deployments, other) =
        (two_versions(&store).await, Deployments::start(Arc::clone(&store), NoVersionCheck).await.unwrap());
    spawn(deployments.clone().run(std::future::pending()));
    apply(&other, set_weight(1, 30.0)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_250)).await;
    assert_eq!(served(&deployments), [70.0, 30.0]);
}

// The store went back to an earlier revision.
#[tokio::test(start_paused = true)]
async fn stale_load_does_not_undo_a_change() {
    let store = faulty_store();
    let deployments = two_versions(&store).await;
    deployments.refresh().await.unwrap();
    let older = store.memory.load(0).await.unwrap();
    apply(&deployments, set_weight(1, 40.0)).await.unwrap();
    deployments.refresh().await.unwrap();
    *store.older.lock().unwrap() = Some(older);
    store.slow.store(true, Ordering::Relaxed);
    let refreshing = spawn({
        let deployments = deployments.clone();
        async move { deployments.refresh().await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(75)).await;
    apply(&deployments, Change::switch(name(1))).await.unwrap();
    refreshing.await.unwrap();
    assert_eq!(served(&deployments), [0.0, 100.0]);
}

// A local change may be applied during the refresh.
#[tokio::test(start_paused = true)]
async fn later_remote_change_is_served() {
    let store = faulty_store();
    let deployments = two_versions(&store).await;
    deployments.refresh().await.unwrap();
    store.late.store(true, Ordering::Relaxed);
    let refreshing = spawn({
        let deployments = deployments.clone();
        async move { deployments.refresh().await.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    apply(&deployments, set_weight(1, 40.0)).await.unwrap();
    let elsewhere = ChangeRequest::new(set_weight(1, 50.0), "bob").without_check();
    store.memory.commit(&auth(), &elsewhere).await.unwrap();
    refreshing.await.unwrap();
    assert_eq!(served(&deployments), [50.0, 50.0]);
}

#[tokio::test(start_paused = true)]
async fn abandoned_change_is_published() {
    let store = faulty_store();
    let deployments = two_versions(&store).await;
    spawn(deployments.clone().run_every(Duration::from_secs(3_600), std::future::pending()));
    tokio::task::yield_now().await;
    store.slow.store(true, Ordering::Relaxed);
    let forced = ChangeRequest::new(set_weight(1, 10.0), "alice").without_check();
    let abandoned = tokio::time::timeout(Duration::from_millis(1), deployments.apply(&auth(), forced)).await;
    assert!(abandoned.is_err());
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(served(&deployments), [90.0, 10.0]);
}

#[tokio::test]
async fn any_period_is_accepted() {
    let deployments = Deployments::in_memory(Draw::Exact);
    for period in [Duration::ZERO, Duration::MAX] {
        deployments.clone().run_every(period, tokio::time::sleep(Duration::from_millis(30))).await;
    }
}

#[test]
fn reregistered_service_is_served() {
    let handle = RoutingHandle::new();
    let old = split(&[90.0, 10.0]);
    let new = tower_canary::routing::Split::new(auth(), 8)
        .apply(&Change::Register(registration(5)), at(9))
        .unwrap();
    assert!(handle.publish(Route::compile(old.clone())));
    assert!(handle.publish(Route::compile(new)));
    assert_eq!(handle.route("auth").unwrap().split().versions()[0].name, name(5));
    assert!(handle.publish(Route::compile(old)), "another salt is another service");
}

// The probe requests the stored health path before the version gets traffic.
#[tokio::test]
async fn version_is_probed_once() {
    let store = faulty_store();
    let probe = ScriptedCheck::default();
    let here = Deployments::start(Arc::clone(&store), probe.clone()).await.unwrap();
    let there = Deployments::start(Arc::clone(&store), NoVersionCheck).await.unwrap();
    apply(&there, Change::Register(registration(0).with_health_path("/healthz".parse().unwrap())))
        .await
        .unwrap();
    apply(&there, Change::Register(registration(1))).await.unwrap();
    apply(&here, set_weight(1, 10.0)).await.unwrap();
    apply(&here, set_weight(1, 20.0)).await.unwrap();
    assert_eq!(probe.paths(), [Some("/healthz".to_owned())]);
}

// A forbidden URL is not registered.
#[tokio::test]
async fn unhealthy_version_needs_force() {
    let probe = ScriptedCheck::default();
    let deployments = Deployments::start(MemoryStore::new(), probe.clone()).await.unwrap();
    for i in 0..2 {
        apply(&deployments, Change::Register(registration(i))).await.unwrap();
    }
    assert_eq!(probe.probes(), 0, "nothing was taken from anybody");
    probe.set_all(Some(Unhealthy::Status(500)));
    let refused = apply(&deployments, set_weight(1, 10.0)).await.unwrap_err();
    assert!(refused.to_string().contains("it responded 500"), "{refused}");
    assert_eq!(served(&deployments), [100.0, 0.0]);
    let forced = ChangeRequest::new(set_weight(1, 10.0), "alice").without_check();
    deployments.apply(&auth(), forced).await.unwrap();
    assert_eq!(served(&deployments), [90.0, 10.0]);
    let forbidden = Change::register(name(2), "http://forbidden".parse().unwrap());
    assert!(matches!(apply(&deployments, forbidden).await, Err(DeployError::UrlRefused(_))));
}

// One dead process of several does not block a deployment.
#[tokio::test]
async fn half_of_the_instances_suffice() {
    let healthy = Healthy { status: 200, took: Duration::ZERO };
    let probe = ScriptedCheck::default().with_healthy(healthy);
    let deployments = Deployments::start(MemoryStore::new(), probe.clone()).await.unwrap();
    apply(&deployments, Change::Register(registration(0))).await.unwrap();
    apply(&deployments, Change::Register(unchecked_version(1, &[A, B, C]))).await.unwrap();
    for url in [A, B] {
        probe.set(url, Some(Unhealthy::Status(503)));
    }
    let refused = apply(&deployments, set_weight(1, 10.0)).await.unwrap_err();
    let DeployError::Unhealthy { causes, .. } = &refused else { panic!("{refused}") };
    let failed: Vec<&str> = causes.iter().map(|(backend, _)| backend.as_str()).collect();
    assert_eq!(failed, [A, B]);
    assert!(refused.to_string().contains(&format!("{B}: it responded 503")), "{refused}");
    probe.set(B, None);
    let request = ChangeRequest::new(set_weight(1, 10.0), "alice");
    let deployed = deployments.apply_probed(&auth(), request).await.unwrap();
    let passed: Vec<bool> = deployed.probes.iter().map(|probe| probe.healthy.is_ok()).collect();
    assert_eq!(passed, [false, true, true]);
    assert_eq!(served(&deployments), [90.0, 10.0]);
}

// Its old instances may all be dead.
#[tokio::test]
async fn added_instances_alone_are_probed() {
    let probe = ScriptedCheck::default();
    let deployments = Deployments::start(MemoryStore::new(), probe.clone()).await.unwrap();
    apply(&deployments, Change::Register(unchecked_version(0, &[A]))).await.unwrap();
    probe.set(A, Some(Unhealthy::Status(503)));
    apply(&deployments, Change::add_urls(name(0), urls(&[B]))).await.unwrap();
    assert_eq!((probe.probes_of(A), probe.probes_of(B)), (0, 1));
    probe.set(C, Some(Unhealthy::Status(503)));
    let refused = apply(&deployments, Change::add_urls(name(0), urls(&[C]))).await.unwrap_err();
    assert!(matches!(refused, DeployError::Unhealthy { .. }), "{refused}");
}

#[tokio::test]
async fn unstorable_text_is_refused() {
    fn register() -> ChangeRequest {
        ChangeRequest::new(Change::Register(registration(0)), "alice")
    }

    let deployments = Deployments::in_memory(Draw::Exact);
    for request in [register().with_reason("x".repeat(1_001)), register().with_reason("a\0b")] {
        let refused = deployments.apply(&auth(), request).await.unwrap_err();
        assert!(refused.to_string().starts_with("the reason must have at most 1000 characters"), "{refused}");
    }
    deployments.apply(&auth(), register().with_reason("é".repeat(1_000))).await.unwrap();
}

// An unknown one is refused.
#[tokio::test]
async fn earlier_generation_is_restored() {
    let deployments = two_versions(&faulty_store()).await;
    apply(&deployments, set_weight(1, 25.0)).await.unwrap();
    apply(&deployments, Change::switch(name(1))).await.unwrap();
    let restore = deployments.restore_change(&auth(), 3).await.unwrap();
    apply(&deployments, restore).await.unwrap();
    assert_eq!(served(&deployments), [75.0, 25.0]);
    let unknown = deployments.restore_change(&auth(), 99).await.unwrap_err();
    assert!(matches!(unknown, DeployError::UnknownGeneration { generation: 99 }));
}

// It is reported, and other services are not affected.
#[tokio::test]
async fn broken_split_keeps_its_last_route() {
    let store = faulty_store();
    let deployments = two_versions(&store).await;
    deployments.refresh().await.unwrap();
    let other = tower_canary::routing::Split::new("orders".parse().unwrap(), 8);
    let other = other.apply(&Change::Register(registration(0)), at(9)).unwrap();
    let broken = tower_canary::store::BrokenSplit::new("auth", "row 1, column url");
    let revision = deployments.freshness().revision + 1;
    let mut snapshot = Snapshot::new(revision, vec![other]);
    snapshot.broken.push(broken.clone());
    *store.older.lock().unwrap() = Some(snapshot);
    deployments.refresh().await.unwrap();
    assert_eq!(deployments.freshness().broken, [broken]);
    assert_eq!(served(&deployments), [100.0, 0.0]);
    assert!(deployments.handle().route("orders").is_some());
    let mended = split(&[60.0, 40.0]);
    *store.older.lock().unwrap() = Some(Snapshot::new(revision + 1, vec![mended]));
    deployments.refresh().await.unwrap();
    assert!(deployments.freshness().broken.is_empty());
    assert_eq!(served(&deployments), [60.0, 40.0]);
}
