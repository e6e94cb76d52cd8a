//! The effect of each endpoint.

use std::collections::BTreeSet;

use axum::body::Body;
use http::header::{ALLOW, CACHE_CONTROL, ETAG, IF_MATCH, LOCATION, X_CONTENT_TYPE_OPTIONS};
use serde_json::{Value, json};
use tower_canary::admin;
use tower_canary::deployments::Unhealthy;

use crate::support::{Api, CANARY};

const AUTH: &str = "/deployment/services/auth";
const VERSIONS: &str = "/routing/services/auth/versions";

fn weight_of(version: &str) -> String {
    format!("{AUTH}/versions/{version}/weight")
}

#[tokio::test]
async fn deployment_rolls_back_in_one_call() {
    let api = Api::with_two_versions().await;
    for (weight, rest) in [(10, 90), (50, 50), (100, 0)] {
        let answer = api.put(&weight_of("v1.1"), json!({"weight": weight, "reason": "going well"})).await;
        assert_eq!(answer.is_ok()["success"], json!(true));
        assert_eq!(answer.json["weight"], json!(weight));
        assert_eq!(api.weights().await, json!({"v1.0": rest, "v1.1": weight}));
    }
    assert_eq!(api.probes(), 1, "only when it went from no traffic to some");

    let off = api.put(&format!("{VERSIONS}/v1.0"), json!({"active": false})).await;
    assert_eq!(off.is_ok()["versions"][0]["isActive"], json!(false));

    let back = api.send(api.request("POST", &format!("{AUTH}/versions/v1.0/switch"), Body::empty())).await;
    assert_eq!(back.is_ok()["switchedTo"], json!("v1.0"));
    assert_eq!(api.weights().await, json!({"v1.0": 100, "v1.1": 0}));
    assert_eq!(api.probes(), 2);
}

// Reads return every field.
#[tokio::test]
async fn first_version_creates_service() {
    let api = Api::new().await;
    let body = json!({"version": "v1.0", "url": "http://10.0.0.1:8080/base/", "healthPath": "/healthz"});
    let created = api.post(VERSIONS, body).await;
    assert_eq!(created.status, 201);
    assert_eq!(created.headers[LOCATION], "/api/v1/admin/routing/services/auth/versions/v1.0");
    assert_eq!(created.headers[ETAG], "\"1\"");

    let read = api.get(&format!("{AUTH}/versions")).await;
    assert_eq!(read.headers[ETAG], "\"1\"");
    assert_eq!(
        (&read.is_ok()["service"], &read.json["generation"], &read.json["healthPath"]),
        (&json!("auth"), &json!(1), &json!("/healthz"))
    );
    let version = read.json["versions"][0].as_object().unwrap();
    let fields: Vec<&str> = version.keys().map(String::as_str).collect();
    let stored = ["createdAt", "id", "isActive", "updatedAt", "url", "urls", "version", "weight"];
    let observed = ["instances", "noneUsable", "usable"];
    assert!(fields.iter().all(|field| stored.contains(field) || observed.contains(field)), "{fields:?}");
    assert_eq!(fields.len(), stored.len() + observed.len());
    assert_eq!(version["url"], json!("http://10.0.0.1:8080/base/"));
    assert_eq!(version["urls"], json!(["http://10.0.0.1:8080/base/"]));
    let at = version["createdAt"].as_str().unwrap();
    assert!(at.len() == 24 && at.ends_with('Z') && at.as_bytes()[10] == b'T', "{at}");

    let all = api.get("/deployment/services").await;
    let listed = all.is_ok()["services"][0]["versions"][0].as_object().unwrap();
    assert_eq!(listed.keys().map(String::as_str).collect::<BTreeSet<_>>(), BTreeSet::from(stored));
    assert!(listed.iter().all(|(name, value)| version[name] == *value));
}

#[tokio::test]
async fn whole_weights_are_json_integers() {
    let api = Api::with_two_versions().await;
    let answer = api.put(&weight_of("v1.1"), json!({"weight": 12.5})).await;
    assert!(answer.is_ok()["weight"] == json!(12.5) && answer.text.contains("87.5"), "{}", answer.text);
    let answer = api.put(&weight_of("v1.1"), json!({"weight": 10.0})).await;
    assert!(answer.text.contains("\"weight\":10,"), "{}", answer.text);
}

#[tokio::test]
async fn whole_split_is_set_and_restored() {
    let api = Api::with_two_versions().await;
    let set = api.put(&format!("{AUTH}/weights"), json!({"weights": {"v1.0": 70, "v1.1": 30}})).await;
    assert_eq!(set.is_ok()["generation"], json!(3));
    let body = json!({"weights": {"v1.1": 100}, "reason": "all in"});
    api.put(&format!("{AUTH}/weights"), body).await.is_ok();
    assert_eq!(api.weights().await, json!({"v1.0": 0, "v1.1": 100}));

    let restored = api.post(&format!("{AUTH}/restore"), json!({"generation": 3, "reason": "too soon"})).await;
    assert_eq!(restored.is_ok()["generation"], json!(5));
    assert_eq!(api.weights().await, json!({"v1.0": 70, "v1.1": 30}));
}

