//! Every row of the error table, each leaving the store as it was.

use axum::body::Body;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use serde_json::{Value, json};
use tower_canary::deployments::Unhealthy;
use tower_canary::routing::{Route, Split};

use crate::log::Log;
use crate::support::{Answer, Api, CANARY};

const A: &str = "/deployment/services/auth";
const R: &str = "/routing/services/auth/versions";

/// Sends `body` as it is and asserts that nothing changed.
async fn refused(api: &Api, method: &str, path: &str, body: impl Into<String>) -> Answer {
    let before = api.stored().await;
    let answer = api.send(api.request(method, path, Body::from(body.into()))).await;
    assert_eq!(api.stored().await, before, "{method} {path}: {}", answer.text);
    answer
}

#[tokio::test]
async fn unknown_resources_are_404() {
    let api = Api::with_two_versions().await;
    let ghost = "/deployment/services/ghost";
    for (method, path, body, kind) in [
        ("GET", format!("{ghost}/versions"), "", "unknown-service"),
        ("GET", format!("{ghost}/history"), "", "unknown-service"),
        ("PUT", format!("{ghost}/versions/v1/weight"), r#"{"weight":1}"#, "unknown-service"),
        ("PUT", format!("{ghost}/weights"), r#"{"weights":{"v1":100}}"#, "unknown-service"),
        ("POST", format!("{ghost}/versions/v1/switch"), "", "unknown-service"),
        ("POST", format!("{ghost}/versions/v1/check"), "", "unknown-service"),
        ("POST", format!("{ghost}/restore"), r#"{"generation":1}"#, "unknown-service"),
        ("DELETE", "/routing/services/ghost/versions/v1".into(), "", "unknown-service"),
        ("PUT", format!("{A}/versions/v9/weight"), r#"{"weight":1}"#, "unknown-version"),
        ("PUT", format!("{A}/weights"), r#"{"weights":{"v9":100}}"#, "unknown-version"),
        ("POST", format!("{A}/versions/v9/switch"), "", "unknown-version"),
        ("POST", format!("{A}/versions/v9/check"), "", "unknown-version"),
        ("PUT", format!("{R}/v9"), r#"{"active":true}"#, "unknown-version"),
        ("DELETE", format!("{R}/v9"), "", "unknown-version"),
        ("POST", format!("{A}/restore"), r#"{"generation":99}"#, "unknown-generation"),
        ("GET", "/deployment".into(), "", "not-found"),
        ("GET", String::new(), "", "not-found"),
    ] {
        refused(&api, method, &path, body).await.is_problem(404, kind);
    }
}

// A weight below 100 for the only version is 422.
#[tokio::test]
async fn split_rule_violations_are_409() {
    let api = Api::with_two_versions().await;
    let dup = r#"{"version":"v1.0","url":"http://10.0.0.1"}"#;
    refused(&api, "POST", R, dup).await.is_problem(409, "duplicate-version");
    refused(&api, "DELETE", &format!("{R}/v1.1"), "").await.is_problem(409, "version-active");
    api.put(&format!("{R}/v1.1"), json!({"active": false})).await.is_ok();
    let weight = format!("{A}/versions/v1.1/weight");
    refused(&api, "PUT", &weight, r#"{"weight":1}"#).await.is_problem(409, "version-inactive");
    let last = refused(&api, "PUT", &format!("{R}/v1.0"), r#"{"active":false}"#).await;
    last.is_problem(409, "last-active-version");
    let alone = refused(&api, "PUT", &format!("{A}/versions/v1.0/weight"), r#"{"weight":50}"#).await;
    alone.is_problem(422, "invalid-weight");
}

#[tokio::test]
async fn ambiguous_rebalance_is_409() {
    let api = Api::with_two_versions().await;
    api.post(R, json!({"version": "v1.2", "url": "http://10.0.0.3"})).await.is_ok();
    let answer = refused(&api, "PUT", &format!("{A}/versions/v1.0/weight"), r#"{"weight":90}"#).await;
    answer.is_problem(409, "ambiguous-rebalance");
}

// So is the restore of a split without an active version.
#[tokio::test]
async fn restore_of_a_gone_version_is_409() {
    let api = Api::with_two_versions().await;
    api.put(&format!("{R}/v1.1"), json!({"active": false})).await.is_ok();
    api.send(api.request("DELETE", &format!("{R}/v1.1"), Body::empty())).await.is_ok();
    let gone = refused(&api, "POST", &format!("{A}/restore"), r#"{"generation":2}"#).await;
    gone.is_problem(409, "version-gone");

    api.put(&format!("{R}/v1.0?force=true"), json!({"active": false})).await.is_ok();
    api.put(&format!("{R}/v1.0"), json!({"active": true})).await.is_ok();
    let none = refused(&api, "POST", &format!("{A}/restore"), r#"{"generation":5}"#).await;
    none.is_problem(409, "nothing-to-restore");
}

#[tokio::test]
async fn unhealthy_version_gets_no_traffic() {
    let api = Api::with_two_versions().await;
    api.sicken(CANARY, Unhealthy::Status(503));
    for (method, path, body) in [
        ("PUT", format!("{A}/versions/v1.1/weight"), r#"{"weight":1}"#),
        ("PUT", format!("{A}/weights"), r#"{"weights":{"v1.0":99,"v1.1":1}}"#),
        ("POST", format!("{A}/versions/v1.1/switch"), ""),
        ("PUT", format!("{A}/versions/v1.1/weight?force=false"), r#"{"weight":1}"#),
    ] {
        let answer = refused(&api, method, &path, body).await;
        answer.is_problem(409, "backend-unhealthy");
        assert!(answer.text.contains("503") && answer.text.contains("v1.1"), "{}", answer.text);
    }
}

#[tokio::test]
async fn invalid_values_are_422() {
    let api = Api::with_two_versions().await;
    let weight = format!("{A}/versions/v1.1/weight");
    for bad in ["-1", "100.01", "101", "0.001", "1e300", "-0.01"] {
        let body = format!(r#"{{"weight":{bad}}}"#);
        refused(&api, "PUT", &weight, body).await.is_problem(422, "invalid-weight");
        let body = format!(r#"{{"version":"v2","url":"http://10.0.0.1","weight":{bad}}}"#);
        refused(&api, "POST", R, body).await.is_problem(422, "invalid-weight");
        let body = format!(r#"{{"weights":{{"v1.0":{bad}}}}}"#);
        refused(&api, "PUT", &format!("{A}/weights"), body).await.is_problem(422, "invalid-weight");
    }
    for bad in [r#"{"v1.0":70,"v1.1":20}"#, r#"{"v1.0":100,"v1.1":100}"#, "{}"] {
        let body = format!(r#"{{"weights":{bad}}}"#);
        refused(&api, "PUT", &format!("{A}/weights"), body).await.is_problem(422, "invalid-split");
    }
    let names = r#"{"weights":{"V1":100}}"#;
    refused(&api, "PUT", &format!("{A}/weights"), names).await.is_problem(422, "invalid-name");
    let path = r#"{"version":"v2","url":"http://10.0.0.1","healthPath":"//evil"}"#;
    refused(&api, "POST", R, path).await.is_problem(422, "invalid-health-path");
    let first = r#"{"version":"v1","url":"http://10.0.0.1","weight":50}"#;
    let answer = refused(&api, "POST", "/routing/services/new/versions", first).await;
    answer.is_problem(422, "invalid-weight");
}

#[tokio::test]
async fn malformed_body_names_the_place() {
    let api = Api::with_two_versions().await;
    let weight = format!("{A}/versions/v1.1/weight");
    for (body, named) in [
        ("", "weight"),
        ("{}", "weight"),
        (r#"{"weight":"10"}"#, "weight"),
        (r#"{"weight":null}"#, "weight"),
        (r#"{"weight":[10]}"#, "weight"),
        (r#"{"weight":1e999}"#, "number out of range"),
        (r#"{"weight":NaN}"#, "line 1"),
        (r#"{"weight":10,"weight":20}"#, "duplicate field"),
        (r#"{"weight":10,"wieght":20}"#, "wieght"),
        (r#"{"weight":10} x"#, "trailing"),
        (r#"{"weight":10"#, "line 1"),
        ("\u{feff}{}", "line 1"),
        ("[10]", "object, not a list"),
        ("null", "object, not null"),
        (r#"{"weight":10,"reason":7}"#, "reason"),
        ("{\"weight\":10,\"reason\":\"a\\nb\"}", "control"),
        ("{\"weight\":10,\"reason\":\"\\u001b[2J\"}", "control"),
    ] {
        let answer = refused(&api, "PUT", &weight, body).await;
        answer.is_problem(400, "malformed-body");
        assert!(answer.json["detail"].as_str().unwrap().contains(named), "{body}: {}", answer.text);
    }
    let long = json!({"weight": 10, "reason": "é".repeat(1_001)}).to_string();
    refused(&api, "PUT", &weight, long).await.is_problem(400, "malformed-body");
    let twice = r#"{"weights":{"v1.0":50,"v1.0":100}}"#;
    refused(&api, "PUT", &format!("{A}/weights"), twice).await.is_problem(400, "malformed-body");
    refused(&api, "PUT", &format!("{R}/v1.1"), "{}").await.is_problem(400, "malformed-body");
    refused(&api, "DELETE", &format!("{R}/v1.1"), r#"{"force":true}"#)
        .await
        .is_problem(400, "malformed-body");
    for generation in ["-1", "1.5", "\"1\"", "18446744073709551616"] {
        let body = format!(r#"{{"generation":{generation}}}"#);
        refused(&api, "POST", &format!("{A}/restore"), body).await.is_problem(400, "malformed-body");
    }
}

#[tokio::test]
async fn malformed_queries_are_400() {
    let api = Api::with_two_versions().await;
    let weight = format!("{A}/versions/v1.1/weight");
    for query in ["force=yes", "force", "force=1", "froce=true", "force=true&force=true", "access_token=x"] {
        let answer = refused(&api, "PUT", &format!("{weight}?{query}"), r#"{"weight":1}"#).await;
        answer.is_problem(400, "malformed-query");
    }
    for query in ["limit=0", "limit=201", "limit=-1", "limit=x", "before=x", "page=2", "limit=4294967296"] {
        refused(&api, "GET", &format!("{A}/history?{query}"), "").await.is_problem(400, "malformed-query");
    }
}

#[tokio::test]
async fn bodies_must_be_json_and_small() {
    fn padded(len: usize) -> String {
        format!("{}{}", r#"{"weight":1}"#, " ".repeat(len - 12))
    }

    let api = Api::with_two_versions().await;
    let weight = format!("{A}/versions/v1.1/weight");
    let mut form = api.request("PUT", &weight, Body::from(r#"{"weight":1}"#));
    form.headers_mut().insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    api.send(form).await.is_problem(415, "unsupported-media-type");
    let mut bare = api.request("PUT", &weight, Body::from(r#"{"weight":1}"#));
    bare.headers_mut().remove(CONTENT_TYPE);
    api.send(bare).await.is_problem(415, "unsupported-media-type");
    refused(&api, "PUT", &weight, padded(16 * 1024 + 1)).await.is_problem(413, "payload-too-large");
    api.send(api.request("PUT", &weight, Body::from(padded(16 * 1024)))).await.is_ok();
}

// The problem reveals no detail. Splits are still read from memory.
#[tokio::test]
async fn store_outage_is_503_for_writes() {
    let api = Api::with_two_versions().await;
    api.take_store_down();
    for (method, path, body) in [
        ("PUT", format!("{A}/versions/v1.1/weight"), r#"{"weight":1}"#),
        ("POST", format!("{A}/restore"), r#"{"generation":1}"#),
        ("GET", format!("{A}/history"), ""),
    ] {
        let answer = refused(&api, method, &path, body).await;
        answer.is_problem(503, "store-unavailable");
        assert!(answer.headers.contains_key(RETRY_AFTER));
        assert!(!answer.text.contains("hunter2") && !answer.text.contains("10.9"), "{}", answer.text);
    }
    assert_eq!(api.weights().await, json!({"v1.0": 100, "v1.1": 0}));
}

// A preview is not in the records of changes, so the log of failed requests has the cause.
#[tokio::test]
async fn full_counter_is_a_logged_500() {
    let api = Api::with_two_versions().await;
    let handle = api.deployments.handle();
    let mut parts = handle.route("auth").unwrap().split().clone().into_parts();
    parts.generation = u64::MAX;
    assert!(handle.publish(Route::compile(Split::from_parts(parts).0)));
    let log = Log::of_this_thread();
    let preview = format!("{A}/versions/v1.1/weight?dryRun=true");
    let answer = refused(&api, "PUT", &preview, r#"{"weight":1}"#).await;
    answer.is_problem(500, "broken-split");
    let remedy = "is the largest number: correct it in the store";
    assert!(answer.text.contains(remedy), "{}", answer.text);
    let log = log.text();
    let is_failure =
        |line: &&str| line.contains("a request to the admin API failed") && line.contains(remedy);
    assert_eq!(log.lines().filter(is_failure).count(), 1, "{log}");
}

#[tokio::test]
async fn longest_reason_is_stored() {
    let api = Api::with_two_versions().await;
    let reason = "é".repeat(1_000);
    api.put(&format!("{A}/versions/v1.1/weight"), json!({"weight": 10, "reason": reason})).await.is_ok();
    let history = api.get(&format!("{A}/history?limit=1")).await;
    assert_eq!(history.json["history"][0]["reason"], Value::from(reason));
}

// axum removes the content of `HEAD` for its handlers only: these problems are made by fallbacks and layers.
#[tokio::test]
async fn head_gets_fields_without_content() {
    let api = Api::with_two_versions().await;
    let list = format!("{A}/versions");
    let send = async |method: &str, path: &str, token: bool| {
        let mut request = api.request(method, path, Body::empty());
        if !token {
            request.headers_mut().remove(AUTHORIZATION);
        }
        api.send(request).await
    };
    for (path, token, status) in [
        (&*list, true, 200),
        (&*list, false, 401),
        ("/nowhere", true, 404),
        ("/nowhere", false, 401),
        ("/deployment/services/ghost/versions", true, 404),
        (&format!("{A}/weights"), true, 405),
        (&format!("{A}/weights"), false, 401),
    ] {
        let head = send("HEAD", path, token).await;
        let mut get = send("GET", path, token).await;
        assert_eq!((head.status.as_u16(), &*head.text), (status, ""), "{path}");
        // A server adds the length of a body without one.
        get.headers.entry(CONTENT_LENGTH).or_insert(get.text.len().into());
        assert_eq!(head.headers, get.headers, "{path}");
    }
}
