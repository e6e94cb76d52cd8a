//! Two tiny backends to try the gateway on.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tower_canary::deployments::DeployError;
use tower_canary::routing::{Change, Registration};
use tower_canary::store::ChangeRequest;
use tower_canary::{Backend, Deployments, ServiceName, VersionName};

use crate::failure::Failure;
use crate::serve;
use crate::shutdown::Shutdown;

pub(crate) const SERVICE: &str = "auth";
const ACTOR: &str = "demo";

/// The versions, and where they listen unless another program does.
const VERSIONS: [(&str, u16); 2] = [("v1.0", 9001), ("v1.1", 9002)];

/// Starts the backends. Registers them if the service is not there yet; else weights stay as they were found.
pub(crate) async fn start(deployments: &Deployments) -> Result<(), Failure> {
    let new = deployments.handle().route(SERVICE).is_none();
    for (version, port) in VERSIONS {
        let backend = listen(version, port).await?;
        let offered = offer(deployments, version, backend, new).await;
        offered.map_err(|error| Failure::new(format!("cannot register the demo's {version}"), &error))?;
    }
    Ok(())
}

async fn listen(version: &'static str, port: u16) -> Result<Backend, Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new("cannot start a demo backend", error);
    let listener = match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => listener,
        Err(_taken) => TcpListener::bind("127.0.0.1:0").await.map_err(|error| failed(&error))?,
    };
    let address = listener.local_addr().map_err(|error| failed(&error))?;
    let answer = move |request| async move { Ok::<_, Infallible>(answer(version, &request)) };
    tokio::spawn(serve::until(listener, Shutdown::never(), move |_| service_fn(answer)));
    format!("http://{address}").parse().map_err(|error| failed(&error))
}

fn answer(version: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let text = match request.uri().path() {
        "/healthz" => "ok\n".to_owned(),
        path => format!("{SERVICE} {version} {path}\n"),
    };
    Response::new(Full::from(text))
}

async fn offer(deployments: &Deployments, name: &str, at: Backend, new: bool) -> Result<(), DeployError> {
    let (Ok(service), Ok(version)) = (SERVICE.parse::<ServiceName>(), name.parse::<VersionName>()) else {
        return Ok(());
    };
    let change = if new { Some(register(version, at)) } else { moved(deployments, version, at) };
    if let Some(change) = change {
        deployments.apply(&service, ChangeRequest::new(change, ACTOR)).await?;
    }
    Ok(())
}

fn register(version: VersionName, backend: Backend) -> Change {
    let mut registration = Registration::new(version, backend);
    registration.health_path = "/healthz".parse().ok();
    Change::Register(registration)
}

/// The change to where the backend is now. A version that was removed, or is served elsewhere by now, is left alone.
fn moved(deployments: &Deployments, version: VersionName, backend: Backend) -> Option<Change> {
    let route = deployments.handle().route(SERVICE)?;
    let known = route.split().version(version.as_str())?.backend();
    let is_demo = known.authority().host() == "127.0.0.1";
    (is_demo && *known != backend).then_some(Change::set_url(version, backend))
}
