//! The revisions that the gateways on one store serve.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use serde_json::{Value, json};
use tower_canary::store::{ReplicaRegistry, Report};

use crate::support::Api;

const WEIGHT: &str = "/deployment/services/auth/versions/v1.1/weight";

fn waiting(query: &str) -> String {
    format!("{WEIGHT}?{query}")
}

#[tokio::test]
async fn converged_change_is_200() {
    let api = Api::with_two_versions().await;
    api.store.report(&Report::new("1", "other", 3)).await.unwrap();
    let answer = api.put(&waiting("wait=converged&timeout=5s"), json!({"weight": 10})).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json["convergence"],
        json!({"converged": true, "serving": ["other", "this"], "waiting": []})
    );
    assert_eq!(answer.json["weight"], 10);
}

#[tokio::test]
async fn lagging_replica_makes_change_202() {
    let api = Api::with_two_versions().await;
    api.store.report(&Report::new("1", "ahead", 9)).await.unwrap();
    api.store.report(&Report::new("2", "behind", 2)).await.unwrap();
    let start = Instant::now();
    let answer = api.put(&waiting("wait=converged&timeout=200ms"), json!({"weight": 10})).await;
    assert!(start.elapsed() >= Duration::from_millis(200));
    assert_eq!(answer.status, 202);
    let expected = json!({"converged": false, "serving": ["ahead", "this"], "waiting": ["behind"]});
    assert_eq!(answer.json["convergence"], expected);
    assert_eq!((&answer.json["generation"], &answer.headers["etag"]), (&json!(3), &"\"3\"".parse().unwrap()));
    let registered = "/routing/services/auth/versions?wait=converged&timeout=0s";
    let answer = api.post(registered, json!({"version": "v1.2", "url": "http://10.0.0.3"})).await;
    assert_eq!(answer.status, 202);
    assert!(answer.headers.contains_key("location"));
}

#[tokio::test]
async fn convergence_is_opt_in() {
    let api = Api::with_two_versions().await;
    api.store.report(&Report::new("2", "behind", 2)).await.unwrap();
    let answer = api.put(WEIGHT, json!({"weight": 10})).await;
    assert_eq!((answer.status.as_u16(), answer.json.get("convergence")), (200, None));
}

#[tokio::test]
async fn malformed_wait_changes_nothing() {
    let api = Api::with_two_versions().await;
    for query in [
        "wait=drained",
        "timeout=5s",
        "wait=converged&timeout=61s",
        "wait=converged&timeout=soon",
        "wait=converged&timeout=",
    ] {
        let answer = api.put(&waiting(query), json!({"weight": 10})).await;
        answer.is_problem(400, "malformed-query");
        assert!(answer.text.contains("converged") || answer.text.contains("60s"), "{}", answer.text);
    }
    assert_eq!(api.stored().await.revision, 2);
}

#[tokio::test]
async fn replicas_list_their_revision() {
    let api = Api::with_two_versions().await;
    api.store.report(&Report::new("2", "behind", 1)).await.unwrap();
    api.store.report(&Report::new("1", "ahead", 2)).await.unwrap();
    let answer = api.get("/deployment/replicas").await;
    assert_eq!((&answer.json["revision"], &answer.json["converged"]), (&json!(2), &json!(false)));
    let replicas = answer.json["replicas"].as_array().unwrap();
    let shown: Vec<_> = replicas.iter().map(|r| (&r["name"], &r["revision"], &r["isThis"])).collect();
    let expected = json!([["ahead", 2, false], ["behind", 1, false], ["this", 0, true]]);
    assert_eq!(json!(shown), expected, "what this one followed, not what it changed a moment ago");
    assert!(replicas[0]["seenMs"].as_u64().unwrap() < 5_000);
}

// The list of replicas is 503.
#[tokio::test]
async fn status_needs_no_store() {
    let api = Api::with_two_versions().await;
    api.take_store_down();
    api.get("/deployment/replicas").await.is_problem(503, "store-unavailable");
    let status = api.get("/deployment/status").await;
    assert_eq!(status.status, 200);
    assert_eq!((&status.json["fromCache"], &status.json["broken"]), (&json!(false), &json!([])));
    assert!(status.json["ageMs"].is_u64() && status.json["revision"].is_u64());
}

// The next request succeeds.
#[tokio::test]
async fn store_panic_is_an_opaque_500() {
    let api = Api::with_two_versions().await;
    api.store.panics.store(true, Ordering::SeqCst);
    for answer in [api.put(WEIGHT, json!({"weight": 10})).await, api.get("/deployment/replicas").await] {
        answer.is_problem(500, "internal-error");
        assert!(!answer.text.contains("hunter2"), "{}", answer.text);
    }
    api.store.panics.store(false, Ordering::SeqCst);
    assert_eq!(api.put(WEIGHT, json!({"weight": 10})).await.status, 200);
}

#[tokio::test]
async fn replicas_and_status_need_a_token() {
    let api = Api::new().await;
    for path in ["/deployment/replicas", "/deployment/status"] {
        let mut anonymous = api.request("GET", path, Body::empty());
        anonymous.headers_mut().remove("authorization");
        assert_eq!(api.send(anonymous).await.status, 401);
        assert_eq!(api.post(path, Value::Null).await.status, 405);
    }
}

#[tokio::test]
async fn wait_without_reporting_is_400() {
    let deployments = tower_canary::Deployments::in_memory(tower_canary::Draw::Exact);
    let api = Api::over(deployments.clone());
    let body = json!({"version": "v1", "url": "http://10.0.0.1"});
    let answer = api.post("/routing/services/auth/versions?wait=converged", body).await;
    answer.is_problem(400, "malformed-query");
    assert!(deployments.handle().table().is_empty());
}
