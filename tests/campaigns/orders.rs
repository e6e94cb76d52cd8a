//! All routes of rollouts by HTTP, at a gateway on each database.

use std::time::Duration;

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::backends::named_backend;
use crate::databases::{Kind, TestDatabase};
use crate::harness::Gateway;
use crate::support::on_every_database;
use crate::wait::wait_until;

const ROLLOUTS: &str = "/deployment/services/auth/rollouts";

/// Asks the gateway. Returns the response, which has this status.
async fn ask(gateway: &Gateway, method: Method, path: &str, body: Value, expected: StatusCode) -> Value {
    let (status, response) = gateway.try_admin(method, path, &body).await.unwrap();
    assert_eq!(status, expected, "{path} {body}: {response}");
    response
}

async fn get(gateway: &Gateway, path: &str) -> Value {
    ask(gateway, Method::GET, path, Value::Null, StatusCode::OK).await
}

async fn post(gateway: &Gateway, path: &str, body: Value, expected: StatusCode) -> Value {
    ask(gateway, Method::POST, path, body, expected).await
}

/// Gives an order to the rollout under way. Returns its phase, its step and its weight.
async fn order(gateway: &Gateway, verb: &str, body: Value) -> Value {
    let path = format!("{ROLLOUTS}/current/{verb}");
    let after = post(gateway, &path, body, StatusCode::OK).await;
    json!([after["phase"], after["step"], after["weight"]])
}

/// Asserts that the gateway refuses a request with a problem of this kind.
async fn assert_refused(gateway: &Gateway, path: &str, body: Value, kind: &str) {
    let problem = post(gateway, path, body, StatusCode::CONFLICT).await;
    assert!(problem["type"].as_str().unwrap().ends_with(kind), "{problem}");
}

/// Starts the rollout, whose first step waits for an approval. Returns its id.
async fn start(gateway: &Gateway) -> String {
    let plan = json!({ "version": "v1.1", "steps": [10, 50], "hold": "1h", "startGates": ["approval"], "reason": "new" });
    let preview = post(gateway, &format!("{ROLLOUTS}?dryRun=true"), plan.clone(), StatusCode::OK).await;
    assert_eq!((&preview["dryRun"], &get(gateway, ROLLOUTS).await["rollouts"]), (&json!(true), &json!([])));
    let started = post(gateway, ROLLOUTS, plan.clone(), StatusCode::CREATED).await;
    let again = post(gateway, ROLLOUTS, plan, StatusCode::OK).await;
    assert_eq!((&again["id"], &again["phase"]), (&started["id"], &json!("waiting")));
    assert_refused(gateway, ROLLOUTS, json!({ "version": "v1.1" }), "rollout-active").await;
    started["id"].as_str().unwrap().to_owned()
}

/// Gives each order.
async fn order_all(gateway: &Gateway) {
    order(gateway, "approve", json!({ "step": 0 })).await;
    wait_until(Duration::from_secs(30), "the first step", async || {
        get(gateway, &format!("{ROLLOUTS}/current")).await["phase"] == "holding"
    })
    .await;
    assert_eq!(order(gateway, "advance", json!({ "step": 1 })).await, json!(["holding", 2, 50]));
    let advance = format!("{ROLLOUTS}/current/advance");
    assert_refused(gateway, &advance, json!({ "step": 1 }), "stale-step").await;
    assert_eq!(order(gateway, "pause", json!({ "reason": "lunch" })).await, json!(["paused", 2, 50]));
    assert_eq!(order(gateway, "resume", Value::Null).await, json!(["holding", 2, 50]));
    assert_eq!(order(gateway, "promote", json!({})).await, json!(["holding", 3, 95]));
}

/// Asserts that each list and each stream has the rollout.
async fn assert_shown(gateway: &Gateway, id: &str) {
    let own = get(gateway, ROLLOUTS).await;
    let all = get(gateway, "/deployment/rollouts").await;
    assert_eq!((&own["rollouts"][0]["id"], &all["rollouts"][0]["id"]), (&json!(id), &json!(id)));
    for (path, event) in
        [(format!("{ROLLOUTS}/{id}"), "rollout"), ("/deployment/rollouts".into(), "rollouts")]
    {
        let mut stream = gateway.events(&path).await.into_body();
        let frame = timeout(Duration::from_secs(10), stream.frame()).await.unwrap().unwrap().unwrap();
        let text = String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        assert!(text.starts_with(&format!("event: {event}\ndata: ")) && text.contains(id), "{text}");
    }
}

/// Asserts the state of the rollout when it is over.
async fn assert_over(gateway: &Gateway, id: &str) {
    let over = get(gateway, &format!("{ROLLOUTS}/{id}")).await;
    assert_eq!((&over["outcome"], &over["why"]), (&json!("aborted"), &json!("aborted: no")));
    let kinds = over["events"].as_array().unwrap().iter().map(|event| event["kind"].as_str().unwrap());
    let kinds: Vec<&str> = kinds.filter(|kind| *kind != "gate-waiting").collect();
    let expected =
        ["started", "approved", "step", "step", "paused", "resumed", "step", "returning", "aborted"];
    assert_eq!(kinds, expected, "{over}");
    ask(gateway, Method::GET, &format!("{ROLLOUTS}/current"), Value::Null, StatusCode::NOT_FOUND).await;
    assert_refused(gateway, &format!("{ROLLOUTS}/{id}/pause"), json!({}), "rollout-over").await;
}

on_every_database! {
    async fn each_route_of_rollouts_works(kind: Kind) {
        let database = TestDatabase::new(kind).await;
        let gateway = Gateway::start(&["--no-demo", "--database", &database.url, "--name", "gateway-1"]);
        let versions = [named_backend("v1.0", Duration::ZERO).await, named_backend("v1.1", Duration::ZERO).await];
        for (version, backend) in ["v1.0", "v1.1"].into_iter().zip(&versions) {
            gateway.register("auth", version, &backend.url).await;
        }
        let id = start(&gateway).await;
        order_all(&gateway).await;
        assert_shown(&gateway, &id).await;
        assert_eq!(order(&gateway, "abort", json!({ "reason": "no" })).await, json!(["over", 3, 0]));
        assert_over(&gateway, &id).await;
    }
}
