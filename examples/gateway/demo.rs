//! Two small backends for the demo.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tower_canary::routing::{Change, Registration};
use tower_canary::store::ChangeRequest;
use tower_canary::{Backend, Deployments, VersionName};

use crate::failure::Failure;
use crate::serve;
use crate::shutdown::Shutdown;

pub(crate) const SERVICE: &str = "auth";
const ACTOR: &str = "demo";

/// The versions and their ports. A port that is in use is replaced by a free one.
const VERSIONS: [(&str, u16); 2] = [("v1.0", 9001), ("v1.1", 9002)];

/// Starts the backends, and registers them if the service is unknown. Stored weights stay unchanged.
pub(crate) async fn start(deployments: &Deployments) -> Result<(), Failure> {
    let is_new_service = deployments.handle().route(SERVICE).is_none();
    for (version, port) in VERSIONS {
        let backend = start_backend(version, port).await?;
        publish(deployments, version, backend, is_new_service)
            .await
            .map_err(|error| Failure::new(format!("cannot register {version} of the demo"), &*error))?;
    }
    Ok(())
}

async fn start_backend(version: &'static str, port: u16) -> Result<Backend, Failure> {
    try_start_backend(version, port)
        .await
        .map_err(|error| Failure::new("cannot start a demo backend", &*error))
}

async fn try_start_backend(version: &'static str, port: u16) -> Result<Backend, Box<dyn Error>> {
    let listener = match TcpListener::bind(("127.0.0.1", port)).await {
        Ok(listener) => listener,
        Err(_in_use) => TcpListener::bind("127.0.0.1:0").await?,
    };
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve::run(listener, Shutdown::never(), move |_client| {
        service_fn(move |request| async move { Ok::<_, Infallible>(respond(version, &request)) })
    }));
    Ok(url.parse()?)
}

fn respond(version: &str, request: &Request<Incoming>) -> Response<Full<Bytes>> {
    let text = match request.uri().path() {
        "/healthz" => "ok\n".to_owned(),
        path => format!("{SERVICE} {version} {path}\n"),
    };
    Response::new(Full::from(text))
}

/// Registers the version of a new service. For a stored one, updates the URL if the backend has moved.
async fn publish(
    deployments: &Deployments,
    version: &str,
    backend: Backend,
    is_new_service: bool,
) -> Result<(), Box<dyn Error>> {
    let version: VersionName = version.parse()?;
    let change = if is_new_service {
        Some(registration(version, backend))
    } else {
        url_change(deployments, version, backend)
    };
    if let Some(change) = change {
        deployments.apply(&SERVICE.parse()?, ChangeRequest::new(change, ACTOR)).await?;
    }
    Ok(())
}

fn registration(version: VersionName, backend: Backend) -> Change {
    let mut registration = Registration::new(version, backend);
    registration.health_path = "/healthz".parse().ok();
    Change::Register(registration)
}

/// Returns the change to the new URL. A version that was removed, or that now runs on another machine, stays unchanged.
fn url_change(deployments: &Deployments, version: VersionName, backend: Backend) -> Option<Change> {
    let route = deployments.handle().route(SERVICE)?;
    let stored = route.split().version(version.as_str())?.backend();
    let is_demo_backend = stored.authority().host() == "127.0.0.1";
    (is_demo_backend && *stored != backend).then(|| Change::set_url(version, backend))
}
