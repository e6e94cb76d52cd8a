//! What the history keeps of a change: URLs, the health path and the sender. And what a restore brings back.

use axum::body::Body;
use serde_json::{Value, json};
use tower_canary::Deployments;
use tower_canary::api::{HistoryPage, RefusalPage};
use tower_canary::deployments::Unhealthy;

use crate::log::Log;
use crate::support::{Api, CANARY};

const AUTH: &str = "/deployment/services/auth";
const SERVICE: &str = "/routing/services/auth";
const VERSIONS: &str = "/routing/services/auth/versions";

/// Returns the last change of the history.
async fn last(api: &Api) -> Value {
    api.get(&format!("{AUTH}/history?limit=1")).await.is_ok()["history"][0].clone()
}

async fn delete(api: &Api, path: &str) -> crate::support::Answer {
    api.send(api.request("DELETE", path, Body::from(r#"{"reason":"mistyped"}"#))).await
}

#[tokio::test]
async fn url_change_is_in_history_and_log() {
    let api = Api::with_two_versions().await;
    let log = Log::of_this_thread();
    api.put(&format!("{VERSIONS}/v1.1"), json!({"url": "http://10.0.0.9"})).await.is_ok();
    let entry = last(&api).await;
    assert_eq!(entry["before"]["v1.1"]["urls"], json!(["http://10.0.0.2:8080"]));
    assert_eq!(entry["after"]["v1.1"]["urls"], json!(["http://10.0.0.9"]));
    let text = log.text();
    let line = text.lines().find(|line| line.contains("split changed")).unwrap();
    for part in [r#"urls_before="v1.1 http://10.0.0.2:8080""#, r#"urls_after="v1.1 http://10.0.0.9""#] {
        assert!(line.contains(part), "{part} in {line}");
    }
    assert!(!line.contains("health_path"), "it did not change: {line}");
}

#[tokio::test]
async fn health_path_change_is_in_history_and_log() {
    let api = Api::with_two_versions().await;
    let log = Log::of_this_thread();
    let set = api.put(SERVICE, json!({"healthPath": "/healthz", "reason": "new probe"})).await;
    assert_eq!((&set.is_ok()["healthPath"], &set.json["generation"]), (&json!("/healthz"), &json!(3)));
    let entry = last(&api).await;
    assert_eq!((&entry["change"], &entry["reason"]), (&json!("set-health-path"), &json!("new probe")));
    assert_eq!(entry["settingsBefore"]["healthPath"], json!(null));
    assert_eq!(entry["settingsAfter"]["healthPath"], json!("/healthz"));
    assert!(log.text().contains(r#"health_path_before="" health_path_after="/healthz""#), "{}", log.text());
    let none = api.put(SERVICE, json!({"healthPath": null})).await;
    assert_eq!(none.is_ok()["healthPath"], json!(null));
    api.put(SERVICE, json!({"healthPath": "healthz"})).await.is_problem(422, "invalid-health-path");
    api.put(SERVICE, json!({})).await.is_problem(400, "malformed-body");
    api.put("/routing/services/new", json!({"healthPath": "/"})).await.is_problem(404, "unknown-service");

    let restored = api.post(&format!("{AUTH}/restore"), json!({"generation": 3})).await;
    assert_eq!(restored.is_ok()["healthPath"], json!("/healthz"));
}

// Also of a version that was registered again.
#[tokio::test]
async fn restore_brings_back_urls() {
    let api = Api::with_two_versions().await;
    let version = format!("{VERSIONS}/v1.1");
    api.put(&format!("{AUTH}/versions/v1.1/weight"), json!({"weight": 50})).await.is_ok();
    api.put(&version, json!({"active": false})).await.is_ok();
    delete(&api, &version).await.is_ok();
    api.post(VERSIONS, json!({"version": "v1.1", "url": "http://10.0.0.9"})).await.is_ok();
    let restore = format!("{AUTH}/restore");
    let dry = api.post(&format!("{restore}?dryRun=true"), json!({"generation": 3})).await;
    assert_eq!(dry.is_ok()["versions"][1]["url"], json!("http://10.0.0.2:8080"));
    api.sicken(CANARY, Unhealthy::Status(500));
    let sick = api.post(&restore, json!({"generation": 3})).await;
    sick.is_problem(409, "backend-unhealthy");
    assert!(sick.text.contains("v1.1"), "{}", sick.text);
    let forced = api.post(&format!("{restore}?force=true"), json!({"generation": 3})).await;
    assert_eq!(forced.is_ok()["versions"][1]["url"], json!("http://10.0.0.2:8080"));
    assert_eq!(api.weights().await, json!({"v1.0": 50, "v1.1": 50}));
}

// The policy of this gateway refuses a URL that was registered before.
#[tokio::test]
async fn forbidden_url_is_not_restored() {
    let store = std::sync::Arc::new(tower_canary::store::MemoryStore::new());
    let free = Api::over(Deployments::start(store.clone(), tower_canary::NoVersionCheck).await.unwrap());
    free.post(VERSIONS, json!({"version": "v1", "url": "http://forbidden"})).await.is_ok();
    free.put(&format!("{VERSIONS}/v1"), json!({"url": "http://10.0.0.1"})).await.is_ok();
    let check = crate::scripted_check::ScriptedCheck::default();
    let api = Api::over(Deployments::start(store, check).await.unwrap());
    for path in ["restore", "restore?dryRun=true"] {
        let refused = api.post(&format!("{AUTH}/{path}"), json!({"generation": 1})).await;
        refused.is_problem(409, "url-not-restorable");
        assert!(refused.text.contains("the URL of v1"), "{}", refused.text);
    }
}

#[tokio::test]
async fn request_id_is_recorded() {
    let api = Api::with_two_versions().await;
    let log = Log::of_this_thread();
    let long = "x".repeat(129);
    for (sent, kept) in [("7f3a-9c", json!("7f3a-9c")), ("two words", json!(null)), (&*long, json!(null))] {
        let mut made = api.request("POST", &format!("{AUTH}/redraw"), Body::empty());
        made.headers_mut().insert("x-request-id", sent.parse().unwrap());
        api.send(made).await.is_ok();
        assert_eq!(last(&api).await["requestId"], kept);
        let mut refused = api.request("DELETE", &format!("{VERSIONS}/v1.0"), Body::empty());
        refused.headers_mut().insert("x-request-id", sent.parse().unwrap());
        api.send(refused).await.is_problem(409, "version-active");
        assert_eq!(api.refused().await[0]["requestId"], kept);
    }
    assert_eq!(log.text().matches(r#"request_id="7f3a-9c""#).count(), 2, "{}", log.text());
    assert_eq!(log.text().matches(r#"actor_kind="person""#).count(), 6, "{}", log.text());
}

#[tokio::test]
async fn refusals_are_paged() {
    let api = Api::with_two_versions().await;
    for weight in 0..5 {
        let weights = json!({"weights": {"v1.0": weight}});
        api.put(&format!("{AUTH}/weights"), weights).await.is_problem(422, "invalid-split");
    }
    let mut query = "limit=2".to_owned();
    let mut asked = Vec::new();
    loop {
        let answer = api.get(&format!("{AUTH}/refusals?{query}")).await;
        let page: RefusalPage = serde_json::from_value(answer.is_ok().clone()).unwrap();
        asked.push(
            page.refused
                .into_iter()
                .map(|refusal| refusal.asked.replace("set-weights v1.0 ", ""))
                .collect::<Vec<_>>()
                .join(" "),
        );
        let Some(before) = page.next_before else { break };
        query = format!("limit=2&before={before}");
    }
    assert_eq!(asked, ["4 % 3 %", "2 % 1 %", "0 %"]);
    assert_eq!(api.get("/deployment/services/new/refusals").await.is_ok()["refused"], json!([]));
}

#[tokio::test]
async fn list_shows_the_last_change() {
    let api = Api::with_two_versions().await;
    api.send(api.request("POST", &format!("{AUTH}/redraw"), Body::empty())).await.is_ok();
    let entry = last(&api).await;
    let list = api.get("/deployment/services").await;
    let shown = &list.is_ok()["services"][0]["lastChange"];
    assert_eq!(*shown, json!({"actor": "alice", "at": entry["at"]}));
}

#[tokio::test]
async fn service_is_removed() {
    let api = Api::with_two_versions().await;
    let active = delete(&api, SERVICE).await;
    active.is_problem(409, "version-active");
    assert!(active.text.contains("v1.0, v1.1"), "{}", active.text);
    let mut stale = api.request("DELETE", &format!("{SERVICE}?force=true"), Body::empty());
    stale.headers_mut().insert("if-match", "\"1\"".parse().unwrap());
    api.send(stale).await.is_problem(412, "generation-conflict");
    let dry = delete(&api, &format!("{SERVICE}?force=true&dryRun=true")).await;
    assert_eq!((&dry.is_ok()["versions"], &dry.json["dryRun"]), (&json!([]), &json!(true)));
    let removed = delete(&api, &format!("{SERVICE}?force=true")).await;
    assert_eq!((&removed.is_ok()["generation"], &removed.json["revision"]), (&json!(3), &json!(3)));

    assert_eq!(api.get("/deployment/services").await.is_ok()["services"], json!([]));
    api.get(&format!("{AUTH}/versions")).await.is_problem(404, "unknown-service");
    delete(&api, &format!("{SERVICE}?force=true")).await.is_problem(404, "unknown-service");
    api.post(&format!("{AUTH}/restore"), json!({"generation": 2})).await.is_problem(404, "unknown-service");
    let page: HistoryPage =
        serde_json::from_value(api.get(&format!("{AUTH}/history")).await.is_ok().clone()).unwrap();
    let entry = &page.history[0];
    let refused = page.refused.unwrap();
    assert_eq!(
        (entry.request.change.as_str(), entry.request.reason.as_deref()),
        ("remove-service", Some("mistyped"))
    );
    assert_eq!((entry.before.len(), entry.after.len(), refused.len()), (2, 0, 4));

    let mut again =
        api.request("POST", VERSIONS, Body::from(r#"{"version":"v1.0","url":"http://10.0.0.1"}"#));
    again.headers_mut().insert("if-match", "\"0\"".parse().unwrap());
    let again = api.send(again).await;
    assert_eq!((again.status.as_u16(), &again.json["generation"]), (201, &json!(4)));
    assert_eq!(api.weights().await, json!({"v1.0": 100}));
}

// The last version may have been removed before.
#[tokio::test]
async fn empty_service_is_removed_without_force() {
    let api = Api::new().await;
    api.post(VERSIONS, json!({"version": "v1", "url": "http://10.0.0.1", "active": false})).await.is_ok();
    delete(&api, &format!("{VERSIONS}/v1")).await.is_ok();
    delete(&api, SERVICE).await.is_ok();
    assert_eq!(api.get("/deployment/services").await.is_ok()["services"], json!([]));
}
