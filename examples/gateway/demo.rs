//! Small backends for the demo: two versions, of which the second one has two instances, and a third one that fails.

use std::convert::Infallible;
use std::error::Error;
use std::future::ready;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::VIA;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::service::service_fn;
use tokio::net::TcpListener;
use tokio::time::sleep;
use tower_canary::routing::{Change, Instances, Registration};
use tower_canary::store::ChangeRequest;
use tower_canary::{Backend, Deployments, VersionName};

use crate::connection::ConnectionSettings;
use crate::failure::Failure;
use crate::requests::ClientBody;
use crate::serve;
use crate::shutdown::{Shutdown, Stage};

pub(crate) const SERVICE: &str = "auth";
const ACTOR: &str = "demo";

/// The versions and the ports of their instances. A port that is in use is replaced by a free one.
const VERSIONS: [(&str, &[u16]); 2] = [("v1.0", &[9001]), ("v1.1", &[9002, 9003])];

/// The version that fails one request in five, and its port. The guide registers it.
const FAULTY: (&str, u16) = ("v1.2", 9004);

/// Time after which a stopped instance starts again.
const STOPPED: Duration = Duration::from_secs(20);

/// Maximum time of the drain of an instance.
const DRAIN: Duration = Duration::from_secs(1);

/// Starts the instances, and registers the versions if the service is unknown. Stored weights stay unchanged. Returns the URL
/// of the version that fails, which is not registered.
pub(crate) async fn start(deployments: &Deployments) -> Result<Backend, Failure> {
    let is_new_service = deployments.handle().route(SERVICE).is_none();
    for (version, ports) in VERSIONS {
        start_version(deployments, version, ports, is_new_service).await?;
    }
    let (faulty, port) = FAULTY;
    let instances = start_version(deployments, faulty, &[port], false).await?;
    Ok(instances.first().clone())
}

async fn start_version(
    deployments: &Deployments,
    version: &'static str,
    ports: &[u16],
    is_new_service: bool,
) -> Result<Instances, Failure> {
    let instances = start_instances(version, ports)
        .await
        .map_err(|error| Failure::new("cannot start a demo backend", &*error))?;
    publish(deployments, version, instances.clone(), is_new_service)
        .await
        .map_err(|error| Failure::new(format!("cannot register {version} of the demo"), &*error))?;
    Ok(instances)
}

async fn start_instances(version: &'static str, ports: &[u16]) -> Result<Instances, Box<dyn Error>> {
    let mut backends = Vec::new();
    for port in ports {
        let listener = match TcpListener::bind(("127.0.0.1", *port)).await {
            Ok(listener) => listener,
            Err(_in_use) => TcpListener::bind("127.0.0.1:0").await?,
        };
        let address = listener.local_addr()?;
        backends.push(format!("http://{address}").parse()?);
        tokio::spawn(run_instance(version, listener, address));
    }
    Ok(Instances::new(backends)?)
}

/// Serves until a request for `/stop`, and again after a pause.
async fn run_instance(version: &'static str, mut listener: TcpListener, address: SocketAddr) {
    loop {
        serve_until_stopped(version, listener).await;
        sleep(STOPPED).await;
        let Ok(again) = TcpListener::bind(address).await else { return };
        listener = again;
    }
}

async fn serve_until_stopped(version: &'static str, listener: TcpListener) {
    let (stop, shutdown) = Shutdown::new(DRAIN);
    let stop = Arc::new(stop);
    let count = Arc::new(AtomicUsize::new(0));
    serve::run(listener, ConnectionSettings::default(), shutdown, move |_client| {
        let stop = Arc::clone(&stop);
        let count = Arc::clone(&count);
        service_fn(move |request| {
            if is_stop(&request) {
                stop.send_replace(Stage::Draining);
            }
            let nth = count.fetch_add(1, Ordering::Relaxed);
            ready(Ok::<_, Infallible>(respond(version, nth, &request)))
        })
    })
    .await;
}

/// Returns whether a request stops the instance: one that comes from the machine itself, without the gateway.
fn is_stop(request: &Request<ClientBody>) -> bool {
    request.method() == Method::POST
        && request.uri().path() == "/stop"
        && !request.headers().contains_key(VIA)
}

/// Responds to the request with this number. The version that fails passes its checks.
fn respond(version: &str, nth: usize, request: &Request<ClientBody>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    if path == "/healthz" {
        return Response::new(Full::from("ok\n"));
    }
    let mut response = Response::new(Full::from(format!("{SERVICE} {version} {path}\n")));
    if version == FAULTY.0 && nth.is_multiple_of(5) {
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    }
    response
}

/// Registers the version of a new service. For a stored one, updates the URLs if an instance has moved.
async fn publish(
    deployments: &Deployments,
    version: &str,
    instances: Instances,
    is_new_service: bool,
) -> Result<(), Box<dyn Error>> {
    let version: VersionName = version.parse()?;
    let change = if is_new_service {
        Some(registration(version, instances))
    } else {
        url_change(deployments, version, instances)
    };
    if let Some(change) = change {
        deployments.apply(&SERVICE.parse()?, ChangeRequest::new(change, ACTOR)).await?;
    }
    Ok(())
}

fn registration(version: VersionName, instances: Instances) -> Change {
    let mut registration = Registration::new(version, instances.first().clone()).with_instances(instances);
    registration.health_path = "/healthz".parse().ok();
    Change::Register(registration)
}

/// Returns the change to the new URLs. A version that was removed, or that now runs on another machine, stays unchanged.
fn url_change(deployments: &Deployments, version: VersionName, instances: Instances) -> Option<Change> {
    let route = deployments.handle().route(SERVICE)?;
    let stored = &route.split().version(version.as_str())?.instances;
    let is_demo = stored.iter().all(|backend| backend.authority().host() == "127.0.0.1");
    (is_demo && *stored != instances).then(|| Change::set_urls(version, instances))
}
