//! The smallest use: a layer around the client for backends, with routes set in code.
//!
//! `cargo run --example minimal`
//!
//! Starts two backends on free ports, sends 10 % of the traffic to the second one, and sends ten requests.

use axum::Router;
use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::rt::TokioExecutor;
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt};
use tower_canary::layer::VersionChoice;
use tower_canary::probe::UrlPolicy;
use tower_canary::upstream::Client;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer, routing::Change, store::ChangeRequest};

type BoxError = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let deployments = Deployments::in_memory(Draw::Exact);
    let auth = "auth".parse()?;
    for version in ["v1.0", "v1.1"] {
        let register = Change::register(version.parse()?, start_backend().await?.parse()?);
        deployments.apply(&auth, ChangeRequest::new(register, "minimal")).await?;
    }
    let ten_percent = Change::set_weight("v1.1".parse()?, "10".parse()?);
    deployments.apply(&auth, ChangeRequest::new(ten_percent, "minimal")).await?;

    let client = Client::<Empty<Bytes>>::new(UrlPolicy::new().allow_loopback(), TokioExecutor::new());
    let service =
        WeightedVersionLayer::new(deployments.handle(), Target::service(auth)).with_choice().layer(client);
    for _ in 0..10 {
        let request = http::Request::get("/login").body(Empty::new())?;
        let response = service.clone().oneshot(request).await?;
        let choice = response.extensions().get::<VersionChoice>().ok_or("no version was chosen")?;
        println!("{} from {}", response.status(), choice.version);
    }
    Ok(())
}

/// Starts a server that responds to every request with 200, and returns its URL.
async fn start_backend() -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    #[expect(clippy::disallowed_methods, reason = "the rule against spawning is for the library")]
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(async || "hello\n")).await });
    Ok(url)
}
