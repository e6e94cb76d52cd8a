//! Previews: requests that explain or check and change nothing.

use axum::body::Body;
use serde_json::{Value, json};
use tower_canary::deployments::Unhealthy;

use crate::support::{Api, CANARY};

const WEIGHT: &str = "/deployment/services/auth/versions/v1.1/weight";

// It stores nothing.
#[tokio::test]
async fn dry_run_reports_split_and_moves() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    let answer = api.put(&format!("{WEIGHT}?dryRun=true"), json!({"weight": 12.5})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        (&answer.json["dryRun"], &answer.json["generation"], &answer.json["weight"]),
        (&json!(true), &json!(3), &json!(12.5))
    );
    assert_eq!(answer.json["moves"], json!([{"from": "v1.0", "to": "v1.1", "users": 12.5}]));
    assert_eq!(answer.json["versions"][0]["weight"], 87.5);
    assert!(!answer.headers.contains_key("etag"), "there is no such generation");
    assert_eq!(api.stored().await, before);
    assert_eq!(api.probes(), 0);
}

#[tokio::test]
async fn every_write_has_a_dry_run() {
    let api = Api::with_two_versions().await;
    api.put(WEIGHT, json!({"weight": 10})).await;
    let inactive = json!({"version": "v0.9", "url": "http://10.0.0.8", "active": false});
    api.post("/routing/services/auth/versions", inactive).await.is_ok();
    let before = api.stored().await;
    let auth = "/deployment/services/auth";
    for (method, path, body) in [
        ("PUT", WEIGHT.to_owned(), json!({"weight": 20})),
        ("PUT", format!("{auth}/weights"), json!({"weights": {"v1.0": 30, "v1.1": 70}})),
        ("POST", format!("{auth}/versions/v1.1/switch"), json!({})),
        ("POST", format!("{auth}/restore"), json!({"generation": 2})),
        ("POST", format!("{auth}/redraw"), json!({})),
        (
            "POST",
            "/routing/services/auth/versions".into(),
            json!({"version": "v2", "url": "http://10.0.0.9"}),
        ),
        ("POST", "/routing/services/new/versions".into(), json!({"version": "v1", "url": "http://10.0.0.9"})),
        ("PUT", "/routing/services/auth/versions/v1.1".into(), json!({"active": false})),
        ("DELETE", "/routing/services/auth/versions/v0.9".into(), json!({})),
    ] {
        let request = api.request(method, &format!("{path}?dryRun=true"), Body::from(body.to_string()));
        let answer = api.send(request).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json["dryRun"]),
            (200, &json!(true)),
            "{path}: {}",
            answer.text
        );
        assert!(answer.json["moves"].is_array() && !answer.headers.contains_key("location"), "{path}");
    }
    assert_eq!(api.stored().await, before);
    assert!(api.put(WEIGHT, json!({"weight": 20})).await.json.get("dryRun").is_none());
}

#[tokio::test]
async fn dry_run_is_refused_like_the_change() {
    fn dry(path: &str) -> String {
        format!("{path}?dryRun=true")
    }

    let api = Api::with_two_versions().await;
    api.put(&dry(WEIGHT), json!({"weight": 101})).await.is_problem(422, "invalid-weight");
    let unknown = "/deployment/services/auth/versions/v9/weight";
    api.put(&dry(unknown), json!({"weight": 1})).await.is_problem(404, "unknown-version");
    let unknown = "/deployment/services/nobody/versions/v1/weight";
    api.put(&dry(unknown), json!({"weight": 1})).await.is_problem(404, "unknown-service");
    let metadata = json!({"version": "v2", "url": "http://169.254.169.254"});
    api.post(&dry("/routing/services/auth/versions"), metadata).await.is_problem(422, "invalid-url");
    let mut stale = api.request("PUT", &dry(WEIGHT), Body::from(json!({"weight": 1}).to_string()));
    stale.headers_mut().insert("if-match", "\"1\"".parse().unwrap());
    api.send(stale).await.is_problem(412, "generation-conflict");
}

#[tokio::test]
async fn dry_run_does_not_probe() {
    let api = Api::with_two_versions().await;
    api.sicken(CANARY, Unhealthy::Status(500));
    assert_eq!(api.put(&format!("{WEIGHT}?dryRun=true"), json!({"weight": 10})).await.status, 200);
    api.put(WEIGHT, json!({"weight": 10})).await.is_problem(409, "backend-unhealthy");
}

#[tokio::test]
async fn explain_returns_slot_and_version() {
    let api = Api::with_two_versions().await;
    api.put(WEIGHT, json!({"weight": 50})).await;
    let mut versions = std::collections::BTreeSet::new();
    for i in 0..100 {
        let answer = api.get(&format!("/deployment/services/auth/explain?key=user-{i}")).await;
        let explained = answer.is_ok();
        assert_eq!(
            (&explained["service"], &explained["reason"], &explained["generation"]),
            (&json!("auth"), &json!("key"), &json!(3))
        );
        assert!(explained["slot"].as_u64().unwrap() < 10_000 && explained["weight"] == json!(50));
        versions.insert(explained["version"].as_str().unwrap().to_owned());
    }
    assert_eq!(versions.len(), 2);
    let answer = api.get("/deployment/services/auth/explain?key=zo%C3%AB%20%26%20co").await;
    assert_eq!(answer.is_ok()["key"], "zo\u{eb} & co");
}

// An unknown service is 404. Without an active version, version and weight are null.
#[tokio::test]
async fn explain_rejects_bad_queries() {
    let api = Api::with_two_versions().await;
    for query in ["", "?key=", "?user=alice", "?key=a&key=b"] {
        api.get(&format!("/deployment/services/auth/explain{query}"))
            .await
            .is_problem(400, "malformed-query");
    }
    api.get("/deployment/services/nobody/explain?key=a").await.is_problem(404, "unknown-service");
    let path = "/routing/services/auth/versions/v1.0?force=true";
    api.send(api.request("PUT", path, Body::from(json!({"active": false}).to_string()))).await;
    let answer = api.get("/deployment/services/auth/explain?key=alice").await;
    assert_eq!((&answer.is_ok()["version"], &answer.json["weight"]), (&json!("v1.1"), &json!(100)));
    let gone = "/routing/services/auth/versions/v1.1?force=true";
    api.send(api.request("PUT", gone, Body::from(json!({"active": false}).to_string()))).await;
    let answer = api.get("/deployment/services/auth/explain?key=alice").await;
    assert_eq!((&answer.is_ok()["version"], &answer.json["weight"]), (&Value::Null, &Value::Null));
}

// It counts as a change of the split.
#[tokio::test]
async fn redraw_keeps_weights_and_slots() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await.splits.remove(0);
    let dry = api.post("/deployment/services/auth/redraw?dryRun=true", json!({})).await;
    assert_eq!(dry.json["moves"], json!([]));
    let answer =
        api.post("/deployment/services/auth/redraw", json!({"reason": "sessions are shared now"})).await;
    assert_eq!((answer.status.as_u16(), &answer.json["generation"]), (200, &json!(3)));
    let after = api.stored().await.splits.remove(0);
    assert_eq!((after.pin_epoch(), after.shares(), after.slots()), (1, before.shares(), before.slots()));
    let history = api.get("/deployment/services/auth/history").await;
    assert_eq!(history.json["history"][0]["change"], "redraw");
}
