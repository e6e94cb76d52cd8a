//! A reverse proxy around [`WeightedVersion`](tower_canary::layer::WeightedVersion), to read and copy from.
//!
//! `cargo run --release --example gateway` starts it on an embedded SQLite file with two demo backends, and prints the curl
//! commands of a whole canary deployment. `--help` lists the options.
//!
//! | file | contents |
//! | --- | --- |
//! | `options.rs` | command line options and environment variables |
//! | `version_check.rs` | the check of backends before they get traffic |
//! | `metrics.rs` | `/metrics` for Prometheus |
//! | `proxy.rs` | the proxy in front of the versions |
//! | `backends.rs` | connections to backends |
//! | `snapshot.rs` | the last published routes in a file, for a start without the database |
//! | `serve.rs`, `tunnels.rs` | connections of clients, and upgraded connections |
//! | `shutdown.rs` | signals and the drain |
//! | `threads.rs` | the threads that serve requests |
//! | `demo.rs`, `guide.rs` | the demo backends and the printed text |
//!
//! The gateway has no TLS: put it behind a TLS terminator. Backends at `https://` need a connector with TLS, see
//! [`HttpProbe::with_client`].
#![expect(clippy::disallowed_methods, reason = "the rule against spawning is for the library")]

mod backends;
mod demo;
mod failure;
mod guide;
mod metrics;
mod options;
mod proxy;
mod serve;
mod shutdown;
mod snapshot;
mod threads;
mod tunnels;
mod version_check;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tower_canary::admin::{self, AdminAuth, JwtAuth};
use tower_canary::deployments::Freshness;
use tower_canary::probe::{HttpProbe, UrlPolicy};
use tower_canary::store::sql::{ConnectError, SqlStore};
use tower_canary::{Deployments, Draw, RoutingHandle};
use tower_http::timeout::RequestBodyDeadlineLayer;

use self::backends::Backends;
use self::failure::Failure;
use self::options::Options;
use self::proxy::VersionProxy;
use self::shutdown::Shutdown;
use self::snapshot::SnapshotFile;
use self::threads::Worker;
use self::tunnels::Tunnels;
use self::version_check::RefuseOwnListeners;

/// A proxy makes many small allocations, and mimalloc is faster at them than the allocator of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Maximum time until a client of the admin API has sent its request body.
const ADMIN_BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Routes that were not confirmed for this time are reported as degraded.
const MAX_AGE: Duration = Duration::from_secs(10);

/// Used if `RUST_LOG` is not set. The library logs each change of a split at `info`.
const DEFAULT_LOG_FILTER: &str = "warn,tower_canary=info";

fn main() -> ExitCode {
    match Options::read().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("gateway: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: Options) -> Result<(), Failure> {
    log_to_stderr();
    let prometheus = metrics::install()?;
    // This runtime serves the admin API and follows the database. Requests are served by threads of their own.
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("cannot start a runtime", &error))?;
    let result = runtime.block_on(gateway(options, prometheus));
    // The drain is over: do not wait for tasks that are still running.
    runtime.shutdown_background();
    result
}

/// Logs to stderr, since stdout is for the guide. Colours are for terminals only: in a file, escape codes are noise.
fn log_to_stderr() {
    let filter =
        tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| DEFAULT_LOG_FILTER.into());
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(ansi).init();
}

async fn gateway(options: Options, prometheus: PrometheusHandle) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals(options.drain)
        .map_err(|error| Failure::new("cannot listen for signals", &error))?;
    let data = bind(&options.listen).await?;
    let admin = bind(&options.admin).await?;
    let policy = UrlPolicy::new().allow_loopback();
    let deployments = start_deployments(&options, policy, [address(&data)?, address(&admin)?]).await?;
    if !options.no_demo {
        demo::start(&deployments).await?;
    }
    let secret = options.secret();
    let workers = start_workers(&options, &secret, deployments.handle(), policy, &shutdown)?;
    let runtimes = workers.iter().map(|worker| worker.runtime.clone()).chain([Handle::current()]).collect();
    let router = admin_router(&deployments, &secret)?.merge(metrics::router(
        deployments.clone(),
        prometheus.clone(),
        runtimes,
    ));
    tokio::spawn(metrics::export(deployments.clone(), prometheus));
    guide::print(&data, &admin, &secret, !options.no_demo)?;

    let serving = async {
        tokio::join!(
            serve_on_workers(workers, data, shutdown.clone()),
            serve::run(admin, shutdown.clone(), move |_client| TowerToHyperService::new(router.clone())),
            deployments.run(shutdown.clone().started()),
        )
    };
    tokio::select! {
        _ = serving => {}
        () = shutdown.clone().forced() => {}
    }
    Ok(())
}

async fn bind(address: &str) -> Result<TcpListener, Failure> {
    serve::listen(address).await.map_err(|error| Failure::new(format!("cannot listen on {address}"), &error))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::new("cannot read the address of a listener", &error))
}

