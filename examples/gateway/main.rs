//! A small reverse proxy around [`WeightedVersion`](tower_canary::layer::WeightedVersion), to be read and copied.
//!
//! `cargo run --release --example gateway` starts it on an embedded SQLite file, with two demo backends, and prints
//! the curl lines of a whole canary deployment. `--help` lists the options.
//!
//! | file | holds |
//! | --- | --- |
//! | `options.rs` | flags and environment variables |
//! | `preflight.rs` | what may be a backend |
//! | `metrics.rs` | `/metrics`, for Prometheus |
//! | `proxy.rs` | the proxy in front of the versions |
//! | `backends.rs` | connections to backends |
//! | `snapshot.rs` | the routes served last, to start without the database |
//! | `serve.rs`, `tunnels.rs`, `shutdown.rs` | connections, what became of them after an upgrade, and their end |
//! | `threads.rs` | the threads that serve requests |
//! | `demo.rs`, `guide.rs` | the demo backends, and what is printed |
//!
//! It leaves TLS to others: put it behind a terminator. Backends at `https://` would need a connector with TLS.
#![expect(clippy::disallowed_methods, reason = "a program, unlike the library, spawns")]

mod backends;
mod demo;
mod failure;
mod guide;
mod metrics;
mod options;
mod preflight;
mod proxy;
mod serve;
mod shutdown;
mod snapshot;
mod threads;
mod tunnels;

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
use tower_canary::store::sql::SqlStore;
use tower_canary::{Deployments, Draw, RoutingHandle};
use tower_http::timeout::RequestBodyDeadlineLayer;

use self::backends::Backends;
use self::failure::Failure;
use self::options::Options;
use self::preflight::NotOurselves;
use self::shutdown::Shutdown;
use self::snapshot::SnapshotFile;
use self::threads::Worker;
use self::tunnels::Tunnels;

/// Requests are many small allocations, which this one is quicker at than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long a client may take to send the body of a change.
const ADMIN_BODY_LIMIT: Duration = Duration::from_secs(10);

/// Routes older than this mean that the database cannot be reached.
const STALE: Duration = Duration::from_secs(10);

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
    // Requests have threads of their own: this one is for the admin API and for following the database.
    let runtime = Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new("cannot start", &error))?;
    let outcome = runtime.block_on(gateway(options, prometheus));
    // What is still at work after the drain is given up.
    runtime.shutdown_background();
    outcome
}

/// Logs go to stderr, warnings and worse unless `RUST_LOG` says otherwise; stdout has the guide alone. Colours are for
/// terminals: in a file they would be what nobody may get into the log.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(ansi).init();
}

async fn gateway(options: Options, prometheus: PrometheusHandle) -> Result<(), Failure> {
    let shutdown = Shutdown::on_signals(options.drain)
        .map_err(|error| Failure::new("cannot listen for signals", &error))?;
    let (data, admin) = (bind(&options.listen).await?, bind(&options.admin).await?);
    let policy = UrlPolicy::new().allow_loopback();
    let listeners = [address(&data)?, address(&admin)?];
    let preflight = NotOurselves { probe: HttpProbe::new(policy), listeners };
    let name = options.name.clone().unwrap_or_else(|| listeners[0].to_string());
    let deployments = deployments(&options, preflight, name).await?;
    let secret = options.secret();
    if !options.no_demo {
        demo::start(&deployments).await?;
    }
    let workers = workers(&options, &secret, deployments.handle(), policy, &shutdown)?;
    let threads = workers.iter().map(|worker| worker.runtime.clone()).chain([Handle::current()]).collect();
    tokio::spawn(metrics::record(deployments.clone(), prometheus.clone()));
    let metrics = metrics::route(deployments.clone(), prometheus, threads);
    let router = admin_router(&deployments, &secret)?.merge(metrics);
    guide::print(&data, &admin, &secret, !options.no_demo)?;

    let serving = async {
        tokio::join!(
            serve_by(workers, data, shutdown.clone()),
            serve::until(admin, shutdown.clone(), move |_| TowerToHyperService::new(router.clone())),
            deployments.run(shutdown.clone().begun()),
        )
    };
    tokio::select! {
        _ = serving => {}
        () = shutdown.clone().pressed() => {}
    }
    Ok(())
}

