//! gRPC: a client that tonic generated, over the layer. `cargo run --example grpc`
//!
//! It starts two servers, makes calls, and ends. A version is chosen per call; a stream stays with its version to its end,
//! whatever becomes of the weights.

use std::collections::BTreeMap;

use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use tonic::transport::server::{Server, TcpIncoming};
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::server::{HealthReporter, health_reporter};
use tower::Layer;
use tower_canary::layer::VersionChoice;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer, routing::Change, store::ChangeRequest};

type BoxError = Box<dyn std::error::Error>;

/// A server of tonic's health service, to be told how it is.
async fn server() -> Result<(String, HealthReporter), BoxError> {
    let incoming = TcpIncoming::bind("127.0.0.1:0".parse()?)?;
    let url = format!("http://{}", incoming.local_addr()?);
    let (reporter, health) = health_reporter();
    #[expect(clippy::disallowed_methods, reason = "a program, unlike the library, spawns")]
    tokio::spawn(Server::builder().serve_with_incoming(health, incoming));
    Ok((url, reporter))
}

fn version_of<T>(answer: &tonic::Response<T>) -> Result<String, BoxError> {
    let choice = answer.extensions().get::<VersionChoice>().ok_or("no version was chosen")?;
    Ok(choice.version.to_string())
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let (deployments, orders) = (Deployments::in_memory(Draw::Exact), "orders".parse()?);
    let mut servers = BTreeMap::new();
    for version in ["v1", "v2"] {
        let (url, reporter) = server().await?;
        servers.insert(version.to_owned(), reporter);
        let register = Change::register(version.parse()?, url.parse()?);
        deployments.apply(&orders, ChangeRequest::new(register, "grpc")).await?;
    }
    let fifth = Change::set_weight("v2".parse()?, "20".parse()?);
    deployments.apply(&orders, ChangeRequest::new(fifth, "grpc")).await?;

    // Not tonic's `Channel`, which would put an address of its own in place of the version's.
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
    let target = Target::service(orders.clone());
    let layered = WeightedVersionLayer::new(deployments.handle(), target).with_choice().layer(client);
    let mut health = HealthClient::new(layered);

    let mut split = BTreeMap::<_, u32>::new();
    for _ in 0..100 {
        let answer = health.check(HealthCheckRequest::default()).await?;
        *split.entry(version_of(&answer)?).or_default() += 1;
    }
    println!("of 100 calls went {split:?}");

    let answer = health.watch(HealthCheckRequest::default()).await?;
    let version = version_of(&answer)?;
    let mut stream = answer.into_inner();
    println!("a stream from {version} says {:?}", stream.message().await?.map(|now| now.status()));
    let other = if version == "v1" { "v2" } else { "v1" };
    let switch = Change::switch(other.parse()?);
    deployments.apply(&orders, ChangeRequest::new(switch, "grpc")).await?;
    servers[&version].set_service_status("", ServingStatus::NotServing).await;
    println!("after a switch to {other} it says {:?}", stream.message().await?.map(|now| now.status()));
    let in_flight = || deployments.handle().in_flight("orders", &version);
    println!("in flight at {version}: {:?}", in_flight());
    drop(stream);
    println!("and once the stream has ended: {:?}", in_flight());
    Ok(())
}
