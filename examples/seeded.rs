//! Unit tests of routing with repeatable results.
//!
//! `cargo run --example seeded`
//!
//! A seeded draw is one sequence for all threads: the same seed and the same requests give the same choices. The client is
//! a function, so the tests need no network.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer};

type BoxError = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let deployments = Deployments::in_memory(Draw::Seeded(42));
    apply(&deployments, Change::register("v1.0".parse()?, "http://stable".parse()?)).await?;
    apply(&deployments, Change::register("v1.1".parse()?, "http://canary".parse()?)).await?;
    assert_eq!(ten_choices(&deployments).await?, "ssssssssss", "a registration moves no traffic");

    apply(&deployments, Change::set_weight("v1.1".parse()?, "30".parse()?)).await?;
    assert_eq!(ten_choices(&deployments).await?, "csscsscscs", "the same in every run");

    apply(&deployments, Change::switch("v1.1".parse()?)).await?;
    assert_eq!(ten_choices(&deployments).await?, "cccccccccc");

    apply(&deployments, Change::switch("v1.0".parse()?)).await?;
    assert_eq!(ten_choices(&deployments).await?, "ssssssssss", "one change rolls back");
    println!("all assertions passed");
    Ok(())
}

async fn apply(deployments: &Deployments, change: Change) -> Result<(), BoxError> {
    deployments.apply(&"auth".parse()?, ChangeRequest::new(change, "seeded")).await?;
    Ok(())
}

/// Sends ten requests and returns their versions: `s` for stable, `c` for canary.
async fn ten_choices(deployments: &Deployments) -> Result<String, BoxError> {
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::path_segment());
    let service = layer.layer(service_fn(first_letter_of_host));
    let mut choices = String::new();
    for _ in 0..10 {
        let response = service.clone().oneshot(Request::get("/auth/login").body(())?).await?;
        choices.extend(response.into_body().into_inner());
    }
    Ok(choices)
}

/// A client that sends nothing.
async fn first_letter_of_host(request: Request<()>) -> Result<Response<String>, Infallible> {
    let host = request.uri().host().unwrap_or_default();
    Ok(Response::new(host.chars().take(1).collect()))
}
