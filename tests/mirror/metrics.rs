//! The series of copies.

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw};

use crate::mocks::{Seen, fixed, get, mirror, send, settle};

/// Returns the counts of the series that are called `name`, by the value of `label`, those at 0 included.
fn series(
    recorder: &DebuggingRecorder,
    deployments: &Deployments,
    name: &str,
    label: &str,
) -> Vec<(String, u64)> {
    metrics::with_local_recorder(recorder, || deployments.record_metrics());
    let snapshot = recorder.snapshotter().snapshot().into_vec();
    let mut found = Vec::new();
    for (key, _, _, value) in snapshot {
        let key = key.key();
        let value = match value {
            DebugValue::Counter(count) => count,
            DebugValue::Histogram(times) => times.len() as u64,
            DebugValue::Gauge(_) => continue,
        };
        if key.name() == name {
            let of = key.labels().find(|found| found.key() == label).unwrap();
            found.push((of.value().to_owned(), value));
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn copies_have_series_of_their_own() {
    let recorder = DebuggingRecorder::new();
    let deployments = Deployments::in_memory(Draw::Seeded(1));
    for (name, url) in [("v0", "http://stable"), ("v1", "http://canary")] {
        let register = Change::register(name.parse().unwrap(), url.parse().unwrap());
        deployments.apply(&"auth".parse().unwrap(), ChangeRequest::new(register, "alice")).await.unwrap();
    }
    assert_eq!(series(&recorder, &deployments, "canary_mirror_copies_total", "outcome"), []);
    let on = Change::set_mirror("v1".parse().unwrap(), "100".parse().unwrap());
    deployments.apply(&"auth".parse().unwrap(), ChangeRequest::new(on, "alice")).await.unwrap();
    // They begin at 0, so that the first failure is an increase.
    let before = series(&recorder, &deployments, "canary_mirror_copies_total", "outcome");
    assert_eq!((before.len(), before.iter().map(|(_, count)| count).sum::<u64>()), (8, 0));

    let layer = fixed(deployments.handle()).with_mirror(mirror().with_max_in_flight(1));
    let client = Seen::default().client(|host| match host {
        "stable" => http::StatusCode::OK,
        _ => http::StatusCode::BAD_GATEWAY,
    });
    for _ in 0..2 {
        send(&layer, &client, get("/")).await.unwrap();
        send(&layer, &client, get("/")).await.unwrap();
        settle().await;
    }
    let copies = series(&recorder, &deployments, "canary_mirror_copies_total", "outcome");
    assert_eq!(copies.iter().find(|(outcome, _)| outcome == "5xx"), Some(&("5xx".to_owned(), 2)));
    let picks = series(&recorder, &deployments, "canary_picks_total", "reason");
    assert!(picks.iter().all(|(reason, _)| reason != "mirror"), "shares are computed from these");
}
