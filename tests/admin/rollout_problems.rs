//! Every problem of the operations on rollouts. None of them changes anything.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use serde_json::{Value, json};
use tower_canary::admin::router_with_rollouts;
use tower_canary::deployments::Unhealthy;
use tower_canary::rollout::Rollouts;
use tower_canary::store::{MemoryStore, RolloutColumns, RolloutStore, RolloutWrite};
use tower_canary::{Deployments, NoVersionCheck};

use crate::rollout_support::{CURRENT, ROLLOUTS, driven, jwt, plan};
use crate::support::{Answer, Api, MOUNT};

const WEIGHT: &str = "/deployment/services/auth/versions/v1.1/weight";
const STABLE: &str = "http://10.0.0.1:8080";

/// Sends a start and its dry run. Both get the same problem, and nothing is stored.
async fn refused(api: &Api, service: &str, body: &Value) -> Answer {
    let path = format!("/deployment/services/{service}/rollouts");
    let before = api.stored().await;
    let dry = api.post(&format!("{path}?dryRun=true"), body.clone()).await;
    let answer = api.post(&path, body.clone()).await;
    assert_eq!((answer.status, &answer.json), (dry.status, &dry.json), "a dry run is refused as the call");
    assert_eq!(api.stored().await, before);
    answer
}

#[tokio::test]
async fn starts_are_refused_with_their_reason() {
    let api = Api::with_two_versions().await;
    refused(&api, "ghost", &plan()).await.is_problem(404, "unknown-service");
    refused(&api, "auth", &json!({"version": "v9"})).await.is_problem(404, "unknown-version");
    refused(&api, "auth", &json!({"version": "v1.0"})).await.is_problem(409, "no-stable");
    api.put(WEIGHT, json!({"weight": 30})).await.is_ok();
    let ahead = refused(&api, "auth", &plan()).await;
    ahead.is_problem(409, "canary-ahead");
    assert!(ahead.text.contains("begin with a higher weight"), "{}", ahead.text);
    api.put(WEIGHT, json!({"weight": 0})).await.is_ok();

    let gate = json!({"version": "v1.1", "steps": [{"weight": 5, "gates": ["approval", "smoke"]}]});
    let gate = refused(&api, "auth", &gate).await;
    gate.is_problem(422, "unknown-gate");
    assert_eq!(gate.json["pointer"], "/steps/0/gates/1");

    let id = api.roll_out(plan()).await;
    let active = refused(&api, "auth", &json!({"version": "v1.1"})).await;
    active.is_problem(409, "rollout-active");
    assert_eq!(active.json["rollout"], json!(id));
}

#[tokio::test]
async fn gateway_without_name_starts_and_orders_nothing() {
    let store = Arc::new(MemoryStore::new());
    let named = Deployments::builder(Arc::clone(&store), NoVersionCheck).with_replica_name("named");
    let named = Api::over(named.start().await.unwrap());
    for (version, host) in [("v1.0", 1), ("v1.1", 2)] {
        let body = json!({"version": version, "url": format!("http://10.0.0.{host}")});
        named.post("/routing/services/auth/versions", body).await.is_ok();
    }
    let nameless = Api::over(Deployments::start(store, NoVersionCheck).await.unwrap());
    for path in [ROLLOUTS.to_owned(), format!("{ROLLOUTS}?dryRun=true")] {
        nameless.post(&path, plan()).await.is_problem(409, "not-a-replica");
    }
    let id = named.roll_out(plan()).await;
    nameless.order("pause", json!({})).await.is_problem(409, "not-a-replica");
    assert_eq!(nameless.get(CURRENT).await.is_ok()["id"], json!(id));
}

#[tokio::test]
async fn unknown_rollouts_are_404() {
    let api = Api::with_two_versions().await;
    let long = "7".repeat(37);
    for id in ["current", "7f3a", "%00", "a%20b", "%d0%b0", &*long] {
        let path = format!("{ROLLOUTS}/{id}");
        api.get(&path).await.is_problem(404, "unknown-rollout");
        api.post(&format!("{path}/pause"), json!({})).await.is_problem(404, "unknown-rollout");
    }
    let id = api.roll_out(plan()).await;
    for service in ["other", "ghost"] {
        let elsewhere = api.get(&format!("/deployment/services/{service}/rollouts/{id}")).await;
        elsewhere.is_problem(404, "unknown-rollout");
    }
    api.get("/deployment/services/A/rollouts").await.is_problem(422, "invalid-name");
}

