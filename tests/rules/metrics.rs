//! The metrics that the recorder of the application gets.

use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::routing::{Change, Registration, RoutingTable, ServiceName, VersionName};
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer};

use crate::recorded::{Recorded, of, recorded};

pub(crate) fn gauge(value: f64) -> Option<DebugValue> {
    Some(DebugValue::Gauge(value.into()))
}

pub(crate) fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

pub(crate) async fn change(deployments: &Deployments, change: Change) {
    deployments.apply(&auth(), ChangeRequest::new(change, "alice").without_check()).await.unwrap();
}

async fn serving() -> Deployments {
    let deployments = Deployments::in_memory(Draw::Seeded(1));
    for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
        change(&deployments, Change::register(version.parse().unwrap(), url.parse().unwrap())).await;
    }
    change(&deployments, Change::set_weight("v1.1".parse().unwrap(), "10".parse().unwrap())).await;
    deployments
}

async fn send(deployments: &Deployments, count: usize) {
    let client = service_fn(|_: Request<()>| async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Ok::<_, Infallible>(Response::new(String::new()))
    });
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service(auth()));
    for _ in 0..count {
        layer.layer(client).oneshot(Request::new(())).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn version_metrics_are_recorded_once() {
    let recorder = DebuggingRecorder::new();
    let deployments = serving().await;
    let snapshotter = recorder.snapshotter();
    for round in 1..=3 {
        send(&deployments, 100).await;
        metrics::with_local_recorder(&recorder, || deployments.record_metrics());
        let recorded = recorded(&snapshotter);
        let ended = of(&recorded, "canary_requests_total", "outcome=2xx,service=auth,version=v1.1");
        assert_eq!(ended, Some(&DebugValue::Counter(10)), "round {round}");
        let failed = of(&recorded, "canary_requests_total", "outcome=5xx,service=auth,version=v1.1");
        assert_eq!(failed, Some(&DebugValue::Counter(0)));
        let drawn = of(&recorded, "canary_picks_total", "reason=draw,service=auth,version=v1.0");
        assert_eq!(drawn, Some(&DebugValue::Counter(90)));
        let times = of(&recorded, "canary_request_duration_seconds", "service=auth,version=v1.1");
        let Some(DebugValue::Histogram(times)) = times else { panic!("{times:?}") };
        assert_eq!(times.len(), 10);
        assert!(times.iter().all(|time| (time.into_inner() / 0.03 - 1.0).abs() < 0.04), "{times:?}");
        assert_eq!(of(&recorded, "canary_weight", "service=auth,version=v1.1"), gauge(10.0).as_ref());
        assert_eq!(of(&recorded, "canary_in_flight", "service=auth,version=v1.1"), gauge(0.0).as_ref());
        assert_eq!(of(&recorded, "canary_snapshot_revision", ""), gauge(3.0).as_ref());
    }
}

#[tokio::test(start_paused = true)]
async fn series_are_bounded_by_registrations() {
    let recorder = DebuggingRecorder::new();
    let deployments = serving().await;
    let snapshotter = recorder.snapshotter();
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::path_segment());
    let client = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(String::new())) });
    for i in 0..1000 {
        let request =
            Request::get(format!("/auth/{i}?{i}")).header("host", format!("h{i}")).body(()).unwrap();
        layer.layer(client).oneshot(request).await.unwrap();
        layer.layer(client).oneshot(Request::get(format!("/nobody{i}/")).body(()).unwrap()).await.unwrap();
    }
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let recorded = recorded(&snapshotter);
    assert_eq!(of(&recorded, "canary_unknown_service_total", ""), Some(&DebugValue::Counter(1000)));
    // Two versions with eight outcomes, five reasons, a histogram and two gauges each, one counter of the service, and of
    // the gateway itself three metrics, three operations of the store and one for rollouts, and sixteen kinds of change
    // with three results.
    let operations = 3 + usize::from(cfg!(feature = "rollout"));
    assert_eq!(recorded.len(), 2 * (8 + 5 + 1 + 2) + 1 + 3 + operations + 16 * 3);
}

