//! The metrics that the recorder of the application gets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use http::{Request, Response};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::routing::{Change, RoutingTable, ServiceName};
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer};

type Recorded = BTreeMap<(String, String), DebugValue>;

/// The values recorded since the last call, by name and sorted labels.
fn recorded(snapshotter: &Snapshotter) -> Recorded {
    let series = snapshotter.snapshot().into_vec().into_iter().map(|(key, _, description, value)| {
        let (_, key) = key.into_parts();
        assert!(description.is_some(), "{key} has no description");
        let mut labels: Vec<_> =
            key.labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        ((key.name().to_owned(), labels.join(",")), value)
    });
    series.collect()
}

fn of<'a>(recorded: &'a Recorded, name: &str, labels: &str) -> Option<&'a DebugValue> {
    recorded.get(&(name.to_owned(), labels.to_owned()))
}

fn gauge(value: f64) -> Option<DebugValue> {
    Some(DebugValue::Gauge(value.into()))
}

fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

async fn change(deployments: &Deployments, change: Change) {
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
    let (recorder, deployments) = (DebuggingRecorder::new(), serving().await);
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
        assert_eq!(of(&recorded, "canary_snapshot_revision", ""), gauge(0.0).as_ref());
    }
}

#[tokio::test(start_paused = true)]
async fn series_are_bounded_by_registrations() {
    let (recorder, deployments) = (DebuggingRecorder::new(), serving().await);
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
    // Two versions with eight outcomes, five reasons, a histogram and two gauges each, and three metrics of the gateway itself.
    assert_eq!(recorded.len(), 2 * (8 + 5 + 1 + 2) + 3);
}

#[tokio::test(start_paused = true)]
async fn removed_version_gauges_end_at_zero() {
    let (recorder, deployments) = (DebuggingRecorder::new(), serving().await);
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let v1 = || "v1.1".parse().unwrap();
    change(&deployments, Change::deactivate(v1())).await;
    change(&deployments, Change::remove(v1())).await;
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let recorded = recorded(&snapshotter);
    assert_eq!(of(&recorded, "canary_weight", "service=auth,version=v1.1"), gauge(0.0).as_ref());
    assert_eq!(of(&recorded, "canary_weight", "service=auth,version=v1.0"), gauge(100.0).as_ref());
}

#[tokio::test(start_paused = true)]
async fn short_lived_version_is_counted_once() {
    let (recorder, deployments) = (DebuggingRecorder::new(), serving().await);
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let v2 = || "v1.2".parse().unwrap();
    let switch = |version: &str| Change::switch(version.parse().unwrap());
    change(&deployments, Change::register(v2(), "http://10.0.0.3".parse().unwrap())).await;
    change(&deployments, switch("v1.2")).await;
    send(&deployments, 50).await;
    change(&deployments, switch("v1.0")).await;
    change(&deployments, Change::deactivate(v2())).await;
    change(&deployments, Change::remove(v2())).await;
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

// It shows no other metric.
#[test]
fn dashboard_shows_every_metric() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read_to_string(root.join(path)).unwrap();
    let names = |text: &str| -> std::collections::BTreeSet<String> {
        let word = |c: char| !(c.is_ascii_lowercase() || c == '_');
        let words = text.split(word).filter(|word| word.starts_with("canary_"));
        words.map(|word| word.trim_end_matches("_bucket").to_owned()).collect()
    };
    let dashboard = read("examples/grafana/dashboard.json");
    assert!(serde_json::from_str::<serde_json::Value>(&dashboard).unwrap()["panels"].is_array());
    let mut shown = names(&dashboard);
    assert!(shown.insert("canary_snapshot_revision".into()), "a revision says nothing on a dashboard");
    let documented: Vec<_> = read("src/metrics/mod.rs")
        .lines()
        .filter(|line| line.starts_with("//! | `"))
        .map(ToOwned::to_owned)
        .collect();
    assert_eq!(shown, names(&documented.join("\n")));
}

// As after a fail-over to a store that lacks the service, and back.
#[tokio::test(start_paused = true)]
async fn returning_service_is_not_counted_again() {
    let (recorder, deployments) = (DebuggingRecorder::new(), serving().await);
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
