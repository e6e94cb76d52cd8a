//! A version is drained once every gateway on the store has finished its requests.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::{Request, Response};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::deployments::DrainBlocker;
use tower_canary::layer::ResponseBody;
use tower_canary::routing::Change;
use tower_canary::store::{ChangeRequest, MemoryStore, Replica, RouteStore, StoreError};
use tower_canary::{Deployments, NoVersionCheck, ServiceName, Target, WeightedVersionLayer};

use crate::faulty_store::FaultyStore;
use crate::support::*;

fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

/// A gateway's own access to the store.
fn access_to(store: &Arc<MemoryStore>) -> Arc<FaultyStore> {
    Arc::new(FaultyStore::over(Arc::clone(store)))
}

/// Two gateways on one store, `a` and `b`, where `auth` has v0 at 100 and v1 at 0.
pub(crate) struct Two {
    pub(crate) here: Deployments,
    pub(crate) there: Deployments,
    way_here: Arc<FaultyStore>,
    pub(crate) way_there: Arc<FaultyStore>,
}

impl Two {
    /// Both have followed the store for a while.
    pub(crate) async fn running() -> Self {
        let two = Self::new().await;
        spawn(two.here.clone().run(std::future::pending()));
        spawn(two.there.clone().run(std::future::pending()));
        sleep(Duration::from_secs(5)).await;
        two
    }

    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let way_here = access_to(&store);
        let way_there = access_to(&store);
        let gateway = async |way: &Arc<FaultyStore>, name: &str| {
            Deployments::builder(Arc::clone(way), NoVersionCheck)
                .with_replica_name(name)
                .start()
                .await
                .unwrap()
        };
        let here = gateway(&way_here, "a").await;
        for i in 0..2 {
            apply(&here, Change::Register(registration(i))).await;
        }
        let there = gateway(&way_there, "b").await;
        Self { here, there, way_here, way_there }
    }

    /// The replicas that block v0 from being stopped, as the gateway `a` sees them.
    async fn held(&self) -> Vec<(String, DrainBlocker)> {
        let elsewhere = self.here.other_replicas(&auth()).await.unwrap();
        elsewhere.blockers(&name(0)).map(|(replica, why)| (replica.name.clone(), why)).collect()
    }

    /// Waits until no replica blocks v0, and returns how long that took.
    async fn until_free(&self) -> Duration {
        let start = Instant::now();
        while !self.held().await.is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
        start.elapsed()
    }
}

pub(crate) async fn apply(deployments: &Deployments, change: Change) {
    deployments.apply(&auth(), ChangeRequest::new(change, "alice").without_check()).await.unwrap();
}

fn switch(i: usize) -> Change {
    Change::switch(name(i))
}

/// A response through `deployments`, whose request is in flight until it is dropped.
async fn respond(deployments: &Deployments) -> Response<ResponseBody<String>> {
    let client = service_fn(async |_: Request<()>| Ok::<_, Infallible>(Response::new(String::new())));
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service(auth()));
    layer.layer(client).oneshot(Request::new(())).await.unwrap()
}

pub(crate) fn by_b(why: DrainBlocker) -> Vec<(String, DrainBlocker)> {
    vec![("b".to_owned(), why)]
}

// The replica blocks as behind at first, then as draining.
#[tokio::test(start_paused = true)]
async fn replica_holds_version_until_drained() {
    let two = Two::running().await;
    let first = respond(&two.there).await;
    let second = respond(&two.there).await;
    apply(&two.here, switch(1)).await;
    assert_eq!(two.held().await, by_b(DrainBlocker::Behind));
    sleep(Duration::from_millis(1_250)).await;
    assert_eq!(two.held().await, by_b(DrainBlocker::Draining));
    sleep(Duration::from_secs(60)).await;
    drop(first);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(two.held().await, by_b(DrainBlocker::Draining));
    drop(second);
    let waited = two.until_free().await;
    assert!(waited <= Duration::from_millis(250), "{waited:?}");
}

#[cfg(feature = "pin")]
#[tokio::test(start_paused = true)]
async fn pins_hold_a_version_until_inactive() {
    let two = Two::running().await;
    let pin = tower_canary::layer::PinCookie::new(b"a secret of at least 32 bytes ...").unwrap();
    let _layer = WeightedVersionLayer::new(two.there.handle(), Target::service(auth())).with_pin(pin);
    apply(&two.here, switch(1)).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(two.held().await, by_b(DrainBlocker::Draining));
    apply(&two.here, Change::deactivate(name(0))).await;
    let freed = two.until_free().await;
    assert!(freed <= Duration::from_millis(1_250), "{freed:?}");
}

#[tokio::test(start_paused = true)]
async fn removed_version_is_held_until_drained() {
    let two = Two::running().await;
    let held = respond(&two.there).await;
    apply(&two.here, switch(1)).await;
    apply(&two.here, Change::deactivate(name(0))).await;
    apply(&two.here, Change::remove(name(0))).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(two.held().await, by_b(DrainBlocker::Draining));
    drop(held);
    two.until_free().await;
}

#[tokio::test(start_paused = true)]
async fn a_gateway_without_the_service_reports_its_last_requests() {
    let two = Two::running().await;
    let held = respond(&two.there).await;
    two.there.handle().replace(&tower_canary::routing::RoutingTable::default());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(two.held().await, by_b(DrainBlocker::Draining));
    drop(held);
    two.until_free().await;
}

