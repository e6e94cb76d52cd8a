//! Starts without the store, from the last good routes that the application keeps.

use std::error::Error;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use tokio::time::sleep;
use tower_canary::deployments::SnapshotCache;
use tower_canary::store::{ChangeRequest, LastGood, Snapshot, StoreError};
use tower_canary::{Deployments, NoVersionCheck};

use crate::faulty_store::FaultyStore;
use crate::replicas::{apply, auth, commit_directly, served, shared_store, two_versions};
use crate::support::*;

/// A cache in memory that counts how often it is written.
#[derive(Clone, Debug, Default)]
struct Cache(Arc<Mutex<(Option<LastGood>, usize)>>);

#[async_trait]
impl SnapshotCache for Cache {
    async fn save(&self, last_good: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>> {
        let mut kept = self.0.lock().unwrap();
        *kept = (Some(last_good.clone()), kept.1 + 1);
        Ok(())
    }

    async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>> {
        Ok(self.0.lock().unwrap().0.clone())
    }
}

async fn with_cache(store: &Arc<FaultyStore>, cache: &Cache) -> Result<Deployments, StoreError> {
    Deployments::builder(Arc::clone(store), NoVersionCheck).with_cache(cache.clone()).start().await
}

// The store is followed once it is back.
#[tokio::test(start_paused = true)]
async fn start_from_cache_without_the_store() {
    let store = shared_store();
    let cache = Cache::default();
    let before = with_cache(&store, &cache).await.unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let following = spawn(before.clone().run(async { _ = stopped.await }));
    two_versions(&before).await;
    sleep(Duration::from_secs(2)).await;
    apply(&before, set_weight(1, 10.0)).await;
    store.down.store(true, Ordering::Relaxed);
    stop.send(()).unwrap();
    following.await.unwrap();

    let after = with_cache(&store, &cache).await.unwrap();
    assert_eq!(served(&after), [90.0, 10.0]);
    let freshness = after.freshness();
    assert!(freshness.from_cache);
    assert_eq!(freshness.revision, 3, "with the change that was made after the last load");
    let refused =
        after.apply(&auth(), ChangeRequest::new(set_weight(1, 20.0), "alice").without_check()).await;
    assert!(refused.is_err());

    spawn(after.clone().run(std::future::pending()));
    sleep(Duration::from_secs(60)).await;
    assert!(after.freshness().from_cache && after.freshness().age >= Duration::from_secs(60));
    store.down.store(false, Ordering::Relaxed);
    commit_directly(&store, set_weight(1, 30.0)).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(served(&after), [70.0, 30.0]);
    assert!(!after.freshness().from_cache);
}

// A process that is started again and again while the store is down.
#[tokio::test(start_paused = true)]
async fn saving_again_makes_routes_no_younger() {
    const HOUR: Duration = Duration::from_hours(1);
    let store = shared_store();
    store.down.store(true, Ordering::Relaxed);
    let cache = Cache::default();
    cache.0.lock().unwrap().0 = Some(LastGood::new(Snapshot::new(3, Vec::new()), SystemTime::now() - HOUR));
    let first = with_cache(&store, &cache).await.unwrap();
    assert!(first.freshness().age >= HOUR);
    first.run(sleep(Duration::from_secs(10))).await;
    assert!(cache.0.lock().unwrap().1 > 0, "saved again");
    assert!(with_cache(&store, &cache).await.unwrap().freshness().age >= HOUR);
}

#[tokio::test(start_paused = true)]
async fn start_fails_without_store_and_cache() {
    let store = shared_store();
    let cache = Cache::default();
    store.down.store(true, Ordering::Relaxed);
    let refused = with_cache(&store, &cache).await.unwrap_err();
    assert!(matches!(refused, StoreError::Unavailable(_)), "{refused}");
}

// Routes that do not change are written once.
#[tokio::test(start_paused = true)]
async fn cache_is_written_every_5_s_at_most() {
    let store = shared_store();
    let cache = Cache::default();
    let deployments = with_cache(&store, &cache).await.unwrap();
    two_versions(&deployments).await;
    spawn(deployments.clone().run(std::future::pending()));
    for step in 0..60 {
        apply(&deployments, set_weight(1, f64::from(step + 1))).await;
        sleep(Duration::from_secs(1)).await;
    }
    let kept = cache.0.lock().unwrap().1;
    assert!((10..=13).contains(&kept), "{kept}");
    sleep(Duration::from_secs(500)).await;
    assert!(cache.0.lock().unwrap().1 <= kept + 1, "until everything is loaded again");
    assert_eq!(cache.0.lock().unwrap().0.as_ref().unwrap().snapshot.revision, 62);
}

/// A cache that hangs or panics.
#[derive(Debug)]
struct Bad {
    panics: bool,
}

#[async_trait]
impl SnapshotCache for Bad {
    async fn save(&self, _: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>> {
        assert!(!self.panics, "the cache's own fault");
        std::future::pending().await
    }

    async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>> {
        Err("torn".into())
    }
}

// The cache hangs or panics. Reports continue as well.
#[tokio::test(start_paused = true)]
async fn bad_cache_does_not_block_following() {
    for panics in [true, false] {
        let store = shared_store();
        let builder = Deployments::builder(Arc::clone(&store), NoVersionCheck).with_replica_name("a");
        let here = builder.with_cache(Bad { panics }).start().await.unwrap();
        spawn(here.clone().run(std::future::pending()));
        two_versions(&here).await;
        sleep(Duration::from_secs(30)).await;
        commit_directly(&store, set_weight(1, 10.0)).await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(served(&here), [90.0, 10.0], "panics: {panics}");
        assert_eq!(here.replicas().await.unwrap()[0].revision, 3);
    }
}

#[tokio::test(start_paused = true)]
async fn unreadable_cache_does_not_start() {
    let store = shared_store();
    store.down.store(true, Ordering::Relaxed);
    let builder = Deployments::builder(Arc::clone(&store), NoVersionCheck).with_cache(Bad { panics: false });
    assert!(matches!(builder.start().await, Err(StoreError::Unavailable(_))));
}
