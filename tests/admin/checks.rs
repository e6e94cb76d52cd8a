//! Probes of all instances on request, and the end of an ejection.

use std::time::Duration;

use axum::body::Body;
use serde_json::{Value, json};
use tokio::time::sleep;
use tower_canary::api::{CheckView, Problem};
use tower_canary::health::Health;

use crate::log::Log;
use crate::observed::{A, B, CHECK, Observed, V1};
use crate::support::{Answer, claims, token};

fn passed(url: &str) -> Value {
    json!({"version": "v1.0", "url": url, "healthy": true, "status": 200, "latencyMs": 3})
}

fn failed(url: &str) -> Value {
    json!({"version": "v1.0", "url": url, "healthy": false, "status": 503, "cause": "it responded 503"})
}

async fn send(gateway: &Observed, scope: &str, body: Value) -> Answer {
    let mut claims = claims();
    claims["scope"] = json!(scope);
    let mut request = gateway.api.request("POST", CHECK, Body::from(body.to_string()));
    let bearer = format!("Bearer {}", token(&claims));
    request.headers_mut().insert("authorization", bearer.parse().unwrap());
    gateway.api.send(request).await
}

#[tokio::test(start_paused = true)]
async fn check_lists_each_instance() {
    let gateway = Observed::new(Health::new()).await;
    let answer = gateway.api.post(CHECK, json!({})).await;
    let all = json!({"healthy": true, "status": 200, "latencyMs": 3, "probes": [passed(A), passed(B)]});
    assert_eq!(*answer.is_ok(), all);
    gateway.sicken(A, true);
    sleep(Duration::from_secs(1)).await;
    let answer = gateway.api.post(CHECK, json!({})).await;
    let half = json!({"healthy": true, "status": 200, "latencyMs": 3, "probes": [failed(A), passed(B)]});
    assert_eq!(*answer.is_ok(), half);
    let read: CheckView = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), answer.text);
}

#[tokio::test(start_paused = true)]
async fn fewer_than_half_are_not_enough() {
    let gateway = Observed::new(Health::new()).await;
    gateway.api.put(&format!("{V1}?force=true"), json!({"addUrls": ["http://10.0.0.3"]})).await.is_ok();
    gateway.sicken(A, true);
    gateway.api.post(CHECK, json!({})).await.is_ok();
    gateway.sicken(B, true);
    sleep(Duration::from_secs(1)).await;
    let answer = gateway.api.post(CHECK, json!({})).await;
    answer.is_problem(409, "backend-unhealthy");
    assert_eq!(answer.json["probe"], failed(A));
    assert_eq!(answer.json["probes"], json!([failed(A), failed(B)]));
    let read: Problem = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), answer.text);
}

#[tokio::test(start_paused = true)]
async fn change_probes_each_instance() {
    let gateway = Observed::new(Health::new()).await;
    let urls = ["http://10.0.0.7", "http://10.0.0.8"];
    let body = json!({"version": "v1.1", "urls": urls});
    gateway.api.post("/routing/services/auth/versions", body).await.is_ok();
    gateway.sicken(urls[0], true);
    let weight = "/deployment/services/auth/versions/v1.1/weight";
    let changed = gateway.api.put(weight, json!({"weight": 10})).await;
    let probes = changed.is_ok()["probes"].as_array().unwrap();
    let seen: Vec<_> = probes.iter().map(|probe| (&probe["url"], &probe["healthy"])).collect();
    assert_eq!(json!(seen), json!([[urls[0], false], [urls[1], true]]));
    gateway.api.put(weight, json!({"weight": 0})).await.is_ok();
    gateway.sicken(urls[1], true);
    let refused = gateway.api.put(weight, json!({"weight": 10})).await;
    refused.is_problem(409, "backend-unhealthy");
    assert_eq!(refused.json["probes"].as_array().unwrap().len(), 2);
    assert!(
        urls.iter().all(|url| refused.json["detail"].as_str().unwrap().contains(url)),
        "{}",
        refused.text
    );
}

#[tokio::test(start_paused = true)]
async fn clear_ends_an_ejection() {
    let gateway = Observed::new(Health::new()).await;
    gateway.eject_b().await;
    gateway.api.post(CHECK, json!({"clear": false})).await.is_ok();
    assert_eq!(gateway.instance(1).await["state"], json!("ejected"));
    // A check within the last second ended no ejection, so it is not the result of this one.
    let cleared = gateway.api.post(CHECK, json!({"clear": true})).await;
    assert_eq!(cleared.is_ok()["probes"], json!([passed(A), passed(B)]));
    let returned = gateway.instance(1).await;
    assert_eq!((&returned["state"], returned.get("until")), (&json!("up"), None));
    assert_eq!(gateway.version().await["usable"], json!(2));
}

#[tokio::test(start_paused = true)]
async fn clear_keeps_what_does_not_pass() {
    let gateway = Observed::new(Health::new()).await;
    gateway.eject_b().await;
    gateway.sicken(B, true);
    let answer = gateway.api.post(CHECK, json!({"clear": true})).await;
    assert_eq!(answer.is_ok()["probes"], json!([passed(A), failed(B)]));
    assert_eq!(gateway.instance(1).await["state"], json!("ejected"));
}

#[tokio::test(start_paused = true)]
async fn clear_needs_the_scope_to_write() {
    let gateway = Observed::new(Health::new()).await;
    gateway.eject_b().await;
    let log = Log::of_this_thread();
    let denied = send(&gateway, "canary:read", json!({"clear": true})).await;
    denied.is_problem(403, "insufficient-scope");
    assert_eq!(denied.headers["www-authenticate"], r#"Bearer error="insufficient_scope""#);
    assert_eq!(log.text().matches("write denied").count(), 1, "{}", log.text());
    assert_eq!(gateway.instance(1).await["state"], json!("ejected"));
    for body in [json!({}), json!({"clear": false})] {
        send(&gateway, "canary:read", body).await.is_ok();
    }
    send(&gateway, "canary:write", json!({"clear": true})).await.is_ok();
    assert_eq!(gateway.instance(1).await["state"], json!("up"));
    send(&gateway, "", json!({})).await.is_problem(403, "insufficient-scope");
}

#[tokio::test(start_paused = true)]
async fn other_bodies_of_a_check_are_refused() {
    let gateway = Observed::new(Health::new()).await;
    for body in [json!({"clear": "yes"}), json!({"clear": null}), json!({"cleared": true}), json!([])] {
        gateway.api.post(CHECK, body).await.is_problem(400, "malformed-body");
    }
}