/// The threads that serve requests: as many as there are processors, unless the options say otherwise.
fn workers(
    options: &Options,
    secret: &str,
    handle: &RoutingHandle,
    policy: UrlPolicy,
    shutdown: &Shutdown,
) -> Result<Vec<Worker>, Failure> {
    let processors = || available_parallelism().map_or(1, NonZero::get);
    let (tunnels, via) = (Tunnels::default(), proxy::name());
    let worker = |_| {
        let layer = proxy::layer(handle, options, secret)?;
        let backends = Backends::new(policy);
        let proxy = proxy::proxy(&layer, backends.clone(), options, &via, &tunnels)?;
        let (tunnels, shutdown) = (tunnels.clone(), shutdown.clone());
        let work = move |incoming| async move {
            tokio::spawn(backends.tidy());
            serve::connections(incoming, shutdown, tunnels, move |peer: SocketAddr| proxy::Connection {
                proxy: proxy.clone(),
                peer: peer.ip(),
            })
            .await;
        };
        Worker::start(work).map_err(|error| Failure::new("cannot start a thread", &error))
    };
    (0..options.threads.map_or_else(processors, usize::from)).map(worker).collect()
}

async fn serve_by(workers: Vec<Worker>, listener: TcpListener, shutdown: Shutdown) {
    let (threads, ends): (_, Vec<_>) =
        workers.into_iter().map(|worker| (worker.connections, worker.ended)).unzip();
    serve::accept(listener, shutdown, threads).await;
    for ended in ends {
        // Whether it came to its end or was cut off.
        let _ = ended.await;
    }
}

async fn bind(address: &str) -> Result<TcpListener, Failure> {
    let bound = serve::listen(address).await;
    bound.map_err(|error| Failure::new(format!("cannot listen on {address}"), &error))
}

fn address(listener: &TcpListener) -> Result<SocketAddr, Failure> {
    listener.local_addr().map_err(|error| Failure::new("cannot tell the address listened on", &error))
}

async fn deployments(
    options: &Options,
    preflight: NotOurselves,
    name: String,
) -> Result<Deployments, Failure> {
    // The errors say which database it is, without its password.
    let unusable = |error: &dyn Error| Failure::new("cannot use the database", error);
    // One sequence of choices for all threads: of any 1,000 requests a version gets its share to within two. The
    // default draw has a sequence per thread, which is cheaper still, and within two per thread.
    let draw = Draw::Seeded(options.seed.unwrap_or_else(rand::random));
    let store = match &options.snapshot {
        // There may be something to start with, database or not.
        Some(_) => SqlStore::connect_lazy(&options.database),
        None => SqlStore::connect(&options.database).await,
    };
    let mut store = store.map_err(|error| unusable(&error))?;
    if let Some(changes) = options.history {
        store = store.with_history_limit(changes);
    }
    let mut builder = Deployments::builder(store, preflight).with_handle(RoutingHandle::with_draw(draw));
    builder = builder.with_replica_name(name);
    if let Some(file) = &options.snapshot {
        builder = builder.with_cache(SnapshotFile(file.clone()));
    }
    // Nothing is served yet that could be served on: the cause says what to do.
    builder.start().await.map_err(|error| unusable(error.source().unwrap_or(&error)))
}

/// Routes are served whatever their age: whoever asks is told, and none is turned away.
fn readiness(freshness: &Freshness) -> String {
    let age = freshness.age.as_secs();
    if freshness.from_cache {
        format!(
            "degraded: the database cannot be reached; serving the routes of {age} seconds ago, from the snapshot\n"
        )
    } else if freshness.age > STALE {
        format!("degraded: the database cannot be reached; serving the routes of {age} seconds ago\n")
    } else {
        "ok\n".into()
    }
}

fn admin_router(deployments: &Deployments, secret: &str) -> Result<Router, Failure> {
    let jwt = JwtAuth::hs256(secret.as_bytes(), guide::ISSUER, guide::AUDIENCE);
    let jwt = jwt.map_err(|error| Failure::new("cannot use the JWT secret", &error))?;
    let api = admin::router(deployments.clone(), AdminAuth::jwt(jwt));
    let slow_bodies = RequestBodyDeadlineLayer::new(ADMIN_BODY_LIMIT);
    let deployments = deployments.clone();
    Ok(Router::new()
        .nest("/api/v1/admin", api)
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async move { readiness(&deployments.freshness()) }))
        .layer(slow_bodies))
}
