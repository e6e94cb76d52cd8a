//! A circuit breaker by load: each instance serves a limited number of requests at a time, and rejects the others at once.
//!
//! `cargo run --example load_shed`
//!
//! tower's `ConcurrencyLimit` and `LoadShed` stand below the layer, one of each for an instance. The example starts two
//! instances that take 100 ms for a response, and sends them bursts of requests. First a rejection stays an error: it counts as a
//! failure of its instance, and an instance is taken out of service after five of them. Then a rejection becomes a response with
//! the status 429, which says nothing of the instance. `docs::cookbook` explains when to use which.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use futures_util::future::join_all;
use http::uri::Authority;
use http::{Request, Response, StatusCode};
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower::limit::ConcurrencyLimit;
use tower::load_shed::{LoadShed, error::Overloaded};
use tower::util::Oneshot;
use tower::{BoxError, Layer, Service, ServiceExt};
use tower_canary::health::Health;
use tower_canary::probe::UrlPolicy;
use tower_canary::routing::{Change, Instances, Registration};
use tower_canary::store::{ChangeRequest, MemoryStore};
use tower_canary::traffic::Outcome;
use tower_canary::upstream::Client;
use tower_canary::{Deployments, NoVersionCheck, ServiceName, Target, WeightedVersionLayer};

/// Requests that an instance serves at a time.
const LIMIT: usize = 4;

/// Requests of a burst.
const BURST: usize = 40;

/// Time that an instance takes for a response.
const WORK: Duration = Duration::from_millis(100);

/// A client that serves a limited number of requests at a time. Its clones share the limit.
type Limited<C> = LoadShed<ConcurrencyLimit<C>>;

/// A client with a limit for each instance. The layer above it has set the authority of the URI to the instance.
#[derive(Clone)]
struct PerInstance<C> {
    client: C,
    limited: Arc<RwLock<HashMap<Option<Authority>, Limited<C>>>>,
}

impl<C: Clone> PerInstance<C> {
    fn new(client: C) -> Self {
        Self { client, limited: Arc::default() }
    }

    /// Returns the client of an instance.
    fn instance(&self, authority: Option<&Authority>) -> Limited<C> {
        let mut limited = self.limited.write().unwrap_or_else(PoisonError::into_inner);
        let instance = limited
            .entry(authority.cloned())
            .or_insert_with(|| LoadShed::new(ConcurrencyLimit::new(self.client.clone(), LIMIT)));
        instance.clone()
    }
}

impl<C, B> Service<Request<B>> for PerInstance<C>
where
    C: Service<Request<B>, Error: Into<BoxError>> + Clone,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Oneshot<Limited<C>, Request<B>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.instance(request.uri().authority()).oneshot(request)
    }
}

/// Makes a rejection a response: 429, a fault of neither the version nor the instance.
fn as_response(result: Result<Response<Body>, BoxError>) -> Result<Response<Body>, BoxError> {
    match result {
        Err(error) if error.is::<Overloaded>() => Ok(StatusCode::TOO_MANY_REQUESTS.into_response()),
        other => other,
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let client = PerInstance::new(Client::new(UrlPolicy::new().allow_loopback(), TokioExecutor::new()));
    let client = client.map_response(|response: Response<_>| response.map(Body::new));

    let deployments = two_instances().await?;
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("shop".parse()?));
    burst(layer.layer(client.clone())).await;
    report("as errors", &deployments);

    let deployments = two_instances().await?;
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("shop".parse()?));
    burst(layer.layer(client.map_result(as_response))).await;
    report("as responses", &deployments);
    Ok(())
}

/// Registers a version of `shop` with two instances, and follows their health.
async fn two_instances() -> Result<Deployments, BoxError> {
    let deployments =
        Deployments::builder(MemoryStore::new(), NoVersionCheck).with_health(Health::new()).start().await?;
    let mut urls = Vec::new();
    for _ in 0..2 {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        urls.push(format!("http://{}", listener.local_addr()?).parse()?);
        let instance = Router::new().fallback(async || sleep(WORK).await);
        #[expect(clippy::disallowed_methods, reason = "the rule against spawning is for the library")]
        tokio::spawn(async move { axum::serve(listener, instance).await });
    }
    let instances = Instances::new(urls)?;
    let registration = Registration::new("v1".parse()?, instances.first().clone()).with_instances(instances);
    let shop: ServiceName = "shop".parse()?;
    deployments.apply(&shop, ChangeRequest::new(Change::Register(registration), "load_shed")).await?;
    #[expect(clippy::disallowed_methods, reason = "the rule against spawning is for the library")]
    tokio::spawn(deployments.clone().run(std::future::pending()));
    Ok(deployments)
}

/// Sends requests at the same time, and then some more: with five failures in a row an instance is ejected.
async fn burst<S, B>(service: S)
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
{
    for _ in 0..2 {
        join_all((0..BURST).map(|_| service.clone().oneshot(Request::new(Body::empty())))).await;
        sleep(2 * WORK).await;
    }
}

fn report(what: &str, deployments: &Deployments) {
    let handle = deployments.handle();
    let Some(traffic) = handle.traffic("shop") else { return };
    let total = &traffic.versions[0].total;
    let [served, rejected, failed] =
        [Outcome::Success, Outcome::ClientError, Outcome::Error].map(|outcome| total.outcome(outcome));
    let versions = handle.instances("shop").unwrap_or_default();
    let states =
        versions.iter().flat_map(|version| &version.instances).map(|instance| instance.state.as_str());
    let states: Vec<_> = states.collect();
    println!(
        "{what}: {served} served, {rejected} responses 429, {failed} errors; the instances are {}",
        states.join(" and ")
    );
}
