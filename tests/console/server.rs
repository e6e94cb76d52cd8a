//! The admin API with the console on a socket, over a store in memory that fails on demand.

use std::collections::HashSet;
use std::convert::Infallible;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::ACCEPT;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::admin::{self, AdminAuth, JwtAuth};
use tower_canary::console::{self, Console};
use tower_canary::deployments::{Builder, Healthy};
use tower_canary::health::Health;
use tower_canary::rollout::{Gate, GateAnswer, Question, Rollouts};
use tower_canary::routing::{Backend, Change, Instances, Registration};
use tower_canary::store::{ChangeRequest, ReplicaRegistry, Report, RouteStore};
use tower_canary::{Deployments, Target, WeightedVersionLayer};

use crate::faulty_store::FaultyStore;
use crate::scripted_check::ScriptedCheck;

pub(crate) const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";

/// Faults between the browser and the API.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    /// Streams are held back, as some proxies do.
    pub(crate) buffers: AtomicBool,
    /// Figures of traffic are not sent at all.
    pub(crate) is_mute: AtomicBool,
    /// No token is accepted any more.
    pub(crate) forgets: AtomicBool,
    /// Reads of a service are not answered.
    pub(crate) is_slow: AtomicBool,
}

/// A reason that tries to be markup, and to turn the text beside it around.
pub(crate) const HOSTILE_REASON: &str = "<img src=x onerror=\"window.hit = 1\">\u{202e}evil";

/// A gate that always fails.
#[derive(Debug)]
struct Failing;

#[async_trait::async_trait]
impl Gate for Failing {
    async fn ask(&self, _: &Question) -> GateAnswer {
        GateAnswer::Fail(HOSTILE_REASON.into())
    }
}

/// A server on a port of its own.
pub(crate) struct Server {
    address: SocketAddr,
    mount: &'static str,
    pub(crate) deployments: Deployments,
    pub(crate) store: Arc<FaultyStore>,
    pub(crate) check: ScriptedCheck,
    pub(crate) faults: Arc<Faults>,
    /// The hosts that respond 500.
    failing: Arc<Mutex<HashSet<String>>>,
}

impl Server {
    /// A server without services.
    pub(crate) async fn empty() -> Self {
        Self::with(jwt(), |console| console).await
    }

    /// A server with the service `checkout`: v2.3.1 at 75 % and v2.4.0, which came after it, at 25 %.
    pub(crate) async fn rolling_out() -> Self {
        let server = Self::empty().await;
        for (version, host) in [("v2.2.0", 1), ("v2.3.1", 2), ("v2.4.0", 3)] {
            server.register("checkout", version, &format!("http://10.0.4.{host}:8080")).await;
        }
        server.change("checkout", Change::switch("v2.3.1".parse().unwrap()), "alice", "release 2.3").await;
        server.change("checkout", Change::deactivate("v2.2.0".parse().unwrap()), "alice", "").await;
        for weight in ["5", "10", "25"] {
            let change = Change::set_weight("v2.4.0".parse().unwrap(), weight.parse().unwrap());
            server.change("checkout", change, "ci", "rollout step").await;
        }
        server
    }

    /// A server that checks the three instances of v1, the only version of `checkout`.
    pub(crate) async fn with_checks() -> Self {
        let health = Health::new()
            .with_interval(Duration::from_millis(200))
            .with_idle_interval(Duration::from_millis(200))
            .with_falls(1);
        let server = Self::start(jwt(), |console| console, |builder| builder.with_health(health)).await;
        let urls: Result<Vec<Backend>, _> =
            (11..=13).map(|host| format!("http://10.0.4.{host}:8080").parse()).collect();
        server.register_instances("v1", urls.unwrap()).await;
        server
    }