/// The share of the version at the host 10.0.0.`host`.
fn share(host: u8, weight: u8) -> Value {
    json!({"weight": weight, "isActive": true, "urls": [format!("http://10.0.0.{host}:8080")]})
}

#[tokio::test]
async fn history_is_complete_and_paginated() {
    let api = Api::with_two_versions().await;
    api.put(&weight_of("v1.1"), json!({"weight": 10, "reason": "first \u{1f424} step"})).await.is_ok();
    let read = api.get(&format!("{AUTH}/history?limit=2")).await;
    let entry = &read.is_ok()["history"][0];
    let known = json!({
        "generation": 3, "actor": "alice", "actorKind": "person", "requestId": null,
        "reason": "first \u{1f424} step", "change": "set-weight", "version": "v1.1", "at": entry["at"],
        "before": {"v1.0": share(1, 100), "v1.1": share(2, 0)}, "after": {"v1.0": share(1, 90), "v1.1": share(2, 10)},
        "settingsBefore": {"healthPath": null, "pinEpoch": 0, "mirror": null},
        "settingsAfter": {"healthPath": null, "pinEpoch": 0, "mirror": null},
    });
    assert_eq!(*entry, known);
    assert_eq!(read.json["nextBefore"], json!(2));
    let rest = api.get(&format!("{AUTH}/history?limit=2&before=2")).await;
    assert_eq!(rest.is_ok()["history"].as_array().unwrap().len(), 1);
    assert_eq!(rest.json["nextBefore"], json!(null));
}

