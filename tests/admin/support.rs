//! An admin API over a store in memory, a version check with scripted results, and tokens.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;
#[cfg(not(feature = "rollout"))]
use tower_canary::admin::router as mount;
use tower_canary::admin::{AdminAuth, JwtAuth};
use tower_canary::deployments::{Healthy, Unhealthy};
use tower_canary::probe::UrlPolicy;
use tower_canary::store::{Refusal, RefusalLog, RouteStore, Snapshot};
use tower_canary::{Deployments, NoVersionCheck};

use crate::declared::assert_declared;
use crate::faulty_store::FaultyStore;
use crate::scripted_check::ScriptedCheck;

/// The URL of v1.1 in [`Api::with_two_versions`].
pub(crate) const CANARY: &str = "http://10.0.0.2:8080";
pub(crate) const MOUNT: &str = "/api/v1/admin";
pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
pub(crate) const ISSUER: &str = "canary";
pub(crate) const AUDIENCE: &str = "canary-admin";

/// Creates a store that records refused changes, too.
pub(crate) fn faulty_store() -> Arc<FaultyStore> {
    Arc::new(FaultyStore::default().with_refusal_log())
}

/// Starts two gateways on one store, `gateway-1` and `gateway-2`. They run until the runtime ends.
pub(crate) async fn start_two(store: &Arc<FaultyStore>) -> [Deployments; 2] {
    let gateway = async |name: &str| {
        let builder = Deployments::builder(Arc::clone(store), NoVersionCheck).with_replica_name(name);
        let deployments = builder.start().await.unwrap();
        tokio::spawn(deployments.clone().run(std::future::pending()));
        deployments
    };
    [gateway("gateway-1").await, gateway("gateway-2").await]
}

fn scripted_check() -> ScriptedCheck {
    let healthy = Healthy { status: 200, took: Duration::from_millis(3) };
    ScriptedCheck::default().with_healthy(healthy).with_admission(|backend| UrlPolicy::new().check(backend))
}

/// The API of a build with rollouts has them.
#[cfg(feature = "rollout")]
fn mount(deployments: Deployments, auth: AdminAuth) -> Router {
    tower_canary::admin::router_with_rollouts(tower_canary::rollout::Rollouts::new(deployments), auth)
}

pub(crate) struct Api {
    pub(crate) app: Router,
    pub(crate) deployments: Deployments,
    pub(crate) store: Arc<FaultyStore>,
    check: ScriptedCheck,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
    pub(crate) json: Value,
}

impl Api {
    pub(crate) async fn new() -> Self {
        let jwt = JwtAuth::hs256(SECRET, ISSUER, AUDIENCE).unwrap();
        Self::with(AdminAuth::jwt(jwt)).await
    }

    pub(crate) async fn with(auth: AdminAuth) -> Self {
        let store = faulty_store();
        let check = scripted_check();
        let deployments = Deployments::builder(Arc::clone(&store), check.clone())
            .with_replica_name("this")
            .start()
            .await
            .unwrap();
        let app = Router::new().nest(MOUNT, mount(deployments.clone(), auth));
        Self { app, deployments, store, check }
    }

    /// An API over deployments that the test creates.
    pub(crate) fn over(deployments: Deployments) -> Self {
        let auth = AdminAuth::jwt(JwtAuth::hs256(SECRET, ISSUER, AUDIENCE).unwrap());
        let app = Router::new().nest(MOUNT, mount(deployments.clone(), auth));
        Self { app, deployments, store: faulty_store(), check: scripted_check() }
    }

    /// `auth` with v1.0 at 100 and v1.1 at 0: generation 2.
    pub(crate) async fn with_two_versions() -> Self {
        let api = Self::new().await;
        for (version, host) in [("v1.0", 1), ("v1.1", 2)] {
            let body = json!({"version": version, "url": format!("http://10.0.0.{host}:8080")});
            assert_eq!(api.post("/routing/services/auth/versions", body).await.status, 201);
        }
        api
    }

    /// Lets the probes of the instance at `url` fail.
    pub(crate) fn sicken(&self, url: &str, how: Unhealthy) {
        self.check.set(url, Some(how));
    }

    pub(crate) fn probes(&self) -> usize {
        self.check.probes()
    }

    pub(crate) fn take_store_down(&self) {
        self.store.down.store(true, Ordering::SeqCst);
    }

    pub(crate) async fn stored_refusals(&self) -> Vec<Refusal> {
        self.store.memory.refusals(&"auth".parse().unwrap(), None, 9).await.unwrap()
    }

    /// The refused changes on the first page of the history.
    pub(crate) async fn refused(&self) -> Vec<Value> {
        let history = self.get("/deployment/services/auth/history").await;
        history.is_ok()["refused"].as_array().unwrap().clone()
    }

    /// Everything that is stored, and the number of changes.
    pub(crate) async fn stored(&self) -> Snapshot {
        self.store.memory.load(0).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path, Body::empty())).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("PUT", path, Body::from(body.to_string()))).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(self.request("POST", path, Body::from(body.to_string()))).await
    }

    /// A request with every scope.
    pub(crate) fn request(&self, method: &str, path: &str, body: Body) -> Request<Body> {
        Request::builder()
            .method(method)
            .uri(format!("{MOUNT}{path}"))
            .header(AUTHORIZATION, format!("Bearer {}", token(&claims())))
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .unwrap()
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let json = serde_json::from_str(&text).unwrap_or(Value::Null);
        let answer = Answer { status: parts.status, headers: parts.headers, text, json };
        assert_declared(&method, &path, &answer);
        answer
    }

    /// The weights by version.
    pub(crate) async fn weights(&self) -> Value {
        let versions = self.get("/deployment/services/auth/versions").await.json["versions"].take();
        let versions = versions.as_array().unwrap().clone();
        versions
            .into_iter()
            .map(|v| (v["version"].as_str().unwrap().to_owned(), v["weight"].clone()))
            .collect()
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn is_problem(&self, status: u16, kind: &str) {
        assert_eq!((self.status.as_u16(), &self.json["type"]), (status, &json!(kind)), "{}", self.text);
        assert_eq!(self.headers[CONTENT_TYPE], "application/problem+json");
        assert_eq!(self.json["status"], json!(status));
        assert!(self.json["title"].is_string() && self.json["detail"].is_string(), "{}", self.text);
    }

    #[track_caller]
    pub(crate) fn is_ok(&self) -> &Value {
        assert!(self.status.is_success(), "{}: {}", self.status, self.text);
        &self.json
    }
}

pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Claims with every scope.
pub(crate) fn claims() -> Value {
    json!({"sub": "alice", "iss": ISSUER, "aud": AUDIENCE, "exp": now() + 300, "scope": "canary:read canary:write"})
}

pub(crate) fn token(claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), claims, &key).unwrap()
}