    /// A server with 1,000 services. `checkout` has eight versions with twenty instances each, which are checked, and 200
    /// changes.
    pub(crate) async fn large() -> Self {
        let health = Health::new()
            .with_interval(Duration::from_secs(2))
            .with_idle_interval(Duration::from_secs(2))
            .with_falls(1);
        let server = Self::start(jwt(), |console| console, |builder| builder.with_health(health)).await;
        for version in 1..=8 {
            let urls: Result<Vec<Backend>, _> =
                (1..=20).map(|host| format!("http://10.0.{version}.{host}:8080").parse()).collect();
            server.register_instances(&format!("v2.{version}.0"), urls.unwrap()).await;
        }
        let reason = "the sessions ended with the maintenance of the night, see the page of the team";
        for first in (0..96).map(|round| 21 + round % 8) {
            let shares = [first, 50 - first, 15, 12, 10, 7, 5, 1];
            let weights = (1..).zip(shares).map(|(at, share)| {
                (format!("v2.{at}.0").parse().unwrap(), share.to_string().parse().unwrap())
            });
            server.change("checkout", Change::set_weights(weights), "ci", "by the plan").await;
            server.change("checkout", Change::Redraw, "alice@example.com", reason).await;
        }
        server.register_many(999).await;
        server
    }

    async fn register_instances(&self, version: &str, urls: Vec<Backend>) {
        let urls = Instances::new(urls).unwrap();
        let mut registration =
            Registration::new(version.parse().unwrap(), urls.first().clone()).with_instances(urls);
        registration.health_path = Some("/healthz".parse().unwrap());
        self.change("checkout", Change::Register(registration), "ci", "build 8841").await;
    }

    /// Registers the services `service-000`, `service-001` and so on, with one version each.
    pub(crate) async fn register_many(&self, count: usize) {
        for i in 0..count {
            self.register(&format!("service-{i:03}"), "v1", "http://10.0.4.1:8080").await;
        }
    }

    /// A server with v1.0, which has all traffic, and v1.1, which is ready for a rollout.
    pub(crate) async fn with_rollouts() -> Self {
        let server = Self::empty().await;
        for (version, host) in [("v1.0", 1), ("v1.1", 2)] {
            server.register("checkout", version, &format!("http://10.0.4.{host}:8080")).await;
        }
        server
    }

    pub(crate) async fn with(auth: AdminAuth, console: impl FnOnce(Console) -> Console) -> Self {
        Self::start(auth, console, |builder| builder).await
    }

