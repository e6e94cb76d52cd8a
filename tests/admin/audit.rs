//! Records of changes, made and refused: in the history and in the log.

use std::sync::atomic::Ordering;

use axum::body::Body;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};
use tower_canary::deployments::Unhealthy;
use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw};

use crate::log::Log;
use crate::support::{Api, CANARY, claims, token};

const A: &str = "/deployment/services/auth";
const R: &str = "/routing/services/auth/versions";

fn weight() -> String {
    format!("{A}/versions/v1.1/weight")
}

/// The lines of `log` that say `what`.
fn lines(log: &Log, what: &str) -> Vec<String> {
    log.text().lines().filter(|line| line.contains(what)).map(str::to_owned).collect()
}

// The entry has the actor, the requested change, the time and the cause.
#[tokio::test]
async fn refused_change_is_in_history() {
    let api = Api::with_two_versions().await;
    assert_eq!(api.refused().await, [Value::Null; 0]);
    api.sicken(CANARY, Unhealthy::Status(503));
    let body = json!({"weight": 10, "reason": "first \u{1f424} step"});
    api.put(&weight(), body).await.is_problem(409, "backend-unhealthy");
    let refused = api.refused().await;
    let known = json!([{
        "id": 1, "actor": "alice", "actorKind": "person", "requestId": null, "reason": "first \u{1f424} step",
        "change": "set-weight", "version": "v1.1", "asked": "set-weight v1.1 to 10 %", "generation": 2,
        "split": {
            "v1.0": {"weight": 100, "isActive": true, "urls": ["http://10.0.0.1:8080"]},
            "v1.1": {"weight": 0, "isActive": true, "urls": ["http://10.0.0.2:8080"]},
        },
        "why": "version v1.1 is not healthy: it responded 503; repair it, or force the change",
        "at": refused[0]["at"],
    }]);
    assert_eq!(json!(refused), known);
    assert!(refused[0]["at"].as_str().unwrap().ends_with('Z'));
}

