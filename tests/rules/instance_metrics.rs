//! The metrics of instances that the recorder of the application gets.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::deployments::{Healthy, Unhealthy};
use tower_canary::health::Health;
use tower_canary::routing::{Backend, Change, Instances, Registration};
use tower_canary::store::MemoryStore;
use tower_canary::{Deployments, Target, WeightedVersionLayer};

use crate::metrics::{auth, change, gauge};
use crate::recorded::{Recorded, of, recorded};
use crate::scripted_check::ScriptedCheck;

const A: &str = "http://10.0.0.1";
const B: &str = "http://10.0.0.2";

fn urls(urls: &[&str]) -> Instances {
    Instances::new(urls.iter().map(|url| url.parse().unwrap()).collect()).unwrap()
}

fn register(version: &str, at: &[&str]) -> Change {
    let urls = urls(at);
    let registration = Registration::new(version.parse().unwrap(), urls.first().clone());
    Change::Register(registration.with_instances(urls).with_health_path("/up".parse().unwrap()))
}

/// A gateway that exports to a recorder of its own.
struct Gateway {
    recorder: DebuggingRecorder,
    snapshotter: Snapshotter,
    deployments: Deployments,
    check: ScriptedCheck,
}

impl Gateway {
    /// `auth` with v1.0 at A and B, which its checks find up.
    async fn new(settings: Health) -> Self {
        let gateway = Self::without_versions(settings).await;
        change(&gateway.deployments, register("v1.0", &[A, B])).await;
        sleep(Duration::from_secs(1)).await;
        gateway
    }

    async fn without_versions(settings: Health) -> Self {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let check = ScriptedCheck::default().with_healthy(Healthy { status: 200, took: Duration::ZERO });
        let builder = Deployments::builder(MemoryStore::new(), check.clone()).with_health(settings);
        let deployments = builder.start().await.unwrap();
        tokio::spawn(deployments.clone().run(std::future::pending()));
        Self { recorder, snapshotter, deployments, check }
    }

    async fn set_sick(&self, url: &str, is_sick: bool) {
        self.check.set(url, is_sick.then_some(Unhealthy::Status(503)));
        // An idle service is checked once a minute.
        sleep(Duration::from_secs(90)).await;
    }

    /// Sends requests one after the other. `failing` responds 503.
    async fn send(&self, count: usize, failing: &str) {
        let failing: Backend = failing.parse().unwrap();
        let client = service_fn(|request: Request<()>| {
            let is_failing = request.uri().authority() == Some(failing.authority());
            let status = if is_failing { 503 } else { 200 };
            async move { Ok::<_, Infallible>(Response::builder().status(status).body(String::new()).unwrap()) }
        });
        let target = Target::service(auth());
        let layer = WeightedVersionLayer::new(self.deployments.handle(), target);
        for _ in 0..count {
            layer.layer(client).oneshot(Request::new(())).await.unwrap();
        }
        sleep(Duration::from_millis(100)).await;
    }

    /// The values since the last call.
    fn export(&self) -> Recorded {
        metrics::with_local_recorder(&self.recorder, || self.deployments.record_metrics());
        recorded(&self.snapshotter)
    }
}

/// The instances of v1.0 that are new, up, down and ejected.
fn states(recorded: &Recorded) -> [f64; 4] {
    ["new", "up", "down", "ejected"]
        .map(|state| value(recorded, "canary_instances", &format!("service=auth,state={state},version=v1.0")))
}

#[track_caller]
fn value(recorded: &Recorded, name: &str, labels: &str) -> f64 {
    match of(recorded, name, labels) {
        Some(DebugValue::Gauge(value)) => value.into_inner(),
        other => panic!("{name} {labels}: {other:?}"),
    }
}

#[track_caller]
fn count(recorded: &Recorded, name: &str, labels: &str) -> u64 {
    match of(recorded, name, labels) {
        Some(DebugValue::Counter(count)) => *count,
        other => panic!("{name} {labels}: {other:?}"),
    }
}

fn at(url: &str) -> String {
    format!("service=auth,url={url},version=v1.0")
}

const VERSION: &str = "service=auth,version=v1.0";

#[tokio::test(start_paused = true)]
async fn states_of_instances_are_exported() {
    let gateway = Gateway::new(Health::new()).await;
    let first = gateway.export();
    assert_eq!(states(&first), [0.0, 2.0, 0.0, 0.0]);
    gateway.set_sick(B, true).await;
    let sick = gateway.export();
    assert_eq!(states(&sick), [0.0, 1.0, 1.0, 0.0]);
    let usable = [A, B].map(|url| value(&sick, "canary_instance_usable", &at(url)));
    assert_eq!((usable, value(&sick, "canary_none_usable", VERSION)), ([1.0, 0.0], 0.0));
    assert_eq!(of(&sick, "canary_backend_healthy", VERSION), gauge(1.0).as_ref());
    gateway.set_sick(A, true).await;
    let none = gateway.export();
    assert_eq!(states(&none), [0.0, 0.0, 2.0, 0.0]);
    let usable = [A, B].map(|url| value(&none, "canary_instance_usable", &at(url)));
    assert_eq!((usable, value(&none, "canary_none_usable", VERSION)), ([0.0, 0.0], 1.0));
    assert_eq!(of(&none, "canary_backend_healthy", VERSION), gauge(0.0).as_ref());
}

