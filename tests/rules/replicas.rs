//! Several gateways on one store: they follow each other, and report the revision they serve.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_canary::routing::Change;
use tower_canary::store::{Applied, ChangeRequest, Replica, ReplicaRegistry, Report, RouteStore, Signal};
use tower_canary::{Deployments, NoVersionCheck, ServiceName};

use crate::faulty_store::FaultyStore;
use crate::support::*;

pub(crate) fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

/// A store that sends signals.
pub(crate) fn shared_store() -> Arc<FaultyStore> {
    Arc::new(FaultyStore::default().with_signals())
}

async fn replica(store: &Arc<FaultyStore>, name: &str) -> Deployments {
    Deployments::builder(Arc::clone(store), NoVersionCheck).with_replica_name(name).start().await.unwrap()
}

/// Starts a replica that follows the store until the sender is used or dropped.
async fn running(store: &Arc<FaultyStore>, name: &str) -> (Deployments, tokio::sync::oneshot::Sender<()>) {
    let deployments = replica(store, name).await;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    spawn(deployments.clone().run(async {
        let _ = stopped.await;
    }));
    sleep(Duration::from_millis(1_300)).await;
    (deployments, stop)
}

/// Waits for the next load, and forgets it. The next poll is at least 0.8 s later.
async fn after_a_poll(store: &FaultyStore) {
    store.loads();
    while store.loads.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    store.loads();
}

pub(crate) async fn apply(deployments: &Deployments, change: Change) -> Applied {
    deployments.apply(&auth(), ChangeRequest::new(change, "alice").without_check()).await.unwrap()
}

/// Commits a change to the database behind `store`, as another gateway does: `store` sends no signal and has no fault.
pub(crate) async fn commit_directly(store: &FaultyStore, change: Change) {
    store.memory.commit(&auth(), &ChangeRequest::new(change, "bob").without_check()).await.unwrap();
}

pub(crate) async fn two_versions(deployments: &Deployments) {
    for i in 0..2 {
        apply(deployments, Change::Register(registration(i))).await;
    }
}

pub(crate) fn served(deployments: &Deployments) -> Vec<f64> {
    percents(deployments.handle().route("auth").unwrap().split())
}

fn names(replicas: &[Replica]) -> Vec<&str> {
    replicas.iter().map(|replica| replica.name.as_str()).collect()
}

// Loads between two reports do not delay the second one.
#[tokio::test(start_paused = true)]
async fn reports_are_five_seconds_apart() {
    let store = Arc::new(FaultyStore::default());
    let (_replica, _stop) = running(&store, "a").await;
    sleep(Duration::from_secs(60)).await;
    let reports = store.reports.lock().unwrap().clone();
    // The first ones are from the start.
    let pauses: Vec<_> = reports.windows(2).skip(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.len() >= 10, "{pauses:?}");
    assert!(pauses.iter().all(|pause| pause.as_millis().abs_diff(5_000) <= 2), "{pauses:?}");
}

// A burst of signals causes few loads.
#[tokio::test(start_paused = true)]
async fn signal_is_followed_within_25_ms() {
    let store = shared_store();
    let (here, _stop) = running(&store, "a").await;
    let (there, _stop_there) = running(&store, "b").await;
    two_versions(&here).await;
    sleep(Duration::from_millis(25)).await;
    store.loads();
    for percent in 1..=50 {
        apply(&here, set_weight(1, f64::from(percent))).await;
    }
    sleep(Duration::from_millis(25)).await;
    assert_eq!(served(&there), [50.0, 50.0]);
    assert!(store.loads().len() <= 6, "two replicas, each at most a few times");
}

#[tokio::test(start_paused = true)]
async fn lost_connection_reloads_everything() {
    let store = shared_store();
    let (here, _stop) = running(&store, "a").await;
    two_versions(&here).await;
    sleep(Duration::from_secs(3)).await;
    after_a_poll(&store).await;
    store.signals.send(Signal::Lost).unwrap();
    sleep(Duration::from_millis(25)).await;
    assert_eq!(store.loads(), [2, 0], "first what changed, then everything");
    sleep(Duration::from_millis(1_200)).await;
    assert_eq!(store.loads(), [2], "once");
}

