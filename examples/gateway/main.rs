//! A reverse proxy around [`WeightedVersion`](tower_canary::layer::WeightedVersion), to read and copy from.
//!
//! `cargo run --release --example gateway` starts it on an embedded SQLite file with two demo backends, and prints the curl
//! commands of a whole canary deployment. `--help` lists the options.
//!
//! | file | contents |
//! | --- | --- |
//! | `options.rs`, `values.rs`, `environment.rs` | command line options and environment variables |
//! | `token.rs` | the secret of the admin API |
//! | `pins.rs` | the cookies that keep users with a version, and their secrets |
//! | `admin.rs` | the listener for operators |
//! | `version_check.rs` | the check of backends before they get traffic |
//! | `health.rs` | the health of instances |
//! | `retries.rs`, `attempts.rs` | requests that are sent to another instance |
//! | `rollouts.rs` | the gates of rollouts |
//! | `metrics.rs` | `/metrics` for Prometheus |
//! | `proxy.rs` | the proxy in front of the versions |
//! | `snapshot.rs` | the last published routes in a file, for a start without the database |
//! | `serve.rs`, `connection.rs` | listeners, and connections of clients |
//! | `limits.rs`, `activity.rs`, `heads.rs` | limits for clients: settings of hyper, time, request heads |
//! | `stream.rs`, `requests.rs` | what the limits look at: the bytes of a connection, and its requests |
//! | `tls.rs` | TLS to clients, and its certificate |
//! | `proxy_protocol.rs` | the address of the client, from a balancer that forwards TCP |
//! | `tunnels.rs` | upgraded connections |
//! | `shutdown.rs` | signals and the drain |
//! | `threads.rs` | the threads that serve requests |
//! | `demo.rs`, `guide.rs` | the demo backends and the printed text |
//!
//! Clients speak plain HTTP, or TLS with `--tls-cert` and `--tls-key`. Operators speak plain HTTP. Backends at `https://` are
//! refused. They need the feature `client-tls`, see `docs::cookbook`.
#![expect(clippy::disallowed_methods, reason = "the rule against spawning is for the library")]

mod activity;
mod admin;
mod attempts;
mod connection;
mod demo;
mod environment;
mod failure;
mod guide;
mod heads;
mod health;
mod limits;
mod metrics;
mod options;
mod pins;
mod proxy;
mod proxy_protocol;
mod requests;
mod retries;
mod rollouts;
mod serve;
mod shutdown;
mod snapshot;
mod stream;
mod threads;
mod tls;
mod token;
mod tunnels;
mod values;
mod version_check;

use std::error::Error;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread::available_parallelism;

use axum::Router;
use hyper_util::rt::TokioExecutor;
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Handle};
use tower_canary::deployments::VersionCheck;
use tower_canary::mirror::Mirror;
use tower_canary::probe::{HttpProbe, UrlPolicy};
use tower_canary::rollout::Rollouts;
use tower_canary::store::sql::{ConnectError, SqlStore};
use tower_canary::{Deployments, Draw, RoutingHandle};

use self::connection::ConnectionSettings;
use self::failure::Failure;
use self::health::FirstChecks;
use self::metrics::Exports;
use self::options::Options;
use self::proxy::{Backends, VersionProxy};
use self::retries::Retries;
use self::shutdown::{Shutdown, Stage};
use self::snapshot::SnapshotFile;
use self::threads::Worker;
use self::token::Secret;
use self::tunnels::Tunnels;
use self::version_check::RefuseOwnListeners;

/// A proxy makes many small allocations, and mimalloc is faster at them than the allocator of the system.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let shutdown = Shutdown::on_signals(options.drain_notice, options.drain)
        .map_err(|error| Failure::new("cannot listen for signals", &error))?;
    let data = bind(&options.listen).await?;
    let admin = bind(&options.admin).await?;
    let policy = UrlPolicy::new().allow_loopback();
    let deployments = start_deployments(&options, policy, [address(&data)?, address(&admin)?]).await?;
    let rollouts = options.rollouts.rollouts(deployments.clone(), policy)?;
    let result = serve(&options, policy, [data, admin], rollouts, prometheus, shutdown).await;
    // After a second signal and after an error too: then a SQLite file is the whole database.
    deployments.close().await;
    result
}

