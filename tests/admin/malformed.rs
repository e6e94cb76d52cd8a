//! Details of malformed bodies and queries: in plain English, with the path of the field, without a word of Rust.

use axum::body::Body;

use crate::support::Api;

const A: &str = "/deployment/services/auth";
const WEIGHT: &str = "/deployment/services/auth/versions/v1.1/weight";
const WEIGHTS: &str = "/deployment/services/auth/weights";
const RESTORE: &str = "/deployment/services/auth/restore";
const CHECK: &str = "/deployment/services/auth/versions/v1.1/check";
const UPDATE: &str = "/routing/services/auth/versions/v1.1";

/// Path, body and detail.
const BODIES: [(&str, &str, &str); 35] = [
    // A value of another kind.
    (WEIGHT, r#"{"weight": "10"}"#, "weight: give a number, not a text"),
    (WEIGHT, r#"{"weight": null}"#, "weight: give a number, not null"),
    (WEIGHT, r#"{"weight": true}"#, "weight: give a number, not true"),
    (WEIGHT, r#"{"weight": [10]}"#, "weight: give a number, not a list"),
    (WEIGHT, r#"{"weight": {"v1": 1}}"#, "weight: give a number, not an object"),
    (WEIGHT, r#"{"weight": 1, "reason": 7}"#, "reason: give a text, not 7"),
    (WEIGHTS, r#"{"weights": 70}"#, "weights: give an object, not 70"),
    (WEIGHTS, r#"{"weights": {"v1.0": "70"}}"#, "weights.v1.0: give a number, not a text"),
    (UPDATE, r#"{"active": "yes"}"#, "active: give true or false, not a text"),
    (UPDATE, r#"{"url": 8080}"#, "url: give a text, not 8080"),
    (UPDATE, r#"{"url": ["http://h"]}"#, "url: give a text, not a list"),
    (UPDATE, r#"{"urls": "http://h"}"#, "urls: give a list, not a text"),
    (UPDATE, r#"{"addUrls": {"0": "http://h"}}"#, "addUrls: give a list, not an object"),
    (UPDATE, r#"{"removeUrls": ["http://h", null]}"#, "removeUrls.1: give a text, not null"),
    (CHECK, r#"{"clear": 1}"#, "clear: give true or false, not 1"),
    // A value out of range.
    (
        RESTORE,
        r#"{"generation": -1}"#,
        "generation: give a whole number from 0 to 18446744073709551615, not -1",
    ),
    (
        RESTORE,
        r#"{"generation": 1.5}"#,
        "generation: give a whole number from 0 to 18446744073709551615, not 1.5",
    ),
    (
        WEIGHT,
        "{\"weight\": 1, \"reason\": \"a\\nb\"}",
        "reason: a reason has no control characters, such as line breaks",
    ),
    // Names.
    (WEIGHT, r#"{"weight": 1, "wieght": 2}"#, "unknown field 'wieght': use 'weight' or 'reason'"),
    (
        UPDATE,
        r#"{"force": true}"#,
        "unknown field 'force': use 'active', 'url', 'urls', 'addUrls', 'removeUrls' or 'reason'",
    ),
    (WEIGHT, "{}", "the field 'weight' is missing"),
    (WEIGHT, "", "the field 'weight' is missing"),
    (WEIGHT, r#"{"weight": 1, "weight": 2}"#, "duplicate field 'weight', at line 1, column 22"),
    (WEIGHTS, r#"{"weights": {"v1": 1, "v1": 2}}"#, "duplicate field 'v1', at line 1, column 26"),
    // JSON that is no object, and no JSON.
    (WEIGHT, "[10]", "the body must be a JSON object, not a list"),
    (WEIGHT, "\"10\"", "the body must be a JSON object, not a text"),
    (WEIGHT, "10", "the body must be a JSON object, not 10"),
    (WEIGHT, "null", "the body must be a JSON object, not null"),
    (WEIGHT, r#"{"weight": 1} x"#, "the body is not valid JSON at line 1, column 15: trailing characters"),
    (WEIGHT, "{\n  \"weight\": 1", "the JSON ends too early, at line 2, column 13"),
    (WEIGHT, r#"{"weight": 1,}"#, "the body is not valid JSON at line 1, column 14: trailing comma"),
    (WEIGHT, "{weight: 1}", "the body is not valid JSON at line 1, column 2: key must be a string"),
    (
        WEIGHT,
        r#"{"weight": ten}"#,
        "the body is not valid JSON at line 1, column 13: only null, true and false are words without double quotes",
    ),
    (
        WEIGHT,
        r#"{"weight": NaN}"#,
        "the body is not valid JSON at line 1, column 12: a value is missing, or a text is not in double quotes",
    ),
    (WEIGHT, r#"{"weight": 1e999}"#, "the body is not valid JSON at line 1, column 16: number out of range"),
];

#[tokio::test]
async fn details_of_malformed_bodies() {
    let api = Api::with_two_versions().await;
    for (path, body, detail) in BODIES {
        let method = if [RESTORE, CHECK].contains(&path) { "POST" } else { "PUT" };
        let answer = api.send(api.request(method, path, Body::from(body))).await;
        answer.is_problem(400, "malformed-body");
        assert_eq!(answer.json["detail"], detail, "{body}");
    }
}

#[tokio::test]
async fn details_of_malformed_queries() {
    let api = Api::with_two_versions().await;
    for (path, detail) in [
        ("history?limit=x", "limit: give a whole number from 1 to 200"),
        ("history?limit=0", "limit: give a whole number from 1 to 200"),
        ("refusals?limit=201", "limit: give a whole number from 1 to 200"),
        ("history?limit=4294967296", "limit: give a whole number from 1 to 200"),
        ("history?page=2", "unknown parameter 'page': use 'limit' or 'before'"),
        ("history?before=1&before=2", "duplicate parameter 'before': give it once"),
        ("traffic?version=v1.0&wait=idle", "wait: give 'drained', not 'idle'"),
        (
            "traffic?url=http://10.0.0.1&wait=drained",
            "a URL needs its version, as in ?version=v1.0&url=http://10.0.0.1:8080",
        ),
        ("versions?events=1", "events: give true or false, not '1'"),
        ("versions?event=true", "unknown parameter 'event': use 'events'"),
        (
            "traffic?version=v1.0&wait=drained&timeout=soon",
            "timeout must be a time of at most 600s, such as 5s or 500ms",
        ),
        ("explain", "give the key of the user, as in ?key=alice"),
    ] {
        let answer = api.get(&format!("{A}/{path}")).await;
        answer.is_problem(400, "malformed-query");
        assert_eq!(answer.json["detail"], detail, "{path}");
    }
    for (query, detail) in [
        ("force=1", "force: give true or false, not '1'"),
        ("force", "force: give true or false, not ''"),
        ("froce=true", "unknown parameter 'froce': use 'force', 'dryRun', 'wait' or 'timeout'"),
        ("wait=%1b%5b2J", "wait: give 'converged', not '\\u{1b}[2J'"),
    ] {
        let answer = api.put(&format!("{WEIGHT}?{query}"), serde_json::json!({"weight": 1})).await;
        answer.is_problem(400, "malformed-query");
        assert_eq!(answer.json["detail"], detail, "{query}");
    }
}

#[tokio::test]
async fn long_names_and_values_are_shortened() {
    let api = Api::with_two_versions().await;
    let body = format!(r#"{{"{}": 1}}"#, "a".repeat(9_000));
    let answer = api.send(api.request("PUT", WEIGHT, Body::from(body))).await;
    let detail = format!("unknown field '{}…': use 'weight' or 'reason'", "a".repeat(40));
    assert_eq!(answer.json["detail"], detail);
}

#[tokio::test]
async fn a_name_that_is_not_utf8_is_named() {
    let api = Api::with_two_versions().await;
    let answer = api.get("/deployment/services/%ff/versions").await;
    answer.is_problem(422, "invalid-name");
    assert_eq!(answer.json["detail"], "the service in the path is not valid UTF-8");
}