    async fn start(
        auth: AdminAuth,
        console: impl FnOnce(Console) -> Console,
        settings: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let store = Arc::new(FaultyStore::default().with_refusal_log());
        let healthy = Healthy { status: 200, took: Duration::from_millis(3) };
        let check = ScriptedCheck::default().with_healthy(healthy);
        let builder = Deployments::builder(Arc::clone(&store), check.clone()).with_replica_name("gateway-1");
        let deployments = settings(builder).start().await.unwrap();
        tokio::spawn(deployments.clone().run(pending()));
        let faults = Arc::<Faults>::default();
        let rollouts = Rollouts::new(deployments.clone()).with_gate("smoke-test", Failing).unwrap();
        tokio::spawn(rollouts.clone().run(pending()));
        let api =
            admin::router_with_rollouts(rollouts, auth).layer(from_fn_with_state(Arc::clone(&faults), fail));
        let console = console(Console::new("../api/v1/admin").unwrap());
        let app = Router::new()
            .nest("/api/v1/admin", api.clone())
            .nest_service("/console", console::router::<()>(&console))
            .nest("/below/a/prefix/api/v1/admin", api)
            .nest_service("/below/a/prefix/console", console::router::<()>(&console));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, mount: "/console/", deployments, store, check, faults, failing: Arc::default() }
    }

    /// The same server, seen at another path.
    pub(crate) fn at(self, mount: &'static str) -> Self {
        Self { mount, ..self }
    }

    pub(crate) fn console(&self) -> String {
        format!("http://{}{}", self.address, self.mount)
    }

    pub(crate) fn api(&self) -> String {
        format!("http://{}/api/v1/admin", self.address)
    }

    /// A token of alice with all scopes.
    pub(crate) fn token(&self) -> String {
        self.token_with("canary:read canary:write")
    }

    pub(crate) fn token_with(&self, scope: &str) -> String {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let claims = json!({
            "sub": "alice", "iss": "canary", "aud": "canary-admin", "exp": now + 3600, "scope": scope,
        });
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
        jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap()
    }

    pub(crate) async fn register(&self, service: &str, version: &str, url: &str) {
        let change = Change::register(version.parse().unwrap(), url.parse().unwrap());
        self.change(service, change, "ci", "build 8841").await;
    }

    /// Makes a change as another person.
    pub(crate) async fn change(&self, service: &str, change: Change, actor: &str, reason: &str) {
        let mut request = ChangeRequest::new(change, actor);
        request.reason = (!reason.is_empty()).then(|| reason.into());
        self.deployments.apply(&service.parse().unwrap(), request).await.unwrap();
    }

    pub(crate) async fn set_weight(&self, version: &str, weight: &str) {
        let change = Change::set_weight(version.parse().unwrap(), weight.parse().unwrap());
        self.change("checkout", change, "bob", "by hand").await;
    }

    /// Another gateway reports that it serves `revision`.
    pub(crate) async fn report(&self, name: &str, revision: u64) {
        self.store.memory.report(&Report::new(name, name, revision)).await.unwrap();
    }

    /// The gateway is gone.
    pub(crate) async fn withdraw(&self, name: &str) {
        self.store.memory.withdraw(name).await.unwrap();
    }

    /// A change of `checkout` at another gateway, which this one reads from the store.
    pub(crate) async fn change_elsewhere(&self, change: Change) {
        let request = ChangeRequest::new(change, "bob").with_reason("at another gateway").without_check();
        self.store.memory.commit(&"checkout".parse().unwrap(), &request).await.unwrap();
    }

    pub(crate) fn revision(&self) -> u64 {
        self.deployments.freshness().revision
    }

    /// Lets the instances at `host` respond 500.
    pub(crate) fn fail(&self, host: &str) {
        self.failing.lock().unwrap().insert(host.to_owned());
    }

    /// Sends requests to `checkout`.
    pub(crate) async fn requests(&self, count: usize) {
        let failing = Arc::clone(&self.failing);
        let client = service_fn(move |request: http::Request<String>| {
            let fails = failing.lock().unwrap().contains(request.uri().host().unwrap_or_default());
            async move {
                let mut response = http::Response::new(String::from("hello"));
                *response.status_mut() = StatusCode::from_u16(if fails { 500 } else { 200 }).unwrap();
                Ok::<_, Infallible>(response)
            }
        });
        let target = Target::service("checkout".parse().unwrap());
        let client = WeightedVersionLayer::new(self.deployments.handle(), target).layer(client);
        for _ in 0..count {
            let response = client.clone().oneshot(http::Request::get("/").body(String::new()).unwrap()).await;
            let _ = response.unwrap().into_body().collect().await;
        }
    }

    /// Reads from the admin API, with a token.
    pub(crate) async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.api());
        let request =
            reqwest::Client::new().get(url).header("authorization", format!("Bearer {}", self.token()));
        serde_json::from_str(&request.send().await.unwrap().text().await.unwrap()).unwrap()
    }

    /// Sends a body to the admin API, with a token.
    pub(crate) async fn post(&self, path: &str, body: &Value) {
        let request = reqwest::Client::new().post(format!("{}{path}", self.api()));
        let request = request.header("content-type", "application/json").body(body.to_string());
        let request = request.header("authorization", format!("Bearer {}", self.token()));
        let response = request.send().await.unwrap();
        assert!(response.status().is_success(), "{}", response.text().await.unwrap());
    }

    /// The weight of a version of `checkout`, by the admin API.
    pub(crate) async fn weight(&self, version: &str) -> f64 {
        let split = self.get("/deployment/services/checkout/versions").await;
        let versions = split["versions"].as_array().unwrap();
        versions.iter().find(|of| of["version"] == version).unwrap()["weight"].as_f64().unwrap()
    }
}

fn jwt() -> AdminAuth {
    AdminAuth::jwt(JwtAuth::hs256(SECRET, "canary", "canary-admin").unwrap())
}

async fn fail(State(faults): State<Arc<Faults>>, request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_stream = request.headers().get(ACCEPT).is_some_and(|value| value == "text/event-stream");
    let is_held = (is_stream && faults.buffers.load(Ordering::SeqCst))
        || (path.ends_with("/traffic") && faults.is_mute.load(Ordering::SeqCst))
        || (path.ends_with("/versions") && faults.is_slow.load(Ordering::SeqCst));
    if is_held {
        return pending().await;
    }
    if faults.forgets.load(Ordering::SeqCst) {
        let problem =
            json!({"type": "unauthorized", "title": "Unauthorized", "status": 401, "detail": "send a token"});
        return (StatusCode::UNAUTHORIZED, problem.to_string()).into_response();
    }
    next.run(request).await
}