#[tokio::test(start_paused = true)]
async fn idle_version_is_free_once_followed() {
    let two = Two::running().await;
    apply(&two.here, switch(1)).await;
    assert_eq!(two.held().await, by_b(DrainBlocker::Behind));
    let followed = two.until_free().await;
    assert!(followed <= Duration::from_millis(1_250), "{followed:?}");
    assert_eq!(percents(two.there.handle().route("auth").unwrap().split()), [0.0, 100.0]);
}

#[tokio::test(start_paused = true)]
async fn other_services_hold_nothing() {
    let two = Two::running().await;
    apply(&two.here, switch(1)).await;
    two.until_free().await;
    for i in 0..20 {
        let register = ChangeRequest::new(Change::Register(registration(i)), "alice");
        two.here.apply(&"orders".parse().unwrap(), register).await.unwrap();
        assert_eq!(two.held().await, []);
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn switch_by_other_replica_is_tracked() {
    let two = Two::running().await;
    let held = respond(&two.there).await;
    apply(&two.there, switch(1)).await;
    sleep(Duration::from_millis(1_250)).await;
    assert_eq!(percents(two.here.handle().route("auth").unwrap().split()), [0.0, 100.0]);
    assert_eq!(two.held().await, by_b(DrainBlocker::Draining));
    drop(held);
    two.until_free().await;
}

// A change was committed between reading the revision and reading the changed splits.
#[tokio::test(start_paused = true)]
async fn split_newer_than_revision_is_behind() {
    let two = Two::new().await;
    two.there.refresh().await.unwrap();
    spawn(two.there.clone().run_every(Duration::from_secs(3_600), std::future::pending()));
    sleep(Duration::from_millis(10)).await;
    two.here.refresh().await.unwrap();
    assert_eq!(two.held().await, []);
    // It reads revision 3, and a split of revision 4; the other one has followed revision 3.
    let orders = ChangeRequest::new(Change::Register(registration(0)), "alice");
    two.way_there.commit(&"orders".parse().unwrap(), &orders).await.unwrap();
    two.there.refresh().await.unwrap();
    sleep(Duration::from_secs(6)).await;
    *two.way_here.between.lock().unwrap() = Some((false, switch(1)));
    two.here.refresh().await.unwrap();
    assert_eq!(percents(two.here.handle().route("auth").unwrap().split()), [0.0, 100.0]);
    assert_eq!(percents(two.there.handle().route("auth").unwrap().split()), [100.0, 0.0]);
    assert_eq!(two.held().await, by_b(DrainBlocker::Behind));
    two.there.refresh().await.unwrap();
    sleep(Duration::from_secs(6)).await;
    assert_eq!(two.held().await, []);
}

// A change was committed between reading the revision and reading all splits.
#[tokio::test(start_paused = true)]
async fn full_load_newer_than_revision_is_behind() {
    let two = Two::new().await;
    two.there.refresh().await.unwrap();
    spawn(two.there.clone().run_every(Duration::from_secs(3_600), std::future::pending()));
    spawn(two.here.clone().run(std::future::pending()));
    sleep(Duration::from_secs(5)).await;
    *two.way_here.between.lock().unwrap() = Some((true, switch(1)));
    sleep(Duration::from_secs(650)).await;
    assert_eq!(percents(two.here.handle().route("auth").unwrap().split()), [0.0, 100.0]);
    assert_eq!(two.held().await, by_b(DrainBlocker::Behind));
}

#[tokio::test(start_paused = true)]
async fn elsewhere_follows_before_reporting() {
    let two = Two::new().await;
    spawn(two.there.clone().run(std::future::pending()));
    apply(&two.here, switch(1)).await;
    two.until_free().await;
    apply(&two.there, switch(0)).await;
    sleep(Duration::from_millis(1_250)).await;
    assert_eq!(percents(two.here.handle().route("auth").unwrap().split()), [0.0, 100.0]);
    two.held().await;
    assert_eq!(percents(two.here.handle().route("auth").unwrap().split()), [100.0, 0.0]);
}

#[tokio::test(start_paused = true)]
async fn broken_split_holds_the_served_version() {
    let two = Two::running().await;
    two.way_there.unreadable.store(true, Ordering::Relaxed);
    apply(&two.here, switch(1)).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(percents(two.there.handle().route("auth").unwrap().split()), [100.0, 0.0]);
    assert_eq!(two.held().await, by_b(DrainBlocker::Draining));
    two.way_there.unreadable.store(false, Ordering::Relaxed);
    apply(&two.here, Change::Redraw).await;
    let mended = two.until_free().await;
    assert!(mended <= Duration::from_millis(1_250), "{mended:?}");
}

#[tokio::test(start_paused = true)]
async fn cut_off_replica_holds_until_expiry() {
    let two = Two::running().await;
    two.way_there.down.store(true, Ordering::Relaxed);
    apply(&two.here, switch(1)).await;
    let expired = two.until_free().await;
    assert!(Duration::from_secs(9) < expired && expired <= Replica::EXPIRY, "{expired:?}");
}

#[tokio::test(start_paused = true)]
async fn starting_replica_holds_versions() {
    let two = Two::new().await;
    spawn(two.here.clone().run(std::future::pending()));
    apply(&two.here, switch(1)).await;
    assert_eq!(two.held().await, by_b(DrainBlocker::Behind));
    spawn(two.there.clone().run(std::future::pending()));
    two.until_free().await;
}

#[tokio::test(start_paused = true)]
async fn elsewhere_fails_without_the_store() {
    let two = Two::running().await;
    two.way_here.down.store(true, Ordering::Relaxed);
    assert!(matches!(two.here.other_replicas(&auth()).await, Err(StoreError::Unavailable(_))));
}
