//! Rollouts that the gateway drives.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::backends::{Backend, backend, named_backend};
use crate::harness::{Gateway, client, empty, full, read};
use crate::wait::wait_until;

const ROLLOUTS: &str = "/deployment/services/auth/rollouts";

/// Starts a backend that responds 500 while it `is_bad`.
async fn canary(is_bad: Arc<AtomicBool>) -> Backend {
    backend(move |_| {
        let is_bad = is_bad.load(Ordering::Relaxed);
        let status = if is_bad { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        async move { Response::builder().status(status).body(full("auth v1.1\n")).unwrap() }
    })
    .await
}

/// Users of one gateway, who send about 50 requests a second until the test stops them.
struct Users {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicUsize>,
    sending: JoinHandle<()>,
}

impl Users {
    /// Only the canary may fail, and nothing after `is_back`.
    fn start(gateway: &Gateway, is_back: Arc<AtomicBool>) -> Self {
        let url = gateway.url("/auth/");
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let sent = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&sent);
        let sending = tokio::spawn(async move {
            let client = client();
            while !stopped.load(Ordering::Relaxed) {
                let was_back = is_back.load(Ordering::Relaxed);
                let request = Request::get(&url).body(empty()).unwrap();
                let response = read(client.request(request).await.unwrap()).await;
                let by_canary = response.text.starts_with("auth v1.1");
                assert!(response.status == StatusCode::OK || by_canary && !was_back, "{response:?}");
                count.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(20)).await;
            }
        });
        Self { stop, sent, sending }
    }

    /// Waits until they have sent more than `count` requests altogether.
    async fn stop_after(self, count: usize) {
        wait_until(Duration::from_secs(120), "the requests are sent", async || {
            self.sending.is_finished() || self.sent.load(Ordering::Relaxed) > count
        })
        .await;
        self.stop.store(true, Ordering::Relaxed);
        self.sending.await.unwrap();
    }
}

/// Waits until both gateways give v1.1 this weight. Returns how long that took.
async fn wait_weight(gateways: &[Gateway; 2], weight: f64, limit: u64) -> Duration {
    wait_until(Duration::from_secs(limit), "the weight of v1.1", async || {
        let mut all = true;
        for gateway in gateways {
            all &= gateway.weights("auth").await["v1.1"] == weight;
        }
        sleep(Duration::from_millis(50)).await;
        all
    })
    .await
}

/// Two gateways on one database with `v1.0` at 100 and `v1.1` at 0, and users of both.
struct Scene {
    gateways: [Gateway; 2],
    users: [Users; 2],
    is_bad: Arc<AtomicBool>,
    is_back: Arc<AtomicBool>,
    _backends: [Backend; 2],
    _dir: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gateways =
            ["here", "there"].map(|name| Gateway::start_in(dir.path(), &["--no-demo", "--name", name]));
        let is_bad = Arc::new(AtomicBool::new(false));
        let backends = [named_backend("v1.0", Duration::ZERO).await, canary(Arc::clone(&is_bad)).await];
        gateways[0].register("auth", "v1.0", &backends[0].url).await;
        gateways[0].register("auth", "v1.1", &backends[1].url).await;
        gateways[0].wait_converged(&gateways[1]).await;
        let is_back = Arc::new(AtomicBool::new(false));
        let users = [0, 1].map(|i| Users::start(&gateways[i], Arc::clone(&is_back)));
        Self { gateways, users, is_bad, is_back, _backends: backends, _dir: dir }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn canary_that_turns_bad_is_back_within_60_s() {
    let scene = Scene::start().await;
    // The first step passes after one window of ten seconds, and the second one lasts longer than the guard needs.
    let plan = json!({
        "version": "v1.1", "then": "stay", "guard": { "leastRequests": 20, "leastWindows": 1 },
        "steps": [{ "weight": 10, "hold": "1s" }, { "weight": 25, "hold": "2m" }],
    });
    let started = scene.gateways[0].admin(Method::POST, ROLLOUTS, plan).await;
    wait_weight(&scene.gateways, 25.0, 60).await;
    scene.is_bad.store(true, Ordering::Relaxed);
    let took = wait_weight(&scene.gateways, 0.0, 60).await;
    println!("back at 0 after {took:?}");
    scene.is_back.store(true, Ordering::Relaxed);
    sleep(Duration::from_secs(1)).await;
    for users in scene.users {
        users.stop_after(1_000).await;
    }
    let id = started["id"].as_str().unwrap();
    let mut counted = 0.0;
    for gateway in &scene.gateways {
        let over = gateway.admin(Method::GET, &format!("{ROLLOUTS}/{id}"), Value::Null).await;
        assert_eq!((&over["phase"], &over["outcome"]), (&json!("over"), &json!("rolled-back")), "{over}");
        assert!(over["why"].as_str().unwrap().starts_with("failed: "), "{over}");
        let rolled_back = gateway.metric("canary_rollouts_total", &["outcome=\"rolled-back\""]).await;
        counted += rolled_back.unwrap_or_default();
    }
    assert_eq!(counted, 1.0, "one gateway ends it");
}

#[tokio::test(flavor = "multi_thread")]
async fn gate_of_the_command_line_is_asked() {
    let is_open = Arc::new(AtomicBool::new(false));
    let answer = Arc::clone(&is_open);
    let gate = backend(move |_| {
        let is_open = answer.load(Ordering::Relaxed);
        let status = if is_open { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        async move { Response::builder().status(status).body(empty()).unwrap() }
    })
    .await;
    let gateway = Gateway::start(&["--no-demo", "--gate", &format!("smoke={}/smoke", gate.url)]);
    let versions = [named_backend("v1.0", Duration::ZERO).await, named_backend("v1.1", Duration::ZERO).await];
    gateway.register("auth", "v1.0", &versions[0].url).await;
    gateway.register("auth", "v1.1", &versions[1].url).await;

    let unknown = json!({ "version": "v1.1", "startGates": ["other"] });
    let (status, problem) = gateway.try_admin(Method::POST, ROLLOUTS, &unknown).await.unwrap();
    assert_eq!((status, &problem["pointer"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("/startGates/0")));

    let plan = json!({ "version": "v1.1", "steps": [10], "startGates": ["smoke"] });
    gateway.admin(Method::POST, ROLLOUTS, plan).await;
    let phase = async || {
        gateway.admin(Method::GET, &format!("{ROLLOUTS}/current"), Value::Null).await["phase"].clone()
    };
    wait_until(Duration::from_secs(10), "the metric of the phase", async || {
        gateway.metric("canary_rollout_phase", &["phase=\"waiting\""]).await == Some(1.0)
    })
    .await;
    assert_eq!((phase().await, gateway.weights("auth").await["v1.1"]), (json!("waiting"), 0.0));
    is_open.store(true, Ordering::Relaxed);
    wait_until(Duration::from_secs(20), "the first step", async || phase().await == "holding").await;
    assert_eq!(gateway.weights("auth").await["v1.1"], 10.0);
}
