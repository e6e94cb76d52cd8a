//! Gateways learn which services have a rollout, however they load the routes, and report figures of those alone.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use tokio::time::sleep;
use tower_canary::deployments::SnapshotCache;
use tower_canary::rollout::Verb;
use tower_canary::store::{LastGood, MemoryStore, ReplicaRegistry, RouteStore, Signal};
use tower_canary::{Deployments, NoVersionCheck, ServiceName};

use crate::faulty_store::FaultyStore;
use crate::fleet::{Fleet, auth};

const PLAN: &str = r#"{"version": "v1.1", "startGates": ["approval"]}"#;

/// Longer than a poll and the report after it.
const POLL: Duration = Duration::from_secs(2);

/// Returns the services of which the replica `name` reports figures. `None`: it reports no figures.
async fn services(memory: &MemoryStore, name: &str) -> Option<Vec<String>> {
    let all = memory.figures().await.unwrap();
    let own = all.into_iter().find(|figures| figures.name == name)?;
    let services: BTreeMap<String, Value> = serde_json::from_str(&own.figures).unwrap();
    Some(services.into_keys().collect())
}

fn only_auth() -> Option<Vec<String>> {
    Some(vec!["auth".to_owned()])
}

async fn fleet() -> Fleet {
    let other: ServiceName = "other".parse().unwrap();
    Fleet::start(&[auth(), other]).await
}

/// Starts one more gateway over the memory of `fleet`, which gets signals and polls once a day.
async fn another(fleet: &Fleet) -> Arc<FaultyStore> {
    let store = Arc::new(FaultyStore::over(Arc::clone(&fleet.memory)).with_signals());
    let builder = Deployments::builder(Arc::clone(&store), NoVersionCheck).with_replica_name("another");
    let deployments = builder.start().await.unwrap();
    tokio::spawn(deployments.run_every(Duration::from_hours(24), std::future::pending()));
    sleep(POLL).await;
    store
}

#[tokio::test(start_paused = true)]
async fn start_and_end_reach_replicas_by_their_poll() {
    let fleet = fleet().await;
    for name in ["a", "b", "c"] {
        assert_eq!(services(&fleet.memory, name).await, None, "without a rollout the report carries nothing");
    }
    for gateway in &fleet.gateways {
        gateway.store.loads();
    }
    fleet.begin(PLAN).await;
    sleep(POLL).await;
    for name in ["a", "b", "c"] {
        assert_eq!(services(&fleet.memory, name).await, only_auth(), "{name}");
    }
    fleet.order(Verb::Abort { force: false }).await.unwrap();
    sleep(POLL).await;
    for name in ["a", "b", "c"] {
        assert_eq!(services(&fleet.memory, name).await, None, "{name}");
    }
    let loads = fleet.gateways.iter().flat_map(|gateway| gateway.store.loads());
    assert!(loads.min() > Some(0), "loads of changes alone");
}

#[tokio::test(start_paused = true)]
async fn signal_of_the_store_tells_of_a_rollout() {
    let fleet = fleet().await;
    let store = another(&fleet).await;
    fleet.begin(PLAN).await;
    sleep(POLL).await;
    assert_eq!(services(&fleet.memory, "another").await, None, "there was no signal");
    store.signals.send(Signal::Changed).unwrap();
    sleep(POLL).await;
    assert_eq!(services(&fleet.memory, "another").await, only_auth());
}

#[tokio::test(start_paused = true)]
async fn whole_load_tells_of_a_rollout() {
    let fleet = fleet().await;
    let rollout = fleet.begin(PLAN).await;
    // The first load of a gateway is of all splits.
    let store = another(&fleet).await;
    assert_eq!((store.loads(), services(&fleet.memory, "another").await), (vec![0], only_auth()));
    // A store that was restored from a backup is loaded whole as well.
    fleet.order(Verb::Abort { force: false }).await.unwrap();
    assert!(fleet.read(&rollout.stored.id).await.stored.is_over());
    store.signals.send(Signal::Lost).unwrap();
    sleep(POLL).await;
    assert_eq!(store.loads().last(), Some(&0));
    assert_eq!(services(&fleet.memory, "another").await, None);
}

/// The routes of a process that has ended.
#[derive(Debug)]
struct Saved(LastGood);

#[async_trait]
impl SnapshotCache for Saved {
    async fn load(&self) -> Result<Option<LastGood>, Box<dyn Error + Send + Sync>> {
        Ok(Some(self.0.clone()))
    }

    async fn save(&self, _: &LastGood) -> Result<(), Box<dyn Error + Send + Sync>> {
        Ok(())
    }
}

// The revision stands still since the snapshot, so a load of changes does not say it.
#[tokio::test(start_paused = true)]
async fn start_from_a_snapshot_learns_of_a_rollout() {
    let fleet = fleet().await;
    fleet.begin(PLAN).await;
    let snapshot = fleet.memory.load(0).await.unwrap();
    let cache = Saved(LastGood::new(snapshot, std::time::SystemTime::now()));
    let store = Arc::new(FaultyStore::over(Arc::clone(&fleet.memory)));
    store.down.store(true, Ordering::SeqCst);
    let builder = Deployments::builder(Arc::clone(&store), NoVersionCheck).with_replica_name("another");
    let deployments = builder.with_cache(cache).start().await.unwrap();
    tokio::spawn(deployments.run(std::future::pending()));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(services(&fleet.memory, "another").await, None, "the store cannot be reached");
    store.down.store(false, Ordering::SeqCst);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(services(&fleet.memory, "another").await, only_auth());
}
