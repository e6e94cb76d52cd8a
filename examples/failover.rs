//! Failover: a request whose version cannot be reached is sent to another version.
//!
//! `cargo run --example failover --features failover`
//!
//! Registers two versions at 50 % each. No server listens at the address of the second one. The example sends 100 requests
//! without failover and 100 requests with it. Only requests of which no byte was sent are retried, so a retry is safe for
//! every method.

use axum::Router;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Empty;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::retry::RetryLayer;
use tower::{Service, ServiceBuilder, ServiceExt};
use tower_canary::layer::failover::{Failover, prepare};
use tower_canary::probe::UrlPolicy;
use tower_canary::routing::{Change, Reason};
use tower_canary::upstream::{Client, Error as ClientError};
use tower_canary::{Deployments, Draw, ServiceName, Target, WeightedVersionLayer, store::ChangeRequest};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let deployments = Deployments::in_memory(Draw::Exact);
    let shop: ServiceName = "shop".parse()?;
    let running = TcpListener::bind("127.0.0.1:0").await?;
    let stopped = TcpListener::bind("127.0.0.1:0").await?;
    for (version, listener) in [("v1", &running), ("v2", &stopped)] {
        let url = format!("http://{}", listener.local_addr()?);
        let register = Change::register(version.parse()?, url.parse()?);
        deployments.apply(&shop, ChangeRequest::new(register, "failover")).await?;
    }
    let half = Change::set_weight("v2".parse()?, "50".parse()?);
    deployments.apply(&shop, ChangeRequest::new(half, "failover")).await?;
    drop(stopped);
    #[expect(clippy::disallowed_methods, reason = "the rule against spawning is for the library")]
    tokio::spawn(async move { axum::serve(running, Router::new().fallback(async || "hello\n")).await });

    let policy = UrlPolicy::new().allow_loopback();
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service(shop));
    let without =
        ServiceBuilder::new().layer(layer.clone()).service(Client::new(policy, TokioExecutor::new()));
    println!("without failover: {} of 100 requests failed", failures(without).await?);

    // `prepare` and the retry stand outside of the layer: the layer chooses another version for each attempt.
    let with = ServiceBuilder::new()
        .map_request(prepare)
        .layer(RetryLayer::new(Failover::new(ClientError::is_connect)))
        .layer(layer.with_failover())
        .service(Client::new(policy, TokioExecutor::new()));
    println!("with failover: {} of 100 requests failed", failures(with).await?);
    let retried = deployments.handle().picks("shop", "v1", Reason::Failover).unwrap_or(0);
    println!("{retried} requests were sent to v1 because v2 could not be reached");
    Ok(())
}

/// Sends 100 requests and counts the failed ones.
async fn failures<S, B>(mut service: S) -> Result<usize, BoxError>
where
    S: Service<Request<Empty<Bytes>>, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    let mut failures = 0;
    for _ in 0..100 {
        let request = Request::get("/").body(Empty::new())?;
        let result = service.ready().await.map_err(Into::into)?.call(request).await;
        failures += usize::from(result.is_err());
    }
    Ok(failures)
}