/// Serves clients and operators until the end of the shutdown.
async fn serve(
    options: &Options,
    policy: UrlPolicy,
    [data, admin]: [TcpListener; 2],
    rollouts: Rollouts,
    prometheus: PrometheusHandle,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let deployments = rollouts.deployments();
    let faulty = if options.no_demo { None } else { Some(demo::start(deployments).await?) };
    let secret = options.secret();
    let backends =
        Backends::new(policy, TokioExecutor::new()).with_idle_timeout(options.backend_idle_timeout);
    let workers = start_workers(options, &secret, deployments.handle(), &backends, &shutdown)?;
    let runtimes = workers.iter().map(|worker| worker.runtime.clone()).chain([Handle::current()]).collect();
    let checks = FirstChecks::default();
    let exports = Exports::new(&rollouts, prometheus);
    let router = admin::router(&rollouts, &secret, checks.clone(), shutdown.clone())?.merge(metrics::router(
        exports.clone(),
        runtimes,
        backends,
    ));
    tokio::spawn(metrics::export(exports));
    if let Some(tls) = options.tls.loaded() {
        tokio::spawn(Arc::clone(tls).follow_files());
    }
    tokio::spawn(checks.wait(deployments.clone()));
    guide::print([&data, &admin], options, &secret, faulty.as_ref())?;
    let clients = (data, workers);
    let operators = (admin, options.admin_connections(), router);
    tokio::select! {
        () = serve_until_drained(clients, operators, rollouts, shutdown.clone()) => {}
        () = shutdown.forced() => {}
    }
    Ok(())
}

/// Serves clients until `shutdown` and the end of its drain. The admin API, the deployments and the rollouts end after that:
/// until then, an operator can see what the requests in flight are, and the other gateways know that this one still has some.
async fn serve_until_drained(
    (data, workers): (TcpListener, Vec<Worker>),
    (admin, settings, router): (TcpListener, ConnectionSettings, Router),
    rollouts: Rollouts,
    shutdown: Shutdown,
) {
    let (drained, last) = Shutdown::new(admin::DRAIN);
    let clients = async {
        serve_on_workers(workers, data, shutdown).await;
        drained.send_replace(Stage::Draining);
    };
    tokio::join!(
        clients,
        serve::run(admin, settings, last.clone(), move |_client| TowerToHyperService::new(router.clone())),
        rollouts.deployments().clone().run(last.clone().started()),
        rollouts.run(last.started()),
    );
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
    let check = RefuseOwnListeners { probe: HttpProbe::new(policy), listeners };
    if let Some(fallback) = &options.fallback_url {
        check
            .admit(fallback)
            .map_err(|error| Failure::new(format!("cannot fall back to {fallback}"), &error))?;
    }
    // The errors name the database without its password.
    let store = open_store(options).await.map_err(|error| cannot_use_database(&error))?;
    // A seeded draw is one sequence for all threads: of any 1,000 requests, a version gets its share within two. The
    // default draw has one sequence per thread, which is cheaper and as exact within each thread.
    let draw = Draw::Seeded(options.seed.unwrap_or_else(rand::random));
    let mut builder = Deployments::builder(store, check)
        .with_handle(RoutingHandle::with_draw(draw))
        .with_replica_name(options.name.clone().unwrap_or_else(|| listeners[0].to_string()));
    if let Some(url) = options.admin_url.clone() {
        builder = builder.with_admin_url(url);
    }
    if let Some(file) = &options.snapshot {
        builder = builder.with_cache(SnapshotFile(file.clone()));
    }
    if let Some(health) = options.health.settings() {
        builder = builder.with_health(health);
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
    let store = if options.poll_only { store.with_polling_only() } else { store };
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
    secret: &Secret,
    handle: &RoutingHandle,
    backends: &Backends,
    shutdown: &Shutdown,
) -> Result<Vec<Worker>, Failure> {
    let tunnels = Tunnels::default();
    let via = proxy::unique_name();
    // One for all threads, which share its limits.
    let mirror = Mirror::new(TokioExecutor::new()).with_timeout(options.response_timeout);
    (0..options.threads.map_or_else(processors, usize::from))
        .map(|_| {
            // One layer per thread, so that the threads share no reference count.
            let layer = proxy::layer(handle, options, secret, &mirror)?;
            let retries = Retries::new(handle, &options.retries, options.health.failover);
            let proxy = proxy::proxy(&layer, retries, backends.with_own_pool(), options, &via, &tunnels)?;
            start_worker(proxy, options.connections(), shutdown.clone(), tunnels.clone())
        })
        .collect()
}

fn start_worker(
    proxy: VersionProxy,
    settings: ConnectionSettings,
    shutdown: Shutdown,
    tunnels: Tunnels,
) -> Result<Worker, Failure> {
    Worker::start(move |incoming| async move {
        serve::connections(incoming, settings, shutdown, tunnels, move |client| proxy::Connection {
            proxy: proxy.clone(),
            client,
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
