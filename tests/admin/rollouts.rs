//! What the operations on rollouts do.

use std::time::Duration;

use axum::body::Body;
use http::header::LOCATION;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::time::sleep;
use tower_canary::api::{
    ChangeResult, RolloutDetails, RolloutList, RolloutPage, RolloutPreview, RolloutSummary, StartRollout,
};
use tower_canary::rollout::{Gate, GateAnswer, Question};
use tower_canary::store::{ReplicaRegistry, Report};

use crate::rollout_support::{CURRENT, ROLLOUTS, driven, driven_with, kinds, plan};
use crate::support::{Answer, Api, MOUNT};

/// Reads a response as the type `T`, writes it again and compares the bytes.
#[track_caller]
fn reads_back<T: Serialize + DeserializeOwned>(answer: &Answer) -> T {
    let view: T =
        serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text));
    assert_eq!(serde_json::to_string(&view).unwrap(), answer.text);
    view
}

#[tokio::test]
async fn same_plan_is_the_same_rollout() {
    let api = Api::with_two_versions().await;
    let started = api.post(ROLLOUTS, plan()).await;
    assert_eq!(started.status, 201);
    let rollout: RolloutSummary = reads_back(&started);
    assert_eq!(started.headers[LOCATION], format!("{MOUNT}{ROLLOUTS}/{}", rollout.id));
    assert_eq!((&*rollout.phase, rollout.step, rollout.steps), ("waiting", 0, 3));
    assert_eq!((&*rollout.actor, rollout.actor_kind.as_deref()), ("alice", Some("person")));
    assert_eq!(rollout.reason.as_deref(), Some("release 1.1"));

    let mut again = plan();
    again["reason"] = json!("another reason");
    again["guard"] = json!({"leastRequests": 200});
    let again = api.post(ROLLOUTS, again).await;
    assert_eq!((again.status.as_u16(), &again.json), (200, &started.json));
    assert!(!again.headers.contains_key(LOCATION));

    let mut other = plan();
    other["steps"] = json!([10, 51]);
    let other = api.post(ROLLOUTS, other).await;
    other.is_problem(409, "rollout-active");
    assert_eq!(other.json["rollout"], started.json["id"]);
}

// The plan with all its defaults is the same plan, too.
#[tokio::test]
async fn whole_plan_of_a_rollout_starts_it_again() {
    let api = Api::with_two_versions().await;
    api.roll_out(json!({"version": "v1.1"})).await;
    let whole = api.get(CURRENT).await.json["plan"].take();
    let again = api.post(ROLLOUTS, whole.clone()).await;
    assert_eq!(again.status, 200, "{}", again.text);
    let body: StartRollout = serde_json::from_value(whole.clone()).unwrap();
    assert_eq!(serde_json::to_value(&body).unwrap(), whole);
}

#[tokio::test]
async fn dry_run_shows_each_stage_and_writes_nothing() {
    let api = Api::with_two_versions().await;
    let before = api.stored().await;
    let dry = format!("{ROLLOUTS}?dryRun=true");
    let preview: RolloutPreview = reads_back(&api.post(&dry, plan()).await);
    assert_eq!(api.stored().await, before);
    assert_eq!(api.get(ROLLOUTS).await.json["rollouts"], json!([]));
    assert!(preview.dry_run && preview.running.is_none());
    let moved: Vec<String> = preview.stages.iter().map(|stage| stage.moves[0].users.to_string()).collect();
    assert_eq!(moved, ["10", "40", "45"]);
    let end = preview.end.unwrap();
    assert_eq!((end.weight.to_string(), end.moves[0].users.to_string()), ("100".into(), "5".into()));
    let bake = &preview.stages[2];
    assert!(bake.stage.is_bake && bake.stage.hold_ms == 60_000);
    assert_eq!(bake.weights["v1.0"].to_string(), "5");
    // The least windows of the guard take two minutes, and three deadlines an hour each.
    assert_eq!((preview.shortest_ms, preview.longest_ms), (360_000, 10_800_000));

    let id = api.roll_out(plan()).await;
    let running: RolloutPreview = reads_back(&api.post(&dry, plan()).await);
    assert_eq!(running.running, Some(id));
}