#[tokio::test(start_paused = true)]
async fn outage_reloads_everything() {
    let store = shared_store();
    let (here, _stop) = running(&store, "a").await;
    two_versions(&here).await;
    sleep(Duration::from_secs(3)).await;
    store.down.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    store.loads();
    store.down.store(false, Ordering::Relaxed);
    let start = Instant::now();
    while store.loads.lock().unwrap().is_empty() {
        sleep(Duration::from_millis(10)).await;
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    assert_eq!(store.loads(), [2, 0]);
}

// Running replicas report the revision they serve.
#[tokio::test(start_paused = true)]
async fn stopped_and_silent_replicas_expire() {
    let store = shared_store();
    let (here, _stop) = running(&store, "a").await;
    let (there, stop_there) = running(&store, "b").await;
    two_versions(&here).await;
    sleep(Duration::from_secs(2)).await;
    let replicas = here.replicas().await.unwrap();
    assert_eq!(names(&replicas), ["a", "b"]);
    assert!(replicas.iter().all(|replica| replica.revision == 2), "{replicas:?}");
    assert_eq!(Some(replicas[0].id.as_str()), here.replica_id());
    stop_there.send(()).unwrap();
    sleep(Duration::from_millis(10)).await;
    assert_eq!(names(&there.replicas().await.unwrap()), ["a"]);

    let silent = replica(&store, "c").await;
    let following = spawn(silent.run(std::future::pending()));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(names(&here.replicas().await.unwrap()), ["a", "c"], "it reports again and again");
    following.abort();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(names(&here.replicas().await.unwrap()), ["a", "c"]);
    sleep(Replica::EXPIRY).await;
    assert_eq!(names(&here.replicas().await.unwrap()), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn convergence_names_lagging_replicas() {
    let store = shared_store();
    let (here, _stop) = running(&store, "a").await;
    let (_there, _stop_there) = running(&store, "b").await;
    two_versions(&here).await;
    let applied = apply(&here, set_weight(1, 10.0)).await;
    let start = Instant::now();
    let convergence = here.wait_converged(applied.revision, Duration::from_secs(5)).await.unwrap();
    assert_eq!((names(&convergence.serving), names(&convergence.waiting)), (vec!["a", "b"], vec![]));
    assert!(start.elapsed() < Duration::from_millis(150), "{:?}", start.elapsed());

    store.memory.report(&Report::new("7", "stuck", applied.revision)).await.unwrap();
    let applied = apply(&here, set_weight(1, 20.0)).await;
    let start = Instant::now();
    let convergence = here.wait_converged(applied.revision, Duration::from_secs(5)).await.unwrap();
    assert_eq!((names(&convergence.serving), names(&convergence.waiting)), (vec!["a", "b"], vec!["stuck"]));
    assert_eq!(start.elapsed(), Duration::from_secs(5));

    store.down.store(true, Ordering::Relaxed);
    assert!(here.wait_converged(applied.revision, Duration::from_secs(1)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn read_only_store_is_followed() {
    let store = shared_store();
    let (here, _stop) = running(&store, "a").await;
    two_versions(&here).await;
    store.read_only.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(30)).await;
    commit_directly(&store, set_weight(1, 10.0)).await;
    sleep(Duration::from_millis(1_250)).await;
    assert_eq!(served(&here), [90.0, 10.0]);
}

#[tokio::test(start_paused = true)]
async fn store_panic_recovers_within_5_s() {
    let store = shared_store();
    let (here, stop) = running(&store, "a").await;
    two_versions(&here).await;
    store.panics.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(served(&here), [100.0, 0.0]);
    store.panics.store(false, Ordering::Relaxed);
    commit_directly(&store, set_weight(1, 10.0)).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(served(&here), [90.0, 10.0]);
    stop.send(()).unwrap();
}

#[tokio::test]
async fn overlong_replica_name_is_refused() {
    let store = shared_store();
    let start = async |name: String| {
        Deployments::builder(Arc::clone(&store), NoVersionCheck).with_replica_name(name).start().await
    };
    let refused = start("x".repeat(256)).await.unwrap_err();
    assert!(
        refused.to_string().starts_with("the replica name must have at most 255 characters"),
        "{refused}"
    );
    start("é".repeat(255)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn starting_replica_is_waited_for() {
    let store = shared_store();
    let (here, _stop) = running(&store, "a").await;
    two_versions(&here).await;
    let starting = replica(&store, "b").await;
    let applied = apply(&here, set_weight(1, 10.0)).await;
    let convergence = here.wait_converged(applied.revision, Duration::from_millis(100)).await.unwrap();
    assert_eq!(names(&convergence.waiting), ["b"], "it serves and does not follow yet");
    spawn(starting.run(std::future::pending()));
    let convergence = here.wait_converged(applied.revision, Duration::from_secs(5)).await.unwrap();
    assert_eq!(names(&convergence.serving), ["a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn long_period_replica_still_reports() {
    let store = shared_store();
    let here = replica(&store, "a").await;
    spawn(here.clone().run_every(Duration::from_secs(3_600), std::future::pending()));
    for _ in 0..20 {
        sleep(Duration::from_secs(7)).await;
        assert_eq!(names(&here.replicas().await.unwrap()), ["a"]);
    }
}

#[tokio::test(start_paused = true)]
async fn full_load_does_not_undo_a_change() {
    let store = shared_store();
    let (here, _stop) = running(&store, "a").await;
    two_versions(&here).await;
    for percent in 1..=100 {
        // A replica that is about to load misses this signal.
        let _ = store.signals.send(Signal::Lost);
        sleep(Duration::from_millis(percent % 25)).await;
        apply(&here, set_weight(1, percent as f64)).await;
        assert_eq!(served(&here)[1], percent as f64);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(served(&here)[1], percent as f64);
    }
}
