//! The listener for operators: the admin API, the console, health and readiness.

use std::time::Duration;

use axum::Router;
use axum::response::Redirect;
use axum::routing::get;
use http::StatusCode;
use tower_canary::admin::{self, AdminAuth, JwtAuth};
use tower_canary::console::{self, Console};
use tower_canary::deployments::Freshness;
use tower_canary::rollout::Rollouts;
use tower_http::timeout::RequestBodyDeadlineLayer;

use crate::failure::Failure;
use crate::health::FirstChecks;
use crate::shutdown::Shutdown;
use crate::token::{AUDIENCE, ISSUER, Secret};

/// Maximum time until a client of the admin API has sent its request body.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// Routes that were not confirmed for this time are reported as degraded.
const MAX_AGE: Duration = Duration::from_secs(10);

/// Maximum time for calls of the admin API to finish, after the last request of a client. A change takes up to 3 s. Streams
/// are cut off.
pub(crate) const DRAIN: Duration = Duration::from_secs(5);

/// Creates the router. `shutdown` is the shutdown of the listener for clients.
pub(crate) fn router(
    rollouts: &Rollouts,
    secret: &Secret,
    checks: FirstChecks,
    shutdown: Shutdown,
) -> Result<Router, Failure> {
    let jwt = JwtAuth::hs256(secret.as_bytes(), ISSUER, AUDIENCE)
        .map_err(|error| Failure::new("cannot use the JWT secret", &error))?;
    let api = admin::router_with_rollouts(rollouts.clone(), AdminAuth::jwt(jwt));
    let console =
        Console::new("../api/v1/admin").map_err(|error| Failure::new("cannot mount the console", &error))?;
    let deployments = rollouts.deployments().clone();
    Ok(Router::new()
        .nest("/api/v1/admin", api)
        .nest_service("/console", console::router::<()>(&console))
        .route("/", get(|| async { Redirect::temporary("/console/") }))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(|| async move { readiness(&deployments.freshness(), &checks, &shutdown) }))
        .layer(RequestBodyDeadlineLayer::new(BODY_TIMEOUT)))
}

/// Returns the response of `/readyz`. Old routes are served as well as new ones, so a gateway is not ready only while it stops,
/// and until it has checked the instances.
fn readiness(freshness: &Freshness, checks: &FirstChecks, shutdown: &Shutdown) -> (StatusCode, String) {
    if shutdown.is_announced() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n".into());
    }
    if !checks.are_over() {
        return (StatusCode::SERVICE_UNAVAILABLE, "checking the instances\n".into());
    }
    let age = freshness.age.as_secs();
    let source = if freshness.from_cache { ", from the snapshot" } else { "" };
    if !freshness.from_cache && freshness.age <= MAX_AGE {
        return (StatusCode::OK, "ok\n".into());
    }
    let text = format!(
        "degraded: the database cannot be reached; serving the routes of {age} seconds ago{source}\n"
    );
    (StatusCode::OK, text)
}
