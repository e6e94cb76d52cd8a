//! Unit tests of routing that give the same answer every time. `cargo run --example seeded`
//!
//! A seeded draw is one sequence for all threads: the same seed and the same requests give the same choices. The
//! client is a closure, so nothing listens and nothing is slow.

use std::convert::Infallible;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer};

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let deployments = Deployments::in_memory(Draw::Seeded(42));
    register(&deployments, "v1.0", "http://stable").await?;
    register(&deployments, "v1.1", "http://canary").await?;

    assert_eq!(ten(&deployments).await?, "ssssssssss", "registering moves no traffic");
    change(&deployments, Change::set_weight("v1.1".parse()?, "30".parse()?)).await?;
    assert_eq!(ten(&deployments).await?, "csscsscscs", "the same choices each time this runs");
    change(&deployments, Change::switch("v1.1".parse()?)).await?;
    assert_eq!(ten(&deployments).await?, "cccccccccc");
    change(&deployments, Change::switch("v1.0".parse()?)).await?;
    assert_eq!(ten(&deployments).await?, "ssssssssss", "one call rolls back");
    println!("all as expected");
    Ok(())
}

async fn register(deployments: &Deployments, version: &str, url: &str) -> Result<(), Error> {
    change(deployments, Change::register(version.parse()?, url.parse()?)).await
}

async fn change(deployments: &Deployments, change: Change) -> Result<(), Error> {
    deployments.apply(&"auth".parse()?, ChangeRequest::new(change, "a test")).await?;
    Ok(())
}

/// Which versions the next ten requests get: `s` for stable, `c` for canary.
async fn ten(deployments: &Deployments) -> Result<String, Error> {
    let client = service_fn(|request: Request<()>| async move {
        let host = request.uri().host().unwrap_or_default();
        Ok::<_, Infallible>(Response::new(host.chars().take(1).collect::<String>()))
    });
    let layered = WeightedVersionLayer::new(deployments.handle(), Target::path_segment()).layer(client);
    let mut seen = String::new();
    for _ in 0..10 {
        let response = layered.clone().oneshot(Request::get("/auth/login").body(())?).await?;
        seen.extend(response.into_body().into_inner());
    }
    Ok(seen)
}