#[tokio::test]
async fn orders_to_a_rollout_that_is_over_are_409() {
    let api = Api::with_two_versions().await;
    let id = api.roll_out(plan()).await;
    let path = format!("{ROLLOUTS}/{id}");
    api.post(&format!("{path}/abort"), json!({})).await.is_ok();
    let before = api.get(&path).await.json["events"].take();
    for (verb, body) in [
        ("approve", json!({"step": 0})),
        ("advance", json!({"step": 0})),
        ("pause", json!({})),
        ("resume", json!({})),
        ("promote", json!({})),
        ("abort", json!({})),
        ("abort?force=true", json!({})),
    ] {
        api.post(&format!("{path}/{verb}"), body).await.is_problem(409, "rollout-over");
    }
    assert_eq!(api.get(&path).await.json["events"], before);
}

#[tokio::test(start_paused = true)]
async fn orders_about_another_step_are_409() {
    let api = driven().await;
    api.roll_out(plan()).await;
    api.wait_for("holding", 1).await;
    for verb in ["approve", "advance"] {
        for step in [0, 2, u64::from(u32::MAX)] {
            let stale = api.order(verb, json!({"step": step})).await;
            stale.is_problem(409, "stale-step");
            assert_eq!(stale.json["step"], json!(1));
        }
    }
    let approve = api.order("approve", json!({"step": 1})).await;
    approve.is_problem(409, "nothing-to-approve");
    assert_eq!(api.get(CURRENT).await.json["step"], json!(1));
}

#[tokio::test(start_paused = true)]
async fn orders_without_meaning_are_409() {
    let api = driven().await;
    let experiment = json!({"version": "v1.1", "steps": [10], "then": "return"});
    api.roll_out(experiment).await;
    api.wait_for("holding", 1).await;
    api.order("promote", json!({})).await.is_problem(409, "no-promotion");
    api.order("pause", json!({})).await.is_ok();
    let advance = api.order("advance", json!({"step": 1})).await;
    advance.is_problem(409, "wrong-phase");
    assert!(advance.json["detail"].as_str().unwrap().contains("resume it first"), "{}", advance.text);
    api.order("abort", json!({})).await.is_ok();
}

#[tokio::test(start_paused = true)]
async fn order_after_an_unseen_change_is_409() {
    let api = driven().await;
    let mut body = plan();
    body["steps"] = json!([{"weight": 10, "gates": ["approval"]}]);
    for (verb, body_of_order, allowed) in [
        ("approve", json!({"step": 1}), false),
        ("advance", json!({"step": 1}), false),
        ("resume", json!({}), false),
        ("promote", json!({}), false),
        ("pause", json!({}), true),
        ("abort", json!({}), true),
    ] {
        api.roll_out(body.clone()).await;
        api.wait_for("holding", 1).await;
        api.put(WEIGHT, json!({"weight": 30})).await.is_ok();
        let answer = api.order(verb, body_of_order).await;
        if allowed {
            answer.is_ok();
        } else {
            answer.is_problem(409, "wrong-phase");
            assert!(answer.text.contains("is paused now: look at it again"), "{}", answer.text);
            assert_eq!(api.get(CURRENT).await.json["pause"]["reason"], "changed");
        }
        api.order("abort", json!({})).await;
    }
}

#[tokio::test(start_paused = true)]
async fn way_back_to_sick_versions_waits_for_force() {
    let api = driven().await;
    let id = api.roll_out(json!({"version": "v1.1", "form": "blue-green"})).await;
    api.wait_for("holding", 1).await;
    assert_eq!(api.weights().await, json!({"v1.0": 0, "v1.1": 100}));
    api.sicken(STABLE, Unhealthy::Status(503));
    let returning = api.order("abort", json!({})).await;
    assert_eq!(returning.is_ok()["returning"], json!({"outcome": "aborted", "pending": true}));
    for (verb, body) in [("pause", json!({})), ("promote", json!({})), ("advance", json!({"step": 1}))] {
        let wrong = api.order(verb, body).await;
        wrong.is_problem(409, "wrong-phase");
        assert!(wrong.text.contains("wait until it is over"), "{}", wrong.text);
    }
    let forced = api.order("abort?force=true", json!({})).await;
    assert_eq!((&forced.is_ok()["outcome"], &forced.json["weight"]), (&json!("aborted"), &json!(0)));
    let events = api.get(&format!("{ROLLOUTS}/{id}")).await;
    assert_eq!(api.weights().await, json!({"v1.0": 100, "v1.1": 0}), "{}", events.text);
}

#[tokio::test]
async fn sick_canary_is_not_advanced() {
    let api = Api::with_two_versions().await;
    api.roll_out(plan()).await;
    api.sicken(crate::support::CANARY, Unhealthy::Status(503));
    let sick = api.order("advance", json!({"step": 0})).await;
    sick.is_problem(409, "backend-unhealthy");
    assert_eq!(sick.json["probes"][0]["status"], json!(503));
    assert_eq!(api.get(CURRENT).await.json["phase"], "waiting");
}

