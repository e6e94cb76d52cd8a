//! The mirror of a service.

use axum::body::Body;
use serde_json::{Value, json};
use tower_canary::api::{HistoryPage, SplitView, TrafficView};

use crate::log::Log;
use crate::support::{Answer, Api};

const AUTH: &str = "/deployment/services/auth";
const MIRROR: &str = "/deployment/services/auth/mirror";

async fn delete(api: &Api, body: &'static str) -> Answer {
    api.send(api.request("DELETE", MIRROR, Body::from(body))).await
}

async fn set(api: &Api, version: &str, percent: f64) -> Answer {
    api.put(MIRROR, json!({"version": version, "percent": percent})).await
}

#[tokio::test]
async fn mirror_is_set_and_removed() {
    let api = Api::with_two_versions().await;
    let answer = set(&api, "v1.1", 12.5).await;
    assert_eq!(answer.is_ok()["mirror"], json!({"version": "v1.1", "percent": 12.5}));
    assert_eq!((&answer.json["generation"], &answer.json["versions"][1]["weight"]), (&json!(3), &json!(0)));
    assert_eq!(api.probes(), 0, "copies need no probe");
    let view = api.get(&format!("{AUTH}/versions")).await;
    let view: SplitView = serde_json::from_str(&view.text).unwrap();
    assert_eq!(view.mirror.unwrap().version, "v1.1");
    assert_eq!(set(&api, "v1.1", 12.5).await.is_ok()["generation"], json!(3), "nothing changed");
    let removed = delete(&api, r#"{"reason": "enough seen"}"#).await;
    assert_eq!((&removed.is_ok()["mirror"], &removed.json["generation"]), (&Value::Null, &json!(4)));
    assert_eq!(delete(&api, "").await.is_ok()["generation"], json!(4));
}

#[tokio::test]
async fn impossible_mirror_is_refused() {
    let api = Api::with_two_versions().await;
    api.put("/routing/services/auth/versions/v1.1", json!({"active": false})).await.is_ok();
    set(&api, "v1.1", 10.0).await.is_problem(409, "version-inactive");
    set(&api, "v9", 10.0).await.is_problem(404, "unknown-version");
    set(&api, "v 9", 10.0).await.is_problem(422, "invalid-name");
    for percent in [0.0, -1.0, 100.01, 0.005] {
        set(&api, "v1.0", percent).await.is_problem(422, "invalid-weight");
    }
    for body in
        [json!({"version": "v1.0"}), json!({"version": "v1.0", "percent": 10, "share": 10}), json!({})]
    {
        api.put(MIRROR, body).await.is_problem(400, "malformed-body");
    }
    api.put("/deployment/services/new/mirror", json!({"version": "v1.0", "percent": 10}))
        .await
        .is_problem(404, "unknown-service");
}

#[tokio::test]
async fn mirror_is_in_history_and_log_and_restored() {
    let api = Api::with_two_versions().await;
    let log = Log::of_this_thread();
    set(&api, "v1.1", 10.0).await.is_ok();
    assert!(log.text().contains(r#"mirror_before="" mirror_after="10 % to v1.1""#), "{}", log.text());
    delete(&api, "").await.is_ok();
    let page = api.get(&format!("{AUTH}/history?limit=2")).await;
    assert_eq!(page.json["history"][1]["settingsAfter"]["mirror"], json!({"version": "v1.1", "percent": 10}));
    let page: HistoryPage = serde_json::from_str(&page.text).unwrap();
    let changes: Vec<_> =
        page.history.iter().map(|entry| (&*entry.request.change, entry.request.version.as_deref())).collect();
    assert_eq!(changes, [("set-mirror", None), ("set-mirror", Some("v1.1"))]);
    let restored = api.post(&format!("{AUTH}/restore"), json!({"generation": 3})).await;
    assert_eq!(restored.is_ok()["mirror"], json!({"version": "v1.1", "percent": 10}));
    let inactive = api.put("/routing/services/auth/versions/v1.1", json!({"active": false})).await;
    assert_eq!(inactive.is_ok()["mirror"], Value::Null);
}

#[tokio::test]
async fn version_that_gets_copies_is_draining() {
    let api = Api::with_two_versions().await;
    set(&api, "v1.1", 10.0).await.is_ok();
    let traffic = api.get(&format!("{AUTH}/traffic")).await;
    assert_eq!(
        (&traffic.json["versions"][1]["state"], &traffic.json["versions"][1]["drained"]),
        (&json!("draining"), &json!(false))
    );
    assert_eq!(traffic.json["versions"][1]["total"]["picks"]["mirror"], json!(0));
    let view: TrafficView = serde_json::from_str(&traffic.text).unwrap();
    assert_eq!(view.versions[1].copies, None);
}
