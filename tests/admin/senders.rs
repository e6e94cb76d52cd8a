//! The sender of a request, and what a sender who may only read can do.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use futures_util::future::join_all;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};
use tower_canary::Deployments;
use tower_canary::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use tower_canary::routing::{Backend, Change, HealthPath};
use tower_canary::store::{ChangeRequest, MemoryStore};

use crate::support::{Answer, Api, CANARY, claims, now, token};

const CHECK: &str = "/deployment/services/auth/versions/v1.1/check";
const WEIGHT: &str = "/deployment/services/auth/versions/v1.1/weight";

async fn send(api: &Api, scope: &str, method: &str, path: &str, body: Value) -> Answer {
    let mut claims = claims();
    claims["scope"] = json!(scope);
    let mut request = api.request(method, path, Body::from(body.to_string()));
    let bearer = format!("Bearer {}", token(&claims));
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    api.send(request).await
}

#[tokio::test]
async fn whoami_shows_subject_scopes_and_expiry() {
    let api = Api::new().await;
    let answer = api.get("/whoami").await;
    let shown = answer.is_ok();
    assert_eq!(
        (&shown["subject"], &shown["scopes"]),
        (&json!("alice"), &json!(["canary:read", "canary:write"]))
    );
    let expires: tower_canary::api::Timestamp = serde_json::from_value(shown["expiresAt"].clone()).unwrap();
    let seconds = expires.system_time().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((295..=300).contains(&(seconds - now())), "{}", answer.text);
    for scope in ["canary:write", ""] {
        let answer = send(&api, scope, "GET", "/whoami", json!({})).await;
        assert_eq!(answer.is_ok()["scopes"].as_array().unwrap().len(), usize::from(!scope.is_empty()));
    }
}

#[tokio::test]
async fn reader_may_preview() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    let body = json!({"weight": 10});
    for scope in ["canary:read", "canary:write"] {
        let answer = send(&api, scope, "PUT", &format!("{WEIGHT}?dryRun=true"), body.clone()).await;
        assert_eq!(answer.is_ok()["dryRun"], json!(true));
    }
    for query in ["", "?dryRun=false", "?dryRun=True", "?dryRun", "?dryrun=true", "?x=dryRun=true"] {
        let answer = send(&api, "canary:read", "PUT", &format!("{WEIGHT}{query}"), body.clone()).await;
        answer.is_problem(403, "insufficient-scope");
    }
    let twice = send(&api, "canary:read", "PUT", &format!("{WEIGHT}?dryRun=true&dryRun=false"), body).await;
    twice.is_problem(400, "malformed-query");
    let without = send(&api, "", "PUT", &format!("{WEIGHT}?dryRun=true"), json!({"weight": 10})).await;
    without.is_problem(403, "insufficient-scope");
    assert_eq!(api.stored().await, before);
}

#[tokio::test(start_paused = true)]
async fn reader_may_probe_once_per_second() {
    let api = Api::with_two_versions().await;
    let check = async || send(&api, "canary:read", "POST", CHECK, json!({})).await;
    for _ in 0..5 {
        assert_eq!(check().await.is_ok()["healthy"], json!(true));
    }
    assert_eq!(api.probes(), 1);
    api.sicken(CANARY, Unhealthy::Status(503));
    check().await.is_ok();
    sleep(Duration::from_secs(1)).await;
    let (first, second) = tokio::join!(check(), check());
    for sick in [first, second] {
        sick.is_problem(409, "backend-unhealthy");
        let cause = "it responded 503";
        let probe =
            json!({"version": "v1.1", "url": CANARY, "healthy": false, "status": 503, "cause": cause});
        assert_eq!((&sick.json["probe"], &sick.json["probes"]), (&probe, &json!([probe])));
    }
    assert_eq!(api.probes(), 2);
    // A version of its own, and another URL.
    api.post("/deployment/services/auth/versions/v1.0/check", json!({})).await.is_ok();
    api.sicken("http://10.0.0.9", Unhealthy::Status(503));
    let url = json!({"url": "http://10.0.0.9"});
    api.put("/routing/services/auth/versions/v1.1?force=true", url).await.is_ok();
    check().await.is_problem(409, "backend-unhealthy");
    assert_eq!(api.probes(), 4);
}

