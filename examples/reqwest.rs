//! A reverse proxy whose client is reqwest. `cargo run --example reqwest`
//!
//! It starts two backends and the gateway on free ports, sends requests to the gateway, and prints
//! the responses: of the versions by weight, of an upload, of a backend that is too slow (504), and
//! of one that is not there (502).

use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::routing::{any, get};
use axum::{Router, serve};
use http::{Request, StatusCode};
use reqwest::redirect::Policy;
use tokio::net::TcpListener;
use tower::{Layer, ServiceBuilder};
use tower_canary::proxy::{Proxy, RequestBody};
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer, routing::Change, store::ChangeRequest};
use tower_reqwest::HttpClientLayer;

type BoxError = Box<dyn std::error::Error>;

/// The results of the requests of this example.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Responses {
    /// The number of responses of each version to 20 requests.
    pub(crate) versions: BTreeMap<String, usize>,
    /// The echo of an upload.
    pub(crate) echo: String,
    /// The status of a request that takes longer than the client's timeout.
    pub(crate) slow: StatusCode,
    /// The status of a request to a backend that refuses connections.
    pub(crate) refused: StatusCode,
}

/// The gateway: `/shop/...` goes to a version of the service `shop`.
fn gateway(deployments: &Deployments) -> Result<Router, BoxError> {
    let client = reqwest::Client::builder()
        // A redirect is for the caller to follow: below the layer it would leave the chosen version.
        .redirect(Policy::none())
        // The gateway connects by itself, whatever proxy the environment names.
        .no_proxy()
        .connect_timeout(Duration::from_secs(2))
        .read_timeout(Duration::from_millis(500))
        .build()?;
    let client = ServiceBuilder::new()
        .map_request(|request: Request<RequestBody<Body>>| request.map(reqwest::Body::wrap))
        .layer(HttpClientLayer)
        .service(client);
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::path_segment());
    // Without the check, reqwest's timeouts would look like any other failure: 502 instead of 504.
    let proxy = Proxy::new(layer.layer(client))
        .with_timeout_check(|error| error.downcast_ref().is_some_and(reqwest::Error::is_timeout));
    Ok(Router::new().fallback_service(proxy))
}

/// A backend that responds with the name of its version.
fn backend(version: &'static str) -> Router {
    Router::new()
        .route("/", get(move || async move { version }))
        .route("/echo", any(|body: String| async move { body }))
        .route("/slow", get(|| tokio::time::sleep(Duration::from_secs(60))))
}

/// Serves `app` on a free port and returns its URL.
async fn start(app: Router) -> Result<String, BoxError> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    #[expect(clippy::disallowed_methods, reason = "a program, unlike the library, spawns")]
    tokio::spawn(async move { serve(listener, app).await });
    Ok(url)
}

/// A URL at which no server listens.
async fn closed_url() -> Result<String, BoxError> {
    Ok(format!("http://{}", TcpListener::bind("127.0.0.1:0").await?.local_addr()?))
}

async fn register(
    deployments: &Deployments,
    service: &str,
    version: &str,
    url: &str,
) -> Result<(), BoxError> {
    let change = Change::register(version.parse()?, url.parse()?);
    deployments.apply(&service.parse()?, ChangeRequest::new(change, "reqwest")).await?;
    Ok(())
}

/// Starts two versions of `shop`, with 90 % and 10 % of its requests, and registers a service that is not there.
async fn deploy() -> Result<Deployments, BoxError> {
    let deployments = Deployments::in_memory(Draw::Exact);
    for version in ["v1", "v2"] {
        register(&deployments, "shop", version, &start(backend(version)).await?).await?;
    }
    register(&deployments, "gone", "v1", &closed_url().await?).await?;
    let tenth = Change::set_weight("v2".parse()?, "10".parse()?);
    deployments.apply(&"shop".parse()?, ChangeRequest::new(tenth, "reqwest")).await?;
    Ok(deployments)
}

/// Starts the backends and the gateway, and sends the requests.
pub(crate) async fn run() -> Result<Responses, BoxError> {
    let gateway = start(gateway(&deploy().await?)?).await?;
    let user = reqwest::Client::builder().no_proxy().build()?;
    let mut versions = BTreeMap::new();
    for _ in 0..20 {
        let version = user.get(format!("{gateway}/shop/")).send().await?.text().await?;
        *versions.entry(version).or_default() += 1;
    }
    let upload = user.post(format!("{gateway}/shop/echo")).body("an upload");
    Ok(Responses {
        versions,
        echo: upload.send().await?.text().await?,
        slow: user.get(format!("{gateway}/shop/slow")).send().await?.status(),
        refused: user.get(format!("{gateway}/gone/")).send().await?.status(),
    })
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let responses = run().await?;
    for (version, count) in &responses.versions {
        println!("{version} responded to {count} of 20 requests");
    }
    println!("an upload was echoed: {}", responses.echo);
    println!("a slow backend: {}", responses.slow);
    println!("a backend that is not there: {}", responses.refused);
    Ok(())
}
