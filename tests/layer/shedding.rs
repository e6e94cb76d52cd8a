//! Limits of tower below the layer: how their rejections count.

use std::future::pending;
use std::time::Duration;

use http::{Request, Response, StatusCode};
use tower::limit::ConcurrencyLimit;
use tower::load_shed::{LoadShed, error::Overloaded};
use tower::{BoxError, Layer, Service, ServiceExt, service_fn};
use tower_canary::health::{Health, InstanceState};
use tower_canary::routing::{Change, Instances, Registration};
use tower_canary::store::{ChangeRequest, MemoryStore};
use tower_canary::traffic::Outcome;
use tower_canary::{Deployments, NoVersionCheck};

use crate::support::*;

/// The row of failures after which an instance is ejected.
const ROW: u32 = 5;

/// Registers a version of `auth` with two instances, and follows their health.
async fn two_instances() -> Deployments {
    let health = Health::new().with_row(ROW);
    let deployments = Deployments::builder(MemoryStore::new(), NoVersionCheck).with_health(health);
    let deployments = deployments.start().await.unwrap();
    let urls = ["http://h", "http://i"].map(|url| url.parse().unwrap());
    let instances = Instances::new(urls.to_vec()).unwrap();
    let registration = Registration::new("v1".parse().unwrap(), urls[0].clone()).with_instances(instances);
    let request = ChangeRequest::new(Change::Register(registration), "test");
    deployments.apply(&"auth".parse().unwrap(), request).await.unwrap();
    spawn(deployments.clone().run(pending()));
    deployments
}

/// A client without a free place.
fn full() -> impl Service<Request<()>, Response = Response<String>, Error = BoxError, Future: Send> + Clone {
    let client = service_fn(|_: Request<()>| async { Ok::<_, BoxError>(Response::new(String::new())) });
    LoadShed::new(ConcurrencyLimit::new(client, 0))
}

fn as_429(result: Result<Response<String>, BoxError>) -> Result<Response<String>, BoxError> {
    let mut response = result.unwrap_or_default();
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    Ok(response)
}

/// Sends requests until each instance had more rejections than a row, and lets the duties run.
async fn send<S>(service: S)
where
    S: Service<Request<()>, Error: std::fmt::Debug> + Clone,
{
    for _ in 0..8 * ROW {
        _ = service.clone().oneshot(get("/")).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn states(deployments: &Deployments) -> Vec<InstanceState> {
    let versions = deployments.handle().instances("auth").unwrap();
    versions[0].instances.iter().map(|instance| instance.state).collect()
}

fn count(deployments: &Deployments, outcome: Outcome) -> u64 {
    deployments.handle().traffic("auth").unwrap().versions[0].total.outcome(outcome)
}

#[tokio::test(start_paused = true)]
async fn rejections_as_errors_eject_an_instance() {
    let deployments = two_instances().await;
    let layered = fixed(deployments.handle()).layer(full());
    let error = layered.clone().oneshot(get("/")).await.unwrap_err();
    assert!(error.is::<Overloaded>());
    send(layered).await;
    assert_eq!(count(&deployments, Outcome::Error), u64::from(8 * ROW) + 1);
    let ejected = states(&deployments).into_iter().filter(|state| *state == InstanceState::Ejected);
    assert_eq!(ejected.count(), 1, "at most half of them");
}

#[tokio::test(start_paused = true)]
async fn rejections_as_429_say_nothing_of_instances() {
    let deployments = two_instances().await;
    send(fixed(deployments.handle()).layer(full().map_result(as_429))).await;
    assert_eq!(count(&deployments, Outcome::ClientError), u64::from(8 * ROW));
    assert_eq!(states(&deployments), [InstanceState::Up; 2]);
}

#[tokio::test(start_paused = true)]
async fn rejections_outside_of_the_layer_count_nowhere() {
    let deployments = two_instances().await;
    let shed = LoadShed::new(ConcurrencyLimit::new(fixed(deployments.handle()).layer(Echo), 0));
    send(shed).await;
    assert_eq!(deployments.handle().traffic("auth").unwrap().versions[0].total.requests(), 0);
    assert_eq!(states(&deployments), [InstanceState::Up; 2]);
}
