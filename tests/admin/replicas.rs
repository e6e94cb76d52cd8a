//! The revisions that the gateways on one store serve.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Body;
use serde_json::{Value, json};
use tower_canary::routing::Change;
use tower_canary::store::{ChangeRequest, ReplicaRegistry, Report, RouteStore};

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
async fn timeout_alone_waits() {
    let api = Api::with_two_versions().await;
    api.store.report(&Report::new("2", "behind", 2)).await.unwrap();
    let answer = api.put(&waiting("timeout=0s"), json!({"weight": 10})).await;
    assert_eq!((answer.status.as_u16(), &answer.json["convergence"]["waiting"]), (202, &json!(["behind"])));
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
        "timeout=61s",
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
    let expected = json!([["ahead", 2, false], ["behind", 1, false], ["this", 2, true]]);
    assert_eq!(json!(shown), expected, "its own changes are served");
    assert!(replicas[0]["seenMs"].as_u64().unwrap() < 5_000);
}

#[tokio::test(start_paused = true)]
async fn status_says_when_routes_are_stale() {
    let store = crate::support::faulty_store();
    let builder =
        tower_canary::Deployments::builder(std::sync::Arc::clone(&store), tower_canary::NoVersionCheck);
    let deployments = builder.with_replica_name("gateway-1").start().await.unwrap();
    let layer =
        tower_canary::WeightedVersionLayer::new(deployments.handle(), tower_canary::Target::path_segment());
    let header = http::HeaderName::from_static("x-user");
    drop(layer.with_affinity(tower_canary::layer::Affinity::header(header)));
    tokio::spawn(deployments.clone().run(std::future::pending()));
    let api = Api::over(deployments);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let status = api.get("/deployment/status").await;
    assert_eq!((&status.is_ok()["stale"], &status.json["replica"]), (&json!(false), &json!("gateway-1")));
    assert_eq!(status.json["version"], json!(env!("CARGO_PKG_VERSION")));
    let rollouts = cfg!(feature = "rollout");
    let features = json!({"pin": false, "override": false, "affinity": true, "rollouts": rollouts});
    assert_eq!(status.json["features"], features);
    store.down.store(true, Ordering::SeqCst);
    // The last read was up to 1.2 s ago, and the limit is 5 s.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(api.get("/deployment/status").await.json["stale"], json!(false), "one read may fail");
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(api.get("/deployment/status").await.json["stale"], json!(true));
    store.down.store(false, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(api.get("/deployment/status").await.json["stale"], json!(false));
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

// The other gateway has not reported the change that was just made.
#[tokio::test]
async fn change_is_not_converged_before_it_is_reported() {
    let api = Api::with_two_versions().await;
    api.store.report(&Report::new("1", "other", 2)).await.unwrap();
    let converged = async || {
        let list = api.get("/deployment/replicas").await;
        (list.json["converged"].clone(), list.json["revision"].clone())
    };
    assert_eq!(converged().await, (json!(true), json!(2)));
    let changed = api.put(WEIGHT, json!({"weight": 10})).await;
    assert_eq!(changed.is_ok()["revision"], json!(3));
    assert_eq!(converged().await, (json!(false), json!(3)));
    assert_eq!(api.get("/deployment/status").await.json["revision"], json!(3));
    api.store.report(&Report::new("1", "other", 3)).await.unwrap();
    assert_eq!(converged().await, (json!(true), json!(3)));
    let dry = api.put(&waiting("dryRun=true"), json!({"weight": 20})).await;
    assert_eq!(dry.is_ok().get("revision"), None);
}

// A change of another gateway comes before the one that was made here.
#[tokio::test]
async fn own_change_behind_a_gap_is_not_converged() {
    let api = Api::with_two_versions().await;
    let register = Change::register("v1".parse().unwrap(), "http://10.0.0.1".parse().unwrap());
    api.store.memory.commit(&"orders".parse().unwrap(), &ChangeRequest::new(register, "bob")).await.unwrap();
    api.put(WEIGHT, json!({"weight": 10})).await.is_ok();
    let list = api.get("/deployment/replicas").await;
    let this = &list.json["replicas"][0]["revision"];
    assert_eq!(
        (&list.json["converged"], &list.json["revision"], this),
        (&json!(false), &json!(4), &json!(2))
    );
}

#[tokio::test]
async fn no_replica_is_not_converged() {
    let api = Api::over(tower_canary::Deployments::in_memory(tower_canary::Draw::Exact));
    api.post("/routing/services/auth/versions", json!({"version": "v1", "url": "http://10.0.0.1"}))
        .await
        .is_ok();
    let list = api.get("/deployment/replicas").await;
    assert_eq!(*list.is_ok(), json!({"revision": 1, "converged": false, "replicas": []}));
}