/// Probes of versions that hang until their time limit.
#[derive(Clone, Debug)]
struct Hanging {
    limit: Duration,
    /// The number of probes so far.
    probes: Arc<AtomicUsize>,
}

impl Hanging {
    fn new() -> Self {
        Self { limit: Duration::from_secs(3), probes: Arc::default() }
    }

    /// An API with a version that is checked so.
    async fn api(&self) -> Api {
        let deployments = Deployments::start(MemoryStore::new(), self.clone()).await.unwrap();
        let register = Change::register("v1.1".parse().unwrap(), "http://10.0.0.1".parse().unwrap());
        deployments.apply(&"auth".parse().unwrap(), ChangeRequest::new(register, "alice")).await.unwrap();
        Api::over(deployments)
    }
}

#[async_trait::async_trait]
impl VersionCheck for Hanging {
    fn admit(&self, _: &Backend) -> Result<(), UrlRefused> {
        Ok(())
    }

    async fn probe(&self, _: &Backend, _: Option<&HealthPath>) -> Result<Option<Healthy>, Unhealthy> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        sleep(self.limit).await;
        Err(Unhealthy::TimedOut(self.limit))
    }
}

#[tokio::test(start_paused = true)]
async fn probe_of_a_hanging_version_is_shared() {
    let hanging = Hanging::new();
    let api = hanging.api().await;
    let started = Instant::now();
    for sick in join_all((0..20).map(|_| send(&api, "canary:read", "POST", CHECK, json!({})))).await {
        sick.is_problem(409, "backend-unhealthy");
    }
    assert_eq!((started.elapsed(), hanging.probes.load(Ordering::SeqCst)), (hanging.limit, 1));
}

// The clients leave before the result. The version has the requests of their probes all the same.
#[tokio::test(start_paused = true)]
async fn abandoned_probe_counts_too() {
    let hanging = Hanging::new();
    let api = hanging.api().await;
    let check = || send(&api, "canary:read", "POST", CHECK, json!({}));
    let started = Instant::now();
    for _ in 0..5 {
        timeout(Duration::from_millis(100), check()).await.unwrap_err();
    }
    assert_eq!(hanging.probes.load(Ordering::SeqCst), 1);
    check().await.is_problem(409, "backend-unhealthy");
    assert_eq!(started.elapsed(), Duration::from_secs(1) + hanging.limit);
    assert_eq!(hanging.probes.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn probes_of_a_change_are_in_its_result() {
    let api = Api::with_two_versions().await;
    let changed = api.put(WEIGHT, json!({"weight": 10})).await;
    let probe = json!([{"version": "v1.1", "url": CANARY, "healthy": true, "status": 200, "latencyMs": 3}]);
    assert_eq!(changed.is_ok()["probes"], probe);
    let again = api.put(WEIGHT, json!({"weight": 20})).await;
    assert_eq!(again.is_ok().get("probes"), None);

    let third = json!({"version": "v1.2", "url": "http://10.0.0.3"});
    api.post("/routing/services/auth/versions", third).await.is_ok();
    api.sicken("http://10.0.0.3", Unhealthy::Unreachable("connection refused".into()));
    let refused = api.post("/deployment/services/auth/versions/v1.2/switch", json!({})).await;
    refused.is_problem(409, "backend-unhealthy");
    let cause = "it cannot be reached (connection refused)";
    let probe = json!({"version": "v1.2", "url": "http://10.0.0.3", "healthy": false, "cause": cause});
    assert_eq!(refused.json["probe"], probe);
}
