//! Versions that come from configuration.

use std::sync::Arc;

use tower_canary::deployments::DeployError;
use tower_canary::routing::{Change, Registration};
use tower_canary::store::{Applied, ChangeRequest, MemoryStore};
use tower_canary::{Deployments, Draw, NoVersionCheck, ServiceName};

use crate::support::*;

fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

async fn replica(store: &Arc<MemoryStore>) -> Deployments {
    Deployments::start(Arc::clone(store), NoVersionCheck).await.unwrap()
}

async fn seed(deployments: &Deployments, registration: Registration) -> Result<Applied, DeployError> {
    deployments.register_if_absent(&auth(), registration, "configuration").await
}

async fn apply(deployments: &Deployments, change: Change) {
    deployments.apply(&auth(), ChangeRequest::new(change, "alice").without_check()).await.unwrap();
}

#[tokio::test]
async fn seeding_twice_changes_nothing() {
    let store = Arc::new(MemoryStore::new());
    let first = replica(&store).await;
    for i in 0..2 {
        seed(&first, registration(i)).await.unwrap();
    }
    apply(&first, set_weight(1, 30.0)).await;
    let restarted = replica(&store).await;
    for i in 0..2 {
        let applied = seed(&restarted, registration(i)).await.unwrap();
        assert_eq!(applied.before, applied.after);
        assert_eq!(applied.revision, 3);
    }
    assert_eq!(restarted.history(&auth(), None, 10).await.unwrap().len(), 3);
    assert_eq!(percents(restarted.handle().route("auth").unwrap().split()), [70.0, 30.0]);
    assert!(restarted.refusals(&auth(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn replicas_that_seed_together_all_succeed() {
    let store = Arc::new(MemoryStore::new());
    let mut replicas = Vec::new();
    for _ in 0..5 {
        replicas.push(replica(&store).await);
    }
    for i in 0..2 {
        for deployments in &replicas {
            let applied = seed(deployments, registration(i)).await.unwrap();
            assert!(applied.after.version(name(i).as_str()).is_some());
            assert!(deployments.handle().route("auth").unwrap().split().version(name(i).as_str()).is_some());
        }
    }
    assert_eq!(replicas[0].history(&auth(), None, 10).await.unwrap().len(), 2);
    assert!(replicas[0].refusals(&auth(), 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_url_is_refused_with_both_urls() {
    let store = Arc::new(MemoryStore::new());
    let first = replica(&store).await;
    let late = replica(&store).await;
    seed(&first, registration(0)).await.unwrap();
    let elsewhere = || Registration::new(name(0), "http://10.9.9.9:8080".parse().unwrap());
    for deployments in [&first, &late] {
        let refused = seed(deployments, elsewhere()).await.unwrap_err();
        assert!(matches!(refused, DeployError::RegisteredElsewhere { .. }));
        let text = refused.to_string();
        assert!(text.contains("http://10.0.0.0:8080") && text.contains("http://10.9.9.9:8080"), "{text}");
    }
    assert_eq!(first.refusals(&auth(), 10).await.unwrap().len(), 2);
}

#[tokio::test]
async fn removed_version_is_seeded_again() {
    let deployments = Deployments::in_memory(Draw::Exact);
    for i in 0..2 {
        seed(&deployments, registration(i)).await.unwrap();
    }
    apply(&deployments, Change::deactivate(name(1))).await;
    apply(&deployments, Change::remove(name(1))).await;
    let applied = seed(&deployments, registration(1)).await.unwrap();
    assert_eq!(percents(&applied.after), [100.0, 0.0]);
}

#[tokio::test]
async fn probe_failure_prints_its_cause_once() {
    let cause = tower_canary::deployments::Unhealthy::Status(503);
    let error = DeployError::Unhealthy { version: name(0), cause };
    assert!(error.to_string().contains("it answered 503"));
    assert!(std::error::Error::source(&error).is_none());
}