#[tokio::test(start_paused = true)]
async fn removed_version_gauges_end_at_zero() {
    let recorder = DebuggingRecorder::new();
    let deployments = serving().await;
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let v1: VersionName = "v1.1".parse().unwrap();
    change(&deployments, Change::deactivate(v1.clone())).await;
    change(&deployments, Change::remove(v1)).await;
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let recorded = recorded(&snapshotter);
    assert_eq!(of(&recorded, "canary_weight", "service=auth,version=v1.1"), gauge(0.0).as_ref());
    assert_eq!(of(&recorded, "canary_weight", "service=auth,version=v1.0"), gauge(100.0).as_ref());
}

/// The value of a series, and `None` if there is no such series.
fn counted(recorded: &Recorded, name: &str, labels: &str) -> Option<u64> {
    match of(recorded, name, labels)? {
        DebugValue::Counter(count) => Some(*count),
        DebugValue::Histogram(values) => Some(values.len() as u64),
        DebugValue::Gauge(_) => None,
    }
}

// Prometheus sees no increase of a series that begins above 0.
#[tokio::test(start_paused = true)]
async fn counters_exist_before_the_first_request() {
    let recorder = DebuggingRecorder::new();
    let deployments = serving().await;
    let snapshotter = recorder.snapshotter();
    let inactive = Change::register("v2".parse().unwrap(), "http://10.0.0.3".parse().unwrap());
    change(&deployments, inactive).await;
    change(&deployments, Change::deactivate("v2".parse().unwrap())).await;
    let alone = Change::register("v1".parse().unwrap(), "http://10.0.0.4".parse().unwrap());
    let request = ChangeRequest::new(alone, "alice");
    deployments.apply(&"quiet".parse().unwrap(), request).await.unwrap();
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let before = recorded(&snapshotter);
    let version = "service=auth,version=v1.1";
    for (name, labels) in [
        ("canary_requests_total", format!("outcome=5xx,{version}")),
        ("canary_requests_total", format!("outcome=error,{version}")),
        ("canary_picks_total", format!("reason=failover,{version}")),
        ("canary_request_duration_seconds", version.to_owned()),
        ("canary_no_backend_total", "service=auth".to_owned()),
        ("canary_store_errors_total", "op=load".to_owned()),
        ("canary_store_errors_total", "op=apply".to_owned()),
        #[cfg(feature = "rollout")]
        ("canary_store_errors_total", "op=write-rollout".to_owned()),
        ("canary_admin_changes_total", "action=switch,result=failed".to_owned()),
        ("canary_unknown_service_total", String::new()),
    ] {
        assert_eq!(counted(&before, name, &labels), Some(0), "{name} {labels}");
    }
    for (part, what) in [
        ("version=v2", "an inactive version without requests"),
        ("service=quiet", "one version that nobody uses"),
    ] {
        let mut counters = before.keys().filter(|(name, _)| name.ends_with("_total"));
        assert!(!counters.any(|(_, labels)| labels.contains(part)), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn unserved_counter_exists_before_use() {
    let recorder = DebuggingRecorder::new();
    let deployments = Deployments::in_memory(Draw::Seeded(1));
    let snapshotter = recorder.snapshotter();
    let only =
        Registration::new("v1".parse().unwrap(), "http://10.0.0.1".parse().unwrap()).with_active(false);
    change(&deployments, Change::Register(only)).await;
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    assert_eq!(counted(&recorded(&snapshotter), "canary_no_backend_total", "service=auth"), Some(0));
}

#[test]
fn every_kind_of_change_is_counted_from_zero() {
    let recorder = DebuggingRecorder::new();
    let deployments = Deployments::in_memory(Draw::Exact);
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let recorded = recorded(&recorder.snapshotter());
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let source = std::fs::read_to_string(root.join("src/routing/change_text.rs")).unwrap();
    let kinds = source.split("pub const fn kind(").nth(1).unwrap().split("\n    }\n").next().unwrap();
    let mut count = 0;
    for kind in kinds.split('"').skip(1).step_by(2) {
        let labels = format!("action={kind},result=refused");
        assert_eq!(counted(&recorded, "canary_admin_changes_total", &labels), Some(0), "{kind}");
        count += 1;
    }
    assert!(count >= 15, "{count}");
}

#[tokio::test(start_paused = true)]
async fn short_lived_version_is_counted_once() {
    fn switch(version: &str) -> Change {
        Change::switch(version.parse().unwrap())
    }

    let recorder = DebuggingRecorder::new();
    let deployments = serving().await;
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let v2: VersionName = "v1.2".parse().unwrap();
    change(&deployments, Change::register(v2.clone(), "http://10.0.0.3".parse().unwrap())).await;
    change(&deployments, switch("v1.2")).await;
    send(&deployments, 50).await;
    change(&deployments, switch("v1.0")).await;
    change(&deployments, Change::deactivate(v2.clone())).await;
    change(&deployments, Change::remove(v2)).await;
    let mut counted = 0;
    for _ in 0..3 {
        metrics::with_local_recorder(&recorder, || deployments.record_metrics());
        let recorded = recorded(&snapshotter);
        match of(&recorded, "canary_requests_total", "outcome=2xx,service=auth,version=v1.2") {
            Some(DebugValue::Counter(more)) => counted += more,
            None => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(counted, 50);
}

/// Returns the names of metrics in a text.
fn names(text: &str) -> std::collections::BTreeSet<String> {
    let words = text.split(|c: char| !(c.is_ascii_lowercase() || c == '_'));
    let metrics = words.filter(|word| word.starts_with("canary_"));
    metrics.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
}

// It shows no other metric.
#[test]
fn dashboard_shows_every_metric() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let dashboard = std::fs::read_to_string(root.join("examples/grafana/dashboard.json")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&dashboard).unwrap()["panels"].is_array());
    let mut shown = names(&dashboard);
    assert!(shown.insert("canary_snapshot_revision".into()), "a revision says nothing on a dashboard");
    let documented: Vec<_> = std::fs::read_to_string(root.join("src/metrics/mod.rs"))
        .unwrap()
        .lines()
        .filter(|line| line.starts_with("//! | `"))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(shown, names(&documented.join("\n")));
}

// As after a fail-over to a store that lacks the service, and back.
#[tokio::test(start_paused = true)]
async fn returning_service_is_not_counted_again() {
    let recorder = DebuggingRecorder::new();
    let deployments = serving().await;
    let snapshotter = recorder.snapshotter();
    send(&deployments, 100).await;
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let table = deployments.handle().table();
    deployments.handle().replace(&RoutingTable::default());
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    deployments.handle().replace(&table);
    recorded(&snapshotter);
    send(&deployments, 10).await;
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let picks = "reason=draw,service=auth,version=v1.0";
    assert_eq!(of(&recorded(&snapshotter), "canary_picks_total", picks), Some(&DebugValue::Counter(9)));
}

// The last requests before the removal are counted, and a service that is registered again starts at 0.
#[tokio::test(start_paused = true)]
async fn removed_service_is_counted_once() {
    let recorder = DebuggingRecorder::new();
    let deployments = serving().await;
    let snapshotter = recorder.snapshotter();
    let drawn = || {
        metrics::with_local_recorder(&recorder, || deployments.record_metrics());
        let labels = "reason=draw,service=auth,version=v1.0".to_owned();
        recorded(&snapshotter).remove(&("canary_picks_total".to_owned(), labels))
    };
    send(&deployments, 100).await;
    assert_eq!(drawn(), Some(DebugValue::Counter(90)));
    send(&deployments, 10).await;
    change(&deployments, Change::force_remove_service()).await;
    assert_eq!(drawn(), Some(DebugValue::Counter(9)));
    assert_eq!(drawn(), Some(DebugValue::Counter(0)));
    change(&deployments, Change::register("v1.0".parse().unwrap(), "http://10.0.0.1".parse().unwrap())).await;
    send(&deployments, 10).await;
    assert_eq!(drawn(), Some(DebugValue::Counter(10)));
    assert_eq!(drawn(), Some(DebugValue::Counter(0)));
}