#[tokio::test]
async fn url_and_active_change_atomically() {
    let api = Api::with_two_versions().await;
    let path = format!("{VERSIONS}/v1.1");
    let both = api.put(&path, json!({"active": false, "url": "http://10.0.0.9"})).await;
    assert_eq!(both.is_ok()["generation"], json!(3));
    assert_eq!(both.json["versions"][1]["url"], json!("http://10.0.0.9"));
    let before = api.stored().await;
    let last = json!({"active": false, "url": "http://10.0.0.8"});
    api.put(&format!("{VERSIONS}/v1.0"), last).await.is_problem(409, "last-active-version");
    assert_eq!(api.stored().await, before);

    let removed = api.send(api.request("DELETE", &path, Body::empty())).await;
    assert_eq!(removed.is_ok()["versions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn force_skips_probe_and_last_active_check() {
    let api = Api::with_two_versions().await;
    api.sicken(CANARY, Unhealthy::Status(500));
    api.put(&format!("{}?force=true", weight_of("v1.1")), json!({"weight": 10})).await.is_ok();
    api.put(&format!("{VERSIONS}/v1.1"), json!({"active": false})).await.is_ok();
    let last = api.put(&format!("{VERSIONS}/v1.0?force=true"), json!({"active": false})).await;
    assert_eq!(last.is_ok()["versions"][0]["isActive"], json!(false));
    assert_eq!(api.probes(), 0);
}

#[tokio::test(start_paused = true)]
async fn check_probes_without_changes() {
    let api = Api::with_two_versions().await;
    let path = format!("{AUTH}/versions/v1.1/check");
    let before = api.stored().await;
    let healthy = api.send(api.request("POST", &path, Body::empty())).await;
    let probe = json!({"version": "v1.1", "url": CANARY, "healthy": true, "status": 200, "latencyMs": 3});
    let all = json!({"healthy": true, "status": 200, "latencyMs": 3, "probes": [probe]});
    assert_eq!(*healthy.is_ok(), all);
    api.sicken(CANARY, Unhealthy::Unreachable("connection refused".into()));
    // A version is probed once per second.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let sick = api.send(api.request("POST", &path, Body::empty())).await;
    sick.is_problem(409, "backend-unhealthy");
    assert!(sick.text.contains("connection refused"));
    assert_eq!(api.stored().await, before);
}

// A malformed header is 400. `*` and the current generation match.
#[tokio::test]
async fn stale_if_match_is_412() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    let write = async |condition: &str| {
        let mut request = api.request("PUT", &weight_of("v1.1"), Body::from(r#"{"weight": 10}"#));
        request.headers_mut().insert(IF_MATCH, condition.parse().unwrap());
        api.send(request).await
    };
    let conflict = write("\"7\"").await;
    conflict.is_problem(412, "generation-conflict");
    assert_eq!(
        (&conflict.json["expectedGeneration"], &conflict.json["currentGeneration"]),
        (&json!(7), &json!(2))
    );
    for condition in ["W/\"2\"", "\"02\"", "\"two\"", "\"1\", W/\"2\""] {
        write(condition).await.is_problem(412, "generation-conflict");
    }
    for garbage in ["2", "\"2", "", "*, \"2\"", "\"2\"x"] {
        write(garbage).await.is_problem(400, "malformed-header");
    }
    assert_eq!(api.stored().await, before);
    assert_eq!(write("\"1\", \"2\"").await.headers[ETAG], "\"3\"");
    write("*").await.is_ok();
    write("\"3\"").await.is_ok();
}

// `*` requires an existing service.
#[tokio::test]
async fn if_match_zero_requires_a_new_service() {
    let api = Api::new().await;
    let register = async |condition: &str, version: &str| {
        let body = json!({"version": version, "url": "http://10.0.0.1"}).to_string();
        let mut request = api.request("POST", VERSIONS, Body::from(body));
        request.headers_mut().insert(IF_MATCH, condition.parse().unwrap());
        api.send(request).await
    };
    register("*", "v1").await.is_problem(412, "generation-conflict");
    assert!(api.stored().await.splits.is_empty());
    register("\"0\"", "v1").await.is_ok();
    register("\"0\"", "v2").await.is_problem(412, "generation-conflict");
}

#[tokio::test]
async fn head_options_and_unknown_methods() {
    let api = Api::with_two_versions().await;
    let path = format!("{AUTH}/versions");
    let head = api.send(api.request("HEAD", &path, Body::empty())).await;
    assert_eq!(
        (head.status.as_u16(), head.text.as_str(), &head.headers[ETAG]),
        (200, "", &"\"2\"".parse().unwrap())
    );
    let options = api.send(api.request("OPTIONS", &path, Body::empty())).await;
    assert_eq!((options.status.as_u16(), &options.headers[ALLOW]), (204, &"GET,HEAD".parse().unwrap()));
    let patch = api.send(api.request("PATCH", &path, Body::empty())).await;
    patch.is_problem(405, "method-not-allowed");
    assert_eq!(patch.headers[ALLOW], "GET,HEAD");
}

// No response has a CORS header.
#[tokio::test]
async fn responses_are_no_store_and_nosniff() {
    let api = Api::with_two_versions().await;
    let mut anonymous = api.request("GET", "/openapi.json", Body::empty());
    anonymous.headers_mut().remove("authorization");
    for answer in [
        api.get(&format!("{AUTH}/versions")).await,
        api.get("/nowhere").await,
        api.put(&weight_of("v1.1"), json!({})).await,
        api.send(anonymous).await,
    ] {
        assert_eq!(answer.headers[CACHE_CONTROL], "no-store");
        assert_eq!(answer.headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")));
    }
}

#[tokio::test]
async fn openapi_documents_routes_and_auth() {
    let document = Api::new().await.get("/openapi.json").await;
    assert_eq!(*document.is_ok(), admin::openapi_json());
    assert_eq!(document.json["components"]["securitySchemes"]["bearer"]["scheme"], json!("bearer"));
    let paths = document.json["paths"].as_object().unwrap();
    let operations: Vec<_> = paths.values().flat_map(|path| path.as_object().unwrap().values()).collect();
    let expected = if cfg!(feature = "rollout") { (30, 34) } else { (21, 24) };
    assert_eq!((paths.len(), operations.len()), expected);
    for operation in operations {
        let answers = operation["responses"].as_object().unwrap();
        assert!(operation["security"] == json!([{"bearer": []}]), "{operation}");
        for status in ["401", "403", "503"] {
            let problem = &answers[status]["content"]["application/problem+json"]["schema"]["$ref"];
            assert_eq!(*problem, json!("#/components/schemas/Problem"), "{status} of {operation}");
        }
    }
}

#[test]
fn each_change_documents_its_etag_and_lagging_replicas() {
    let document = admin::openapi_json();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
    let changes: Vec<&Value> =
        operations.filter(|operation| operation["parameters"].to_string().contains("If-Match")).collect();
    assert_eq!(changes.len(), 12);
    for change in changes {
        for status in ["200", "202"] {
            let response = &change["responses"][status];
            assert!(response["headers"]["ETag"].is_object(), "{status} of {change}");
            let schema = &response["content"]["application/json"]["schema"]["$ref"];
            assert_eq!(*schema, json!("#/components/schemas/ChangeResult"));
        }
    }
}

/// Calls `check` with every description and summary of the document.
fn descriptions(value: &Value, check: &mut impl FnMut(&str)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "description" || name == "summary" => check(text),
                    _ => descriptions(value, check),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(|value| descriptions(value, check)),
        _ => {}
    }
}

#[test]
fn the_document_has_no_rust_in_its_descriptions() {
    let mut count = 0;
    descriptions(&admin::openapi_json(), &mut |text| {
        count += 1;
        for rust in ["```", "[`", "](", "::"] {
            assert!(!text.contains(rust), "{text}");
        }
    });
    assert!(count > 200, "{count}");
}
