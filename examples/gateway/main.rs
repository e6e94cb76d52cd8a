//! A small reverse proxy around [`WeightedVersion`](tower_canary::layer::WeightedVersion), to be read and copied.
//!
//! `cargo run --release --example gateway` starts it on an embedded SQLite file, with two demo backends, and prints
//! the curl lines of a whole canary deployment. `--help` lists the options.
//!
//! | file | holds |
//! | --- | --- |
//! | `options.rs` | flags and environment variables |
//! | `preflight.rs` | what may be a backend |
//! | `proxy.rs` | one request from the client to a version and back |
//! | `headers.rs` | which headers end at the gateway, and which it adds |
//! | `upload.rs` | time limits that spare a long upload |
//! | `problem.rs` | what the gateway answers by itself |
//! | `snapshot.rs` | the routes served last, to start without the database |
//! | `serve.rs`, `shutdown.rs` | connections, and their end |
//! | `demo.rs`, `guide.rs` | the demo backends, and what is printed |
//!
//! What it leaves to others: TLS (put it behind a terminator, or register `https://` backends with a TLS connector),
//! HTTP/2 to backends, and upgrades: a WebSocket handshake reaches the backend as a plain request.
#![expect(clippy::disallowed_methods, reason = "a program, unlike the library, spawns")]

mod demo;
mod failure;
mod guide;
mod headers;
mod options;
mod preflight;
mod problem;
mod proxy;
mod serve;
mod shutdown;
mod snapshot;
mod upload;

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tower_canary::admin::{self, AdminAuth, JwtAuth};
use tower_canary::deployments::Freshness;
use tower_canary::probe::{HttpProbe, UrlPolicy};
use tower_canary::store::sql::SqlStore;
use tower_canary::{Deployments, Draw, RoutingHandle};
use tower_http::timeout::RequestBodyDeadlineLayer;

use self::failure::Failure;
use self::options::Options;
use self::preflight::NotOurselves;
use self::proxy::Proxy;
use self::shutdown::Shutdown;
use self::snapshot::SnapshotFile;

/// How long a client may take to send the body of a change.
const ADMIN_BODY_LIMIT: Duration = Duration::from_secs(10);

/// Routes of so long ago say that the database is down.
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
    let runtime = runtime(options.threads).map_err(|error| Failure::new("cannot start threads", &error))?;
    let outcome = runtime.block_on(gateway(options));
    // What is still at work after the drain is given up.
    runtime.shutdown_background();
    outcome
}

fn runtime(threads: Option<u16>) -> io::Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Some(threads) = threads {
        builder.worker_threads(threads.into());
    }
    builder.enable_all().build()
}

/// Logs go to stderr, warnings and worse unless `RUST_LOG` says otherwise; stdout has the guide alone.
fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| "warn".into());
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).init();
}

async fn gateway(options: Options) -> Result<(), Failure> {
    let shutdown =
        Shutdown::on_signals().map_err(|error| Failure::new("cannot listen for signals", &error))?;
    let (data, admin) = (bind(&options.listen).await?, bind(&options.admin).await?);
    let policy = UrlPolicy::new().allow_loopback();
    let listeners = [address(&data)?, address(&admin)?];
    let preflight = NotOurselves { probe: HttpProbe::new(policy), listeners };
    let name = options.name.clone().unwrap_or_else(|| listeners[0].to_string());
    let deployments = deployments(&options, preflight, name).await?;
    let secret = options.secret();
    let router = admin_router(&deployments, &secret)?;
    if !options.no_demo {
        demo::start(&deployments).await?;
    }
    let proxy = Proxy::new(deployments.handle(), policy, &options, options.pin(&secret)?);
    guide::print(&data, &admin, &secret, !options.no_demo)?;

    let serving = async {
        tokio::join!(
            serve::until(data, shutdown.clone(), move |peer| proxy.service(peer)),
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

async fn bind(address: &str) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
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
    // One sequence of choices for all threads: of any 1,000 requests a version gets its share to within three. The
    // default draw has a sequence per thread, which is cheaper still, and within two per thread.
    let draw = Draw::Seeded(options.seed.unwrap_or_else(rand::random));
    let store = match &options.snapshot {
        // There may be something to start with, database or not.
        Some(_) => SqlStore::connect_lazy(&options.database),
        None => SqlStore::connect(&options.database).await,
    };
    let store = store.map_err(|error| unusable(&error))?;
    let mut builder = Deployments::builder(store, preflight).with_handle(RoutingHandle::with_draw(draw));
    builder = builder.as_replica(name);
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