#[tokio::test]
async fn orders_have_the_right_form() {
    let api = Api::with_two_versions().await;
    api.roll_out(plan()).await;
    for (verb, body, detail) in [
        ("approve", json!({}), "the field 'step' is missing"),
        ("approve", json!({"step": "1"}), "step: give a whole number from 0 to 4294967295, not a text"),
        ("advance", json!({"step": -1}), "step: give a whole number from 0 to 4294967295, not -1"),
        ("advance", json!({"step": 1, "stage": 1}), "unknown field 'stage': use 'step' or 'reason'"),
        (
            "pause",
            json!({"reason": "a\nb"}),
            "reason: a reason has no control characters, such as line breaks",
        ),
        ("abort", json!({"force": true}), "unknown field 'force': use 'reason'"),
    ] {
        let answer = api.order(verb, body).await;
        answer.is_problem(400, "malformed-body");
        assert_eq!(answer.json["detail"], detail);
    }
    for query in ["abort?force=1", "abort?froce=true", "pause?force=true"] {
        api.order(query, json!({})).await.is_problem(400, "malformed-query");
    }
    assert_eq!(api.get(CURRENT).await.json["phase"], "waiting");
}

#[tokio::test]
async fn unreadable_rollout_is_500_and_names_no_secret() {
    let api = Api::with_two_versions().await;
    let id = api.roll_out(plan()).await;
    let broken = RolloutColumns::new("{\"format\": 99}", "holding");
    let write = RolloutWrite::new(&id, "auth".parse().unwrap(), 1, broken);
    api.store.memory.write_rollout(&write).await.unwrap();
    for answer in [
        api.get(CURRENT).await,
        api.get(&format!("{ROLLOUTS}/{id}")).await,
        api.order("pause", json!({})).await,
        api.post(ROLLOUTS, plan()).await,
    ] {
        answer.is_problem(500, "broken-rollout");
        assert!(!answer.text.contains("99"), "{}", answer.text);
    }
    assert_eq!(api.get(ROLLOUTS).await.is_ok()["rollouts"], json!([]));
    assert_eq!(api.get("/deployment/rollouts").await.is_ok()["rollouts"], json!([]));
    api.put(WEIGHT, json!({"weight": 1})).await.is_ok();
}

#[tokio::test]
async fn store_outage_is_503() {
    let api = Api::with_two_versions().await;
    api.roll_out(plan()).await;
    api.take_store_down();
    let list = "/deployment/rollouts";
    for answer in [api.get(CURRENT).await, api.get(ROLLOUTS).await, api.get(list).await] {
        answer.is_problem(503, "store-unavailable");
        assert!(!answer.text.contains("hunter2"));
    }
    api.order("pause", json!({})).await.is_problem(503, "store-unavailable");
    api.post(ROLLOUTS, plan()).await.is_problem(503, "store-unavailable");
    api.store.down.store(false, Ordering::SeqCst);
    assert_eq!(api.get(CURRENT).await.is_ok()["phase"], "waiting");
}

// A store that an application brings need not have rollouts.
#[tokio::test]
async fn store_without_rollouts_is_404() {
    let deployments = Deployments::builder(NoRollouts::default(), NoVersionCheck);
    let deployments = deployments.with_replica_name("this").start().await.unwrap();
    let mut api = Api::over(deployments.clone());
    api.app = Router::new().nest(MOUNT, router_with_rollouts(Rollouts::new(deployments), jwt()));
    for answer in [api.get(CURRENT).await, api.get(ROLLOUTS).await, api.post(ROLLOUTS, plan()).await] {
        answer.is_problem(404, "not-found");
        assert!(answer.text.contains("implements RolloutStore"), "{}", answer.text);
    }
}

/// A store in memory that hides its rollouts.
#[derive(Debug, Default)]
struct NoRollouts(MemoryStore);

#[async_trait::async_trait]
impl tower_canary::store::RouteStore for NoRollouts {
    async fn load(
        &self,
        after: u64,
    ) -> Result<tower_canary::store::Snapshot, tower_canary::store::StoreError> {
        self.0.load(after).await
    }

    async fn commit(
        &self,
        service: &tower_canary::ServiceName,
        request: &tower_canary::store::ChangeRequest,
    ) -> Result<tower_canary::store::Applied, tower_canary::store::StoreError> {
        self.0.commit(service, request).await
    }

    async fn history(
        &self,
        service: &tower_canary::ServiceName,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<tower_canary::store::HistoryEntry>, tower_canary::store::StoreError> {
        self.0.history(service, before, limit).await
    }
}