/// Opens the database and publishes its routes.
async fn start_deployments(
    options: &Options,
    policy: UrlPolicy,
    listeners: [SocketAddr; 2],
) -> Result<Deployments, Failure> {
    // The errors name the database without its password.
    let store = open_store(options).await.map_err(|error| cannot_use_database(&error))?;
    // A seeded draw is one sequence for all threads: of any 1,000 requests, a version gets its share within two. The
    // default draw has one sequence per thread, which is cheaper and as exact within each thread.
    let draw = Draw::Seeded(options.seed.unwrap_or_else(rand::random));
    let check = RefuseOwnListeners { probe: HttpProbe::new(policy), listeners };
    let mut builder = Deployments::builder(store, check)
        .with_handle(RoutingHandle::with_draw(draw))
        .with_replica_name(options.name.clone().unwrap_or_else(|| listeners[0].to_string()));
    if let Some(file) = &options.snapshot {
        builder = builder.with_cache(SnapshotFile(file.clone()));
    }
    // The error says that existing routes stay in use, but a start has no routes: report its source instead.
    builder.start().await.map_err(|error| cannot_use_database(error.source().unwrap_or(&error)))
}

async fn open_store(options: &Options) -> Result<SqlStore, ConnectError> {
    let store = match &options.snapshot {
        // The gateway must start from the snapshot if the database is unreachable.
        Some(_) => SqlStore::connect_lazy(&options.database)?,
        None => SqlStore::connect(&options.database).await?,
    };
    Ok(match options.history {
        Some(changes) => store.with_history_limit(changes),
        None => store,
    })
}

fn cannot_use_database(error: &dyn Error) -> Failure {
    Failure::new("cannot use the database", error)
}

/// Starts the threads that serve requests.
fn start_workers(
    options: &Options,
    secret: &str,
    handle: &RoutingHandle,
    policy: UrlPolicy,
    shutdown: &Shutdown,
) -> Result<Vec<Worker>, Failure> {
    let tunnels = Tunnels::default();
    let via = proxy::unique_name();
    (0..options.threads.map_or_else(processors, usize::from))
        .map(|_| {
            // One layer per thread, so that the threads share no reference count.
            let layer = proxy::layer(handle, options, secret)?;
            let backends = Backends::new(policy);
            let proxy = proxy::proxy(&layer, backends.clone(), options, &via, &tunnels)?;
            start_worker(proxy, backends, shutdown.clone(), tunnels.clone())
        })
        .collect()
}

fn start_worker(
    proxy: VersionProxy,
    backends: Backends,
    shutdown: Shutdown,
    tunnels: Tunnels,
) -> Result<Worker, Failure> {
    Worker::start(move |incoming| async move {
        tokio::spawn(backends.close_idle_connections());
        serve::connections(incoming, shutdown, tunnels, move |client| proxy::Connection {
            proxy: proxy.clone(),
            client: client.ip(),
        })
        .await;
    })
    .map_err(|error| Failure::new("cannot start a thread", &error))
}

fn processors() -> usize {
    available_parallelism().map_or(1, NonZero::get)
}

/// Accepts connections for `workers` until the shutdown, then waits until they have finished.
async fn serve_on_workers(workers: Vec<Worker>, listener: TcpListener, shutdown: Shutdown) {
    let mut queues = Vec::new();
    let mut ends = Vec::new();
    for worker in workers {
        queues.push(worker.connections);
        ends.push(worker.ended);
    }
    serve::accept(listener, shutdown, queues).await;
    for ended in ends {
        // An error means that the thread has panicked: it has ended as well.
        let _ = ended.await;
    }
}

fn admin_router(deployments: &Deployments, secret: &str) -> Result<Router, Failure> {
    let jwt = JwtAuth::hs256(secret.as_bytes(), guide::ISSUER, guide::AUDIENCE)
        .map_err(|error| Failure::new("cannot use the JWT secret", &error))?;
    let api = admin::router(deployments.clone(), AdminAuth::jwt(jwt));
    let deployments = deployments.clone();
    Ok(Router::new()
        .nest("/api/v1/admin", api)
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async move { readiness(&deployments.freshness()) }))
        .layer(RequestBodyDeadlineLayer::new(ADMIN_BODY_TIMEOUT)))
}

/// Returns the body of `/readyz`. The status is always 200, since old routes are served as well.
fn readiness(freshness: &Freshness) -> String {
    let age = freshness.age.as_secs();
    if freshness.from_cache {
        return format!(
            "degraded: the database cannot be reached; serving the routes of {age} seconds ago, from the snapshot\n"
        );
    }
    if freshness.age > MAX_AGE {
        return format!(
            "degraded: the database cannot be reached; serving the routes of {age} seconds ago\n"
        );
    }
    "ok\n".into()
}
