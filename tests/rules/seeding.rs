//! Versions that come from configuration, and choices that come from a seed.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::deployments::DeployError;
use tower_canary::layer::{Affinity, VersionChoice};
use tower_canary::routing::{Change, Registration};
use tower_canary::store::{Applied, ChangeRequest, MemoryStore};
use tower_canary::{Deployments, Draw, NoVersionCheck, ServiceName, Target, WeightedVersionLayer};

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
    assert!(restarted.refusals(&auth(), None, 10).await.unwrap().is_empty());
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
    assert!(replicas[0].refusals(&auth(), None, 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn another_url_is_refused_with_both_urls() {
    let store = Arc::new(MemoryStore::new());
    let first = replica(&store).await;
    let late = replica(&store).await;
    seed(&first, registration(0)).await.unwrap();
    for deployments in [&first, &late] {
        let refused = seed(deployments, Registration::new(name(0), "http://10.9.9.9:8080".parse().unwrap()))
            .await
            .unwrap_err();
        assert!(matches!(refused, DeployError::RegisteredElsewhere { .. }));
        let text = refused.to_string();
        assert!(text.contains("http://10.0.0.0:8080") && text.contains("http://10.9.9.9:8080"), "{text}");
    }
    assert_eq!(first.refusals(&auth(), None, 10).await.unwrap().len(), 2);
}

// The configuration of a restart does not know what operators have scaled since.
#[tokio::test]
async fn scaled_version_is_found() {
    let deployments = Deployments::in_memory(Draw::Exact);
    seed(&deployments, registration(0)).await.unwrap();
    let more: tower_canary::Backend = "http://10.9.9.9:8080".parse().unwrap();
    apply(&deployments, Change::add_urls(name(0), more.clone().into())).await;
    let found = seed(&deployments, registration(0)).await.unwrap();
    assert_eq!((found.before.generation(), found.after.generation()), (2, 2));
    let first = registration(0).instances().clone();
    apply(&deployments, Change::remove_urls(name(0), first)).await;
    let refused = seed(&deployments, registration(0)).await.unwrap_err();
    assert!(matches!(refused, DeployError::RegisteredElsewhere { .. }));
    seed(&deployments, Registration::new(name(0), more)).await.unwrap();
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
    let backend: tower_canary::Backend = "http://10.0.0.1".parse().unwrap();
    let error = DeployError::Unhealthy { version: name(0), causes: vec![(backend.clone(), cause.clone())] };
    assert_eq!(
        error.to_string(),
        "version v0 is not healthy: it responded 503; repair it, or force the change"
    );
    let causes = vec![(backend.clone(), cause.clone()), (backend, cause)];
    let text = DeployError::Unhealthy { version: name(0), causes }.to_string();
    assert_eq!(text.matches("http://10.0.0.1: it responded 503").count(), 2, "{text}");
    assert!(std::error::Error::source(&error).is_none());
}

/// The version that a user gets at 50/50.
async fn version_of(deployments: &Deployments, user: &'static str) -> String {
    let client = service_fn(async |request: Request<()>| {
        let choice = request.extensions().get::<VersionChoice>().unwrap();
        Ok::<_, Infallible>(Response::new(choice.version.to_string()))
    });
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service(auth()))
        .with_choice()
        .with_affinity(Affinity::header(http::HeaderName::from_static("x-user")));
    let request = Request::builder().header("x-user", user).body(()).unwrap();
    let response = layer.layer(client).oneshot(request).await.unwrap();
    response.into_body().into_inner().unwrap()
}

#[tokio::test]
async fn seeded_draw_gives_a_user_one_version() {
    let mut versions = Vec::new();
    for _ in 0..10 {
        let deployments = Deployments::in_memory(Draw::Seeded(42));
        for i in 0..2 {
            apply(&deployments, Change::Register(registration(i))).await;
        }
        apply(&deployments, set_weight(1, 50.0)).await;
        versions.push(version_of(&deployments, "alice").await);
    }
    versions.dedup();
    assert_eq!(versions.len(), 1, "{versions:?}");
}

#[tokio::test]
async fn salt_of_the_request_beats_the_seed() {
    let deployments = Deployments::in_memory(Draw::Seeded(42));
    let register = ChangeRequest::new(Change::Register(registration(0)), "alice").with_salt(7);
    let applied = deployments.apply(&auth(), register).await.unwrap();
    assert_eq!(applied.after.salt(), 7);
}
