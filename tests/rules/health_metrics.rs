//! The health of versions that the recorder of the application gets.

use std::time::Duration;

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use tower_canary::Deployments;
use tower_canary::deployments::{Healthy, Unhealthy};
use tower_canary::routing::{Change, RoutingTable};
use tower_canary::store::MemoryStore;

use crate::metrics::{auth, change, gauge};
use crate::recorded::{Recorded, of, recorded};
use crate::scripted_check::ScriptedCheck;

/// Deployments whose v1.1 is found unhealthy by a probe.
async fn probed(recorder: &DebuggingRecorder) -> (Deployments, ScriptedCheck) {
    let healthy = Healthy { status: 200, took: Duration::ZERO };
    let check = ScriptedCheck::default().with_healthy(healthy);
    let store = MemoryStore::new();
    let deployments = Deployments::start(store, check.clone()).await.unwrap();
    for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
        change(&deployments, Change::register(version.parse().unwrap(), url.parse().unwrap())).await;
    }
    check.set("http://10.0.0.2", Some(Unhealthy::Status(500)));
    assert!(deployments.check(&auth(), &"v1.1".parse().unwrap()).await.unwrap()[0].healthy.is_err());
    metrics::with_local_recorder(recorder, || deployments.record_metrics());
    (deployments, check)
}

fn health(recorded: &Recorded) -> Option<f64> {
    match of(recorded, "canary_backend_healthy", "service=auth,version=v1.1")? {
        DebugValue::Gauge(value) => Some(value.into_inner()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn health_of_a_removed_version_ends() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (deployments, check) = probed(&recorder).await;
    assert_eq!(health(&recorded(&snapshotter)), Some(0.0));
    check.set("http://10.0.0.2", None);
    deployments.check(&auth(), &"v1.1".parse().unwrap()).await.unwrap();
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    assert_eq!(health(&recorded(&snapshotter)), Some(1.0));
    change(&deployments, Change::deactivate("v1.1".parse().unwrap())).await;
    change(&deployments, Change::remove("v1.1".parse().unwrap())).await;
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    assert!(health(&recorded(&snapshotter)).is_some_and(f64::is_nan));
}

#[tokio::test]
async fn probe_that_ends_late_brings_no_series_back() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (deployments, _) = probed(&recorder).await;
    let service = auth();
    let version = "v1.1".parse().unwrap();
    let (probe, ()) = tokio::join!(deployments.check(&service, &version), async {
        change(&deployments, Change::deactivate("v1.1".parse().unwrap())).await;
        change(&deployments, Change::remove("v1.1".parse().unwrap())).await;
        metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    });
    assert!(probe.unwrap()[0].healthy.is_err());
    for _ in 0..2 {
        metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    }
    assert!(health(&recorded(&snapshotter)).is_some_and(f64::is_nan));
}

#[tokio::test]
async fn health_of_a_withdrawn_service_ends() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (deployments, _) = probed(&recorder).await;
    deployments.handle().replace(&RoutingTable::default());
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let recorded = recorded(&snapshotter);
    assert!(health(&recorded).is_some_and(f64::is_nan));
    assert_eq!(of(&recorded, "canary_weight", "service=auth,version=v1.0"), gauge(0.0).as_ref());
}

// Registered again between two exports, so the successor has the same labels. Nothing has probed it.
#[tokio::test]
async fn successor_has_no_health_before_its_probe() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (deployments, check) = probed(&recorder).await;
    change(&deployments, Change::force_remove_service()).await;
    change(&deployments, Change::register("v1.1".parse().unwrap(), "http://10.0.0.2".parse().unwrap())).await;
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    let ended = recorded(&snapshotter);
    assert!(health(&ended).is_some_and(f64::is_nan));
    assert_eq!(of(&ended, "canary_weight", "service=auth,version=v1.1"), gauge(100.0).as_ref());
    check.set("http://10.0.0.2", None);
    deployments.check(&auth(), &"v1.1".parse().unwrap()).await.unwrap();
    metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    assert_eq!(health(&recorded(&snapshotter)), Some(1.0));
}

#[tokio::test]
async fn health_of_a_removed_service_ends() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let (deployments, _) = probed(&recorder).await;
    change(&deployments, Change::force_remove_service()).await;
    for _ in 0..2 {
        metrics::with_local_recorder(&recorder, || deployments.record_metrics());
    }
    let ended = recorded(&snapshotter);
    assert!(health(&ended).is_some_and(f64::is_nan));
    assert_eq!(of(&ended, "canary_weight", "service=auth,version=v1.0"), gauge(0.0).as_ref());
}