// Split rules, stale generation, URL policy, unknown version and probe.
#[tokio::test]
async fn every_refusal_states_its_cause() {
    let api = Api::with_two_versions().await;
    api.sicken(CANARY, Unhealthy::Status(500));
    for (method, path, body) in [
        ("DELETE", format!("{R}/v1.1"), json!({})),
        ("PUT", format!("{A}/weights"), json!({"weights": {"v1.0": 70, "v1.1": 20}})),
        ("POST", R.to_owned(), json!({"version": "v1.2", "url": "http://169.254.169.254", "weight": 5})),
        ("PUT", format!("{R}/v1.1"), json!({"url": "http://169.254.169.254", "active": false})),
        ("POST", format!("{A}/versions/v1.1/switch"), json!({})),
        ("POST", format!("{A}/versions/v9/switch"), json!({})),
    ] {
        let answer = api.send(api.request(method, &path, Body::from(body.to_string()))).await;
        assert!(answer.status.is_client_error(), "{}", answer.text);
    }
    let mut outdated = api.request("PUT", &weight(), Body::from(r#"{"weight":1}"#));
    outdated.headers_mut().insert("if-match", "\"1\"".parse().unwrap());
    api.send(outdated).await.is_problem(412, "generation-conflict");
    let refused = api.refused().await;
    let kinds: Vec<_> = refused.iter().map(|refusal| refusal["asked"].as_str().unwrap()).collect();
    assert_eq!(
        kinds,
        [
            "set-weight v1.1 to 1 %",
            "switch to v9",
            "switch to v1.1",
            "update v1.1 to http://169.254.169.254, inactive",
            "register v1.2 at http://169.254.169.254 with 5 %",
            "set-weights v1.0 70 %, v1.1 20 %",
            "remove v1.1",
        ]
    );
    let why = refused.iter().map(|refusal| refusal["why"].as_str().unwrap().to_owned());
    for (why, part) in why.zip(["generation 2, not 1", "v9", "500", "URL", "URL", "total 90", "active"]) {
        assert!(why.contains(part), "{part} in {why}");
    }
}

// Dry runs, changes without effect and store failures are not.
#[tokio::test]
async fn only_refusals_are_recorded() {
    let api = Api::with_two_versions().await;
    let log = Log::of_this_thread();
    api.put(&format!("{A}/weights?dryRun=true"), json!({"weights": {"v1.0": 7}}))
        .await
        .is_problem(422, "invalid-split");
    api.put(&weight(), json!({"weight": 0})).await.is_ok();
    api.take_store_down();
    api.put(&weight(), json!({"weight": 10})).await.is_problem(503, "store-unavailable");
    assert_eq!((lines(&log, "change refused"), lines(&log, "split changed")), (vec![], vec![]));
    let kept = api.stored_refusals().await;
    assert_eq!(kept, []);
}

#[tokio::test]
async fn unrecorded_refusal_still_responds() {
    let api = Api::with_two_versions().await;
    api.store.log_full.store(true, Ordering::SeqCst);
    let log = Log::of_this_thread();
    api.send(api.request("DELETE", &format!("{R}/v1.1"), Body::empty()))
        .await
        .is_problem(409, "version-active");
    assert_eq!(lines(&log, "a refused change cannot be kept").len(), 1);
    assert_eq!(api.refused().await, [Value::Null; 0]);
}

#[tokio::test]
async fn only_first_page_has_last_50_refusals() {
    let api = Api::with_two_versions().await;
    for weight in 0..52 {
        let weights = json!({"weights": {"v1.0": weight}});
        api.put(&format!("{A}/weights"), weights).await.is_problem(422, "invalid-split");
    }
    let refused = api.refused().await;
    assert_eq!((refused.len(), &refused[0]["asked"]), (50, &json!("set-weights v1.0 51 %")));
    let next = api.get(&format!("{A}/history?before=2")).await;
    assert_eq!((next.is_ok()["history"].as_array().unwrap().len(), next.json.get("refused")), (1, None));
}

#[tokio::test]
async fn change_is_logged_once_without_token() {
    let api = Api::with_two_versions().await;
    let log = Log::of_this_thread();
    let body = json!({"weight": 10, "reason": "say \"hi\" \u{202e}"});
    api.put(&weight(), body.clone()).await.is_ok();
    api.put(&weight(), body).await.is_ok();
    let events = lines(&log, "split changed");
    assert_eq!(events.len(), 1, "the second changed nothing: {}", log.text());
    for part in [
        " INFO ",
        "service=auth",
        "version=v1.1",
        r#"actor="alice""#,
        r#"reason="say \"hi\" \u{202e}""#,
        r#"kind="set-weight""#,
        "forced=false",
        "before=2",
        "after=3",
        r#"weights_before="v1.0 100 %, v1.1 0 %""#,
        r#"weights_after="v1.0 90 %, v1.1 10 %""#,
    ] {
        assert!(events[0].contains(part), "{part} in {}", events[0]);
    }
    assert!(!log.text().contains("eyJ"), "{}", log.text());
}

#[tokio::test]
async fn user_text_is_escaped_in_the_log() {
    let deployments = Deployments::in_memory(Draw::Exact);
    let auth = "auth".parse().unwrap();
    let log = Log::of_this_thread();
    let evil = "a\r\n2026-01-01 INFO forged\u{1b}[2J\u{202e}\u{9b}";
    let register = Change::register("v1.0".parse().unwrap(), "http://10.0.0.1".parse().unwrap());
    deployments.apply(&auth, ChangeRequest::new(register.clone(), evil).with_reason(evil)).await.unwrap();
    deployments.apply(&auth, ChangeRequest::new(register, evil).with_reason(evil)).await.unwrap_err();
    let made = lines(&log, "split changed");
    let refused = lines(&log, "change refused");
    assert_eq!((made.len(), refused.len()), (1, 1), "{}", log.text());
    assert!(
        refused[0].contains(" WARN ") && refused[0].contains(r#"why="version v1.0 is registered already"#)
    );
    assert!(refused[0].contains(r#"asked="register v1.0 at http://10.0.0.1""#), "{}", refused[0]);
    let text = log.text();
    assert_eq!(text.lines().filter(|line| line.contains("forged")).count(), 2, "{text}");
    assert!(!text.contains(['\u{1b}', '\r', '\u{202e}', '\u{9b}']), "{text:?}");
}

// A read and an unauthenticated write are not logged, nor is the query.
#[tokio::test]
async fn forbidden_write_is_logged() {
    let api = Api::with_two_versions().await;
    let mut reader = claims();
    reader["scope"] = json!("canary:read");
    reader["sub"] = json!("mallory \u{202e}");
    let send = async |method, path: &str, token: &str| {
        let mut request = api.request(method, path, Body::from(r#"{"weight":1}"#));
        request.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        api.send(request).await.status.as_u16()
    };
    let log = Log::of_this_thread();
    let answers = [
        send("PUT", &format!("{A}/versions/%1b%5b2J/weight?access_token=secret"), &token(&reader)).await,
        send("GET", &format!("{A}/history"), &token(&reader)).await,
        send("PUT", &weight(), "nobody").await,
    ];
    assert_eq!(answers, [403, 200, 401]);
    let events = lines(&log, " WARN ");
    assert_eq!(events.len(), 1, "{}", log.text());
    for part in [r#"subject="mallory \u{202e}""#, "method=PUT", "/versions/%1b%5b2J/weight\""] {
        assert!(events[0].contains(part), "{part} in {}", events[0]);
    }
    assert!(!log.text().contains("secret"), "{}", log.text());
    assert_eq!(api.refused().await, [Value::Null; 0]);
}

// The refusal is recorded, except for a dry run.
#[tokio::test]
async fn trimmed_generation_is_not_restored() {
    let store = tower_canary::store::MemoryStore::new().with_history_limit(2);
    let deployments = Deployments::start(store, tower_canary::NoVersionCheck).await.unwrap();
    let api = Api::over(deployments);
    for version in ["v1.0", "v1.1", "v1.2"] {
        api.post(R, json!({"version": version, "url": "http://10.0.0.1"})).await.is_ok();
    }
    let gone = api.post(&format!("{A}/restore"), json!({"generation": 1})).await;
    gone.is_problem(404, "unknown-generation");
    assert!(gone.text.contains("does not have generation 1"), "{}", gone.text);
    let refused = &api.refused().await[0];
    assert_eq!((&refused["asked"], &refused["actor"]), (&json!("restore generation 1"), &json!("alice")));
    let dry = api.post(&format!("{A}/restore?dryRun=true"), json!({"generation": 1})).await;
    dry.is_problem(404, "unknown-generation");
    assert_eq!(api.refused().await.len(), 1);
    api.post(&format!("{A}/restore"), json!({"generation": 2})).await.is_ok();
}
