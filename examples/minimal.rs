//! The smallest use: a layer in front of hyper-util's client, routes from code. `cargo run --example minimal`
//!
//! Sends ten requests to <http://127.0.0.1:9001> and <http://127.0.0.1:9002>, which the gateway example serves: start that first.

use bytes::Bytes;
use http_body_util::Empty;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tower::{Layer, ServiceExt};
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer, routing::Change, store::ChangeRequest};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let deployments = Deployments::in_memory(Draw::Exact);
    let auth = "auth".parse()?;
    for (version, url) in [("v1.0", "http://127.0.0.1:9001"), ("v1.1", "http://127.0.0.1:9002")] {
        let register = Change::register(version.parse()?, url.parse()?);
        deployments.apply(&auth, ChangeRequest::new(register, "minimal")).await?;
    }
    let tenth = Change::set_weight("v1.1".parse()?, "10".parse()?);
    deployments.apply(&auth, ChangeRequest::new(tenth, "minimal")).await?;

    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let layered =
        WeightedVersionLayer::new(deployments.handle(), Target::service(auth)).with_choice().layer(client);
    for _ in 0..10 {
        let response = layered.clone().oneshot(http::Request::get("/login").body(Empty::new())?).await?;
        println!(
            "{} {:?}",
            response.status(),
            response.extensions().get::<tower_canary::layer::VersionChoice>()
        );
    }
    Ok(())
}