#[tokio::test]
async fn dry_run_needs_one_scope_and_a_start_the_other() {
    let api = Api::with_two_versions().await;
    let dry = format!("{ROLLOUTS}?dryRun=true");
    for scope in ["canary:read", "canary:write"] {
        api.post_as(scope, &dry, &plan()).await.is_ok();
    }
    for path in [ROLLOUTS.to_owned(), format!("{ROLLOUTS}?dryRun=false"), format!("{CURRENT}/abort")] {
        let body = if path.ends_with("abort") { json!({}) } else { plan() };
        api.post_as("canary:read", &path, &body).await.is_problem(403, "insufficient-scope");
    }
    // The guard lets a reader with this query pass, and the operation does not have the parameter.
    let abort = api.post_as("canary:read", &format!("{CURRENT}/abort?dryRun=true"), &json!({})).await;
    abort.is_problem(400, "malformed-query");
    assert_eq!(api.get(ROLLOUTS).await.json["rollouts"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn rollout_obeys_each_order() {
    let api = driven().await;
    let id = api.roll_out(plan()).await;
    let first = api.wait_for("holding", 1).await;
    assert_eq!((&first["weight"], &first["weights"]), (&json!(10), &json!({"v1.0": 90, "v1.1": 10})));
    let paused = api.order("pause", json!({"reason": "lunch"})).await;
    let paused: RolloutSummary = reads_back(&paused);
    assert_eq!(paused.pause.unwrap().reason, "by-hand");
    let again: RolloutSummary = reads_back(&api.order("pause", json!({})).await);
    assert_eq!(again.phase, "paused");
    let resumed = api.send(api.request("POST", &format!("{CURRENT}/resume"), Body::empty())).await;
    assert_eq!(resumed.is_ok()["phase"], "holding");
    let advanced = api.order("advance", json!({"step": 1, "reason": "seen enough"})).await;
    assert_eq!((&advanced.is_ok()["step"], &advanced.json["weight"]), (&json!(2), &json!(50)));
    let promoted = api.order("promote", json!({})).await;
    assert_eq!((&promoted.is_ok()["step"], &promoted.json["weight"]), (&json!(3), &json!(95)));
    let aborted = api.order("abort", json!({"reason": "no"})).await;
    assert_eq!((&aborted.is_ok()["outcome"], &aborted.json["weight"]), (&json!("aborted"), &json!(0)));
    assert_eq!(aborted.json["why"], "aborted: no");

    events_are_of_alice(&api, &id).await;
}

async fn events_are_of_alice(api: &Api, id: &str) {
    let details: RolloutDetails = reads_back(&api.get(&format!("{ROLLOUTS}/{id}")).await);
    let events: Vec<(&str, Option<&str>)> =
        details.events.iter().map(|event| (&*event.kind, event.actor.as_deref())).collect();
    let by_alice = Some("alice");
    let expected = [
        ("started", by_alice),
        ("step", None),
        ("paused", by_alice),
        ("resumed", by_alice),
        ("step", by_alice),
        ("step", by_alice),
        ("returning", by_alice),
        ("aborted", by_alice),
    ];
    assert_eq!(events, expected);
    assert_eq!(details.events[2].text, "paused by alice: lunch");
    assert_eq!(details.events[4].text, "step 2 of 3: 50 %: seen enough");
    let places: Vec<(u64, u32)> = details.events.iter().map(|event| (event.turn, event.position)).collect();
    assert!(places.is_sorted() && places.windows(2).all(|two| two[0] != two[1]), "{places:?}");
    let history = api.get("/deployment/services/auth/history").await;
    assert_eq!(history.json["history"][1]["actor"], json!(format!("rollout:{id}")));
    assert_eq!(history.json["history"][1]["actorKind"], "rollout");
}

#[tokio::test(start_paused = true)]
async fn gate_shows_who_opened_it() {
    let api = driven().await;
    let mut body = plan();
    body["steps"] = json!([{"weight": 10, "gates": ["approval"]}]);
    body["startGates"] = json!(["approval"]);
    api.roll_out(body).await;
    sleep(Duration::from_secs(20)).await;
    let waiting = api.get(CURRENT).await.json;
    assert_eq!(waiting["gates"], json!([{"gate": "approval", "open": false, "by": null}]));
    assert_eq!((&waiting["phase"], &waiting["verdict"]), (&json!("waiting"), &json!(null)));
    for _ in 0..2 {
        api.order("approve", json!({"step": 0})).await.is_ok();
    }
    let opened = api.get(CURRENT).await.json;
    assert_eq!(opened["gates"], json!([{"gate": "approval", "open": true, "by": "alice"}]));
    let next = api.wait_for("holding", 1).await;
    assert_eq!(next["gates"], json!([{"gate": "approval", "open": false, "by": null}]));
    assert_eq!(kinds(&next), ["started", "gate-waiting", "approved", "step"]);
}

/// A gate that is open.
#[derive(Debug)]
struct Open;

#[async_trait::async_trait]
impl Gate for Open {
    async fn ask(&self, _: &Question) -> GateAnswer {
        GateAnswer::Open
    }
}

#[tokio::test(start_paused = true)]
async fn gate_of_the_application_is_opened_by_nobody() {
    let api = driven_with(|rollouts| rollouts.with_gate("smoke", Open).unwrap()).await;
    let mut body = plan();
    body["startGates"] = json!(["smoke", "approval"]);
    api.roll_out(body).await;
    sleep(Duration::from_secs(20)).await;
    let smoke = json!({"gate": "smoke", "open": true, "by": null});
    let approval = json!({"gate": "approval", "open": false, "by": null});
    assert_eq!(api.get(CURRENT).await.json["gates"], json!([smoke, approval]));
}

#[tokio::test(start_paused = true)]
async fn details_show_the_evidence_of_all_gateways() {
    let api = driven().await;
    api.send_users(false);
    api.roll_out(plan()).await;
    api.wait_for("holding", 1).await;
    sleep(Duration::from_secs(45)).await;
    let details: RolloutDetails = reads_back(&api.get(CURRENT).await);
    assert_eq!((details.summary.watched_ms > 20_000, details.summary.hold_ms), (true, Some(60_000)));
    let measures: Vec<&str> = details.measures.iter().map(|measure| &*measure.measure).collect();
    assert_eq!(measures, ["errors", "latency"]);
    assert!(details.measures[0].log10.unwrap() < 0.0 && details.measures[0].odds.starts_with("1 : "));
    let step = &details.requests.step;
    assert!(step.canary.requests >= 400 && step.stable.requests == 9 * step.canary.requests, "{step:?}");
    assert_eq!((details.requests.least_requests, details.requests.least_windows), (200, 12));
    let observed = details.observed.unwrap();
    assert!(observed.observed == 10.0 && observed.low < 10.0 && observed.high > 10.0);
    let replicas: Vec<(&str, bool, bool)> =
        details.replicas.iter().map(|r| (&*r.name, r.reports, r.is_this)).collect();
    assert_eq!(replicas, [("this", true, true), ("users", true, false)]);
    assert!(details.converged && details.calm && details.window_open && !details.accepted);
    let leader = details.leader.unwrap();
    assert!(leader.is_this && leader.name.as_deref() == Some("this"));
    assert_eq!(details.summary.verdict.unwrap().verdict, "open");
}

#[tokio::test(start_paused = true)]
async fn gateways_without_figures_are_named() {
    let api = driven().await;
    api.roll_out(plan()).await;
    sleep(Duration::from_secs(10)).await;
    let revision = api.deployments.freshness().revision;
    api.store.memory.report(&Report::new("silent", "silent", revision)).await.unwrap();
    let details: RolloutDetails = reads_back(&api.get(CURRENT).await);
    let replicas: Vec<(&str, bool)> = details.replicas.iter().map(|r| (&*r.name, r.reports)).collect();
    assert_eq!(replicas, [("silent", false), ("this", true)]);
}

#[tokio::test(start_paused = true)]
async fn failing_canary_is_shown_with_its_finding() {
    let api = driven().await;
    api.send_users(true);
    let id = api.roll_out(plan()).await;
    sleep(Duration::from_secs(120)).await;
    let over = api.get(&format!("{ROLLOUTS}/{id}")).await;
    let over = over.is_ok();
    assert_eq!((&over["phase"], &over["outcome"]), (&json!("over"), &json!("rolled-back")));
    assert!(over["why"].as_str().unwrap().starts_with("failed: 100 % of "), "{over}");
    assert_eq!(over["verdict"]["verdict"], "fail");
    assert!(over["overAt"].is_string() && over["timeLeftMs"].is_null());
    assert_eq!(kinds(over), ["started", "step", "failed", "returning", "rolled-back"]);
}

#[tokio::test(start_paused = true)]
async fn inconclusive_step_pauses_and_is_accepted() {
    let api = driven().await;
    let mut body = plan();
    body["deadline"] = json!("1m");
    api.roll_out(body).await;
    let paused = api.wait_for("paused", 1).await;
    assert_eq!(paused["pause"], json!({"reason": "inconclusive", "from": "holding"}));
    let verdict = json!({"verdict": "inconclusive", "why": "the canary has no requests", "unguarded": false});
    assert_eq!(paused["verdict"], verdict);
    api.order("resume", json!({})).await.is_ok();
    assert_eq!(api.get(CURRENT).await.json["accepted"], json!(true));
}

#[tokio::test(start_paused = true)]
async fn other_changes_show_their_effect() {
    let api = driven().await;
    let versions = "/routing/services/auth/versions";
    let weight = "/deployment/services/auth/versions/v1.1/weight";
    let none = api.put(&format!("{weight}?dryRun=true"), json!({"weight": 1})).await;
    assert_eq!(none.is_ok().get("rollout"), None);
    let id = api.roll_out(plan()).await;
    api.wait_for("holding", 1).await;
    let third = api.post(versions, json!({"version": "v1.2", "url": "http://10.0.0.3"})).await;
    assert_eq!(third.is_ok()["rollout"], json!({"id": id, "now": "holding"}));
    for (weight_in_percent, now) in [(30, "paused"), (0, "over"), (100, "over")] {
        let dry = api.put(&format!("{weight}?dryRun=true"), json!({"weight": weight_in_percent})).await;
        assert_eq!(dry.is_ok()["rollout"], json!({"id": id, "now": now}), "{weight_in_percent}");
    }
    let urls = api.put(&format!("{versions}/v1.1"), json!({"url": "http://10.0.0.9"})).await;
    assert_eq!(urls.is_ok()["rollout"], json!({"id": id, "now": "paused"}));
    let changed = api.put(weight, json!({"weight": 30})).await;
    let result: ChangeResult = reads_back(&changed);
    assert_eq!(result.rollout.unwrap().now, "paused");
    sleep(Duration::from_secs(20)).await;
    assert_eq!(api.weights().await["v1.1"], json!(30), "it is not undone");
    assert_eq!(api.get(CURRENT).await.json["phase"], "paused");
    let last = api.put(weight, json!({"weight": 0})).await;
    assert_eq!(last.is_ok()["rollout"], json!({"id": id, "now": "over"}));
}

#[tokio::test]
async fn changes_do_not_wait_for_unreadable_rollouts() {
    let api = Api::with_two_versions().await;
    api.take_store_down();
    let weight = "/deployment/services/auth/versions/v1.1/weight?dryRun=true";
    assert_eq!(api.put(weight, json!({"weight": 1})).await.is_ok().get("rollout"), None);
}

#[tokio::test]
async fn rollouts_are_listed_in_pages() {
    let api = Api::with_two_versions().await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(api.roll_out(plan()).await);
        api.order("abort", json!({})).await.is_ok();
    }
    let page: RolloutPage = reads_back(&api.get(&format!("{ROLLOUTS}?limit=2")).await);
    let listed: Vec<&String> = page.rollouts.iter().map(|rollout| &rollout.id).collect();
    assert_eq!(listed, [&ids[2], &ids[1]]);
    let next = format!("{ROLLOUTS}?limit=2&before={}", page.next_before.unwrap());
    let last: RolloutPage = reads_back(&api.get(&next).await);
    assert_eq!((&last.rollouts[0].id, last.rollouts.len(), last.next_before), (&ids[0], 1, None));
    assert_eq!(api.get("/deployment/services/ghost/rollouts").await.is_ok()["rollouts"], json!([]));
}

#[tokio::test]
async fn all_live_rollouts_are_listed() {
    let api = Api::with_two_versions().await;
    assert_eq!(api.get("/deployment/rollouts").await.is_ok()["rollouts"], json!([]));
    api.roll_out(plan()).await;
    let list: RolloutList = reads_back(&api.get("/deployment/rollouts").await);
    assert_eq!((&*list.rollouts[0].service, &*list.rollouts[0].version), ("auth", "v1.1"));
    assert_eq!(list.replica.as_deref(), Some("this"));
    api.order("abort", json!({})).await.is_ok();
    assert_eq!(api.get("/deployment/rollouts").await.is_ok()["rollouts"], json!([]));
}