#[tokio::test(start_paused = true)]
async fn ejections_are_counted_once() {
    let gateway = Gateway::new(Health::new()).await;
    let before = gateway.export();
    for url in [A, B] {
        assert_eq!(count(&before, "canary_instance_ejections_total", &at(url)), 0);
    }
    // After the first failure, B is preferred in one of eight choices only.
    gateway.send(500, B).await;
    let ejected = gateway.export();
    assert_eq!(count(&ejected, "canary_instance_ejections_total", &at(B)), 1);
    assert_eq!(states(&ejected), [0.0, 1.0, 0.0, 1.0]);
    assert_eq!(count(&gateway.export(), "canary_instance_ejections_total", &at(B)), 0);
}

// They are recorded when they end, in the recorder of the thread on which the duty runs.
#[tokio::test(start_paused = true)]
async fn checks_are_counted_by_result() {
    let gateway = Gateway::without_versions(Health::new()).await;
    let _recording = metrics::set_default_local_recorder(&gateway.recorder);
    change(&gateway.deployments, register("v1.0", &[A, B])).await;
    sleep(Duration::from_secs(1)).await;
    let first = gateway.export();
    let passed = format!("result=passed,{VERSION}");
    let failed = format!("result=failed,{VERSION}");
    // At once, and again at a place in the interval that the seed of the instance decides.
    assert!((2..=4).contains(&count(&first, "canary_health_checks_total", &passed)));
    assert_eq!(count(&first, "canary_health_checks_total", &failed), 0);
    gateway.set_sick(B, true).await;
    let sick = gateway.export();
    let counts = [&passed, &failed].map(|labels| count(&sick, "canary_health_checks_total", labels));
    assert!(counts.iter().all(|count| (1..40).contains(count)), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn diverted_requests_are_counted_once() {
    let gateway = Gateway::new(Health::new().failover()).await;
    change(&gateway.deployments, register("v1.1", &["http://10.0.0.8"])).await;
    let weight = Change::set_weight("v1.1".parse().unwrap(), "60".parse().unwrap());
    change(&gateway.deployments, weight).await;
    gateway.set_sick(A, true).await;
    gateway.set_sick(B, true).await;
    assert_eq!(count(&gateway.export(), "canary_diverted_total", VERSION), 0);
    gateway.send(100, A).await;
    let exported = gateway.export();
    assert!((38..=42).contains(&count(&exported, "canary_diverted_total", VERSION)));
    assert_eq!(count(&exported, "canary_diverted_total", "service=auth,version=v1.1"), 0);
    assert_eq!(count(&gateway.export(), "canary_diverted_total", VERSION), 0);
}

#[tokio::test(start_paused = true)]
async fn series_of_a_removed_url_end() {
    let gateway = Gateway::new(Health::new()).await;
    gateway.export();
    change(&gateway.deployments, Change::remove_urls("v1.0".parse().unwrap(), urls(&[B]))).await;
    let removed = gateway.export();
    assert!(value(&removed, "canary_instance_usable", &at(B)).is_nan());
    assert!(value(&removed, "canary_instance_in_flight", &at(B)).abs() < 0.5);
    assert_eq!(states(&removed), [0.0, 1.0, 0.0, 0.0]);
    change(&gateway.deployments, Change::add_urls("v1.0".parse().unwrap(), urls(&[B]))).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(of(&gateway.export(), "canary_instance_usable", &at(B)), gauge(1.0).as_ref());
}

#[tokio::test(start_paused = true)]
async fn series_of_a_removed_version_end() {
    let gateway = Gateway::new(Health::new()).await;
    gateway.export();
    change(&gateway.deployments, Change::force_remove_service()).await;
    let removed = gateway.export();
    for url in [A, B] {
        assert!(value(&removed, "canary_instance_usable", &at(url)).is_nan());
    }
    assert_eq!(states(&removed), [0.0; 4]);
    for name in ["canary_none_usable", "canary_backend_healthy"] {
        assert!(value(&removed, name, VERSION).is_nan(), "{name}");
    }
}

// Registered again between two exports, with one of the URLs.
#[tokio::test(start_paused = true)]
async fn successor_keeps_its_series() {
    let gateway = Gateway::new(Health::new()).await;
    gateway.export();
    change(&gateway.deployments, Change::force_remove_service()).await;
    change(&gateway.deployments, register("v1.0", &[B, "http://10.0.0.3"])).await;
    sleep(Duration::from_secs(1)).await;
    let exported = gateway.export();
    assert!(value(&exported, "canary_instance_usable", &at(A)).is_nan());
    assert_eq!(of(&exported, "canary_instance_usable", &at(B)), gauge(1.0).as_ref());
    assert_eq!(states(&exported), [0.0, 2.0, 0.0, 0.0]);
    assert_eq!(of(&exported, "canary_none_usable", VERSION), gauge(0.0).as_ref());
}

#[tokio::test(start_paused = true)]
async fn single_unchecked_instance_has_no_series() {
    let gateway = Gateway::without_versions(Health::new()).await;
    change(&gateway.deployments, Change::register("v1.0".parse().unwrap(), A.parse().unwrap())).await;
    gateway.send(10, B).await;
    let exported = gateway.export();
    let of_instances =
        ["canary_instance", "canary_none", "canary_diverted", "canary_health", "canary_backend"];
    let found = exported.keys().find(|(name, _)| of_instances.iter().any(|part| name.starts_with(part)));
    assert_eq!(found, None);
}
