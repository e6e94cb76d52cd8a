//! The wire types serve both ends: each response reads back as the type that a client uses.

use std::fmt::Debug;
use std::time::{Duration, SystemTime};

use axum::body::Body;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tower_canary::admin;
use tower_canary::api::{
    ChangeParams, ChangeReason, ChangeResult, CheckView, ExplainParams, ExplanationView, HistoryPage,
    PageParams, Problem, ProblemKind, RegisterVersion, ReplicaList, ServiceList, SetWeight, SetWeights,
    SplitView, StatusView, Timestamp, TrafficParams, TrafficView, VersionState,
};
use tower_canary::routing::VersionName;
use tower_canary::store::{ReplicaRegistry, Report};

use crate::support::{Answer, Api};

const AUTH: &str = "/deployment/services/auth";

/// Reads a response as the type `T`, writes it again and compares the bytes.
#[track_caller]
fn reads_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(answer: &Answer) -> T {
    let view: T =
        serde_json::from_str(&answer.text).unwrap_or_else(|error| panic!("{error}: {}", answer.text));
    assert_eq!(serde_json::to_string(&view).unwrap(), answer.text);
    view
}

#[tokio::test]
async fn views_of_splits_read_back() {
    let api = Api::with_two_versions().await;
    let changed = api.put(&format!("{AUTH}/versions/v1.1/weight"), json!({"weight": 12.5})).await;
    let changed: ChangeResult = reads_back(&changed);
    assert_eq!(changed.weight.unwrap().to_string(), "12.5");
    let mut split: SplitView = reads_back(&api.get(&format!("{AUTH}/versions")).await);
    assert_eq!(split.versions[1].health.as_ref().unwrap().instances[0].state, "up");
    split.versions.iter_mut().for_each(|version| version.health = None);
    assert_eq!(split, changed.split);
    let list: ServiceList = reads_back(&api.get("/deployment/services").await);
    assert_eq!(list.services, [split]);
    let explained: ExplanationView = reads_back(&api.get(&format!("{AUTH}/explain?key=alice")).await);
    assert!(explained.slot < 10_000 && explained.key == "alice");
}

#[tokio::test]
async fn results_of_changes_read_back() {
    let api = Api::with_two_versions().await;
    api.store.report(&Report::new("2", "behind", 1)).await.unwrap();
    let weight = format!("{AUTH}/versions/v1.1/weight");
    let preview = api.put(&format!("{weight}?dryRun=true"), json!({"weight": 10})).await;
    let preview: ChangeResult = reads_back(&preview);
    assert!(preview.dry_run && preview.moves.unwrap()[0].users.to_string() == "10");
    let lagging = api.put(&format!("{weight}?wait=converged&timeout=0s"), json!({"weight": 10})).await;
    let lagging: ChangeResult = reads_back(&lagging);
    assert_eq!(lagging.convergence.unwrap().waiting.unwrap(), ["behind"]);
    let switched =
        api.send(api.request("POST", &format!("{AUTH}/versions/v1.1/switch"), Body::empty())).await;
    assert_eq!(reads_back::<ChangeResult>(&switched).switched_to.as_deref(), Some("v1.1"));
    let checked = api.send(api.request("POST", &format!("{AUTH}/versions/v1.1/check"), Body::empty())).await;
    assert_eq!(reads_back::<CheckView>(&checked).latency_ms, Some(3));
}

#[tokio::test]
async fn history_status_and_replicas_read_back() {
    let api = Api::with_two_versions().await;
    api.put(&format!("{AUTH}/weights"), json!({"weights": {"v1.0": 7}}))
        .await
        .is_problem(422, "invalid-split");
    let page: HistoryPage = reads_back(&api.get(&format!("{AUTH}/history")).await);
    assert_eq!((page.history.len(), page.history[0].request.actor.as_str()), (2, "alice"));
    assert_eq!(page.refused.unwrap()[0].request.change, "set-weights");
    let later: HistoryPage = reads_back(&api.get(&format!("{AUTH}/history?before=2")).await);
    assert_eq!(later.refused, None);
    let status: StatusView = reads_back(&api.get("/deployment/status").await);
    assert!(status.broken.is_empty());
    let who: tower_canary::api::PrincipalView = reads_back(&api.get("/whoami").await);
    assert_eq!(who.subject, "alice");
    reads_back::<tower_canary::api::TrafficOverview>(&api.get("/deployment/traffic").await);
    let list: ReplicaList = reads_back(&api.get("/deployment/replicas").await);
    assert!(list.replicas[0].is_this);
}

#[tokio::test]
async fn traffic_reads_back_with_and_without_other_gateways() {
    let api = Api::with_two_versions().await;
    let shared: TrafficView = reads_back(&api.get(&format!("{AUTH}/traffic")).await);
    assert_eq!(shared.versions[0].state, VersionState::Serving);
    assert_eq!(shared.versions[0].cluster.as_ref().unwrap().drained_everywhere, Some(false));
    api.take_store_down();
    let unknown: TrafficView = reads_back(&api.get(&format!("{AUTH}/traffic")).await);
    assert_eq!(unknown.versions[0].cluster.as_ref().unwrap().drained_everywhere, None);

    let deployments = tower_canary::Deployments::in_memory(tower_canary::Draw::Exact);
    let alone = Api::over(deployments);
    let body = json!({"version": "v1", "url": "http://10.0.0.1"});
    alone.post("/routing/services/auth/versions", body).await.is_ok();
    let alone: TrafficView = reads_back(&alone.get(&format!("{AUTH}/traffic")).await);
    assert_eq!(alone.versions[0].cluster, None);
}

#[tokio::test]
async fn problems_read_back_as_errors() {
    let api = Api::with_two_versions().await;
    let mut stale = api.request("POST", &format!("{AUTH}/redraw"), Body::empty());
    stale.headers_mut().insert("if-match", "\"7\"".parse().unwrap());
    let problem: Problem = reads_back(&api.send(stale).await);
    assert_eq!(problem.kind(), Some(ProblemKind::GenerationConflict));
    assert_eq!((problem.expected_generation, problem.current_generation), (Some(7), Some(2)));
    let problem: Problem = reads_back(&api.get("/nowhere").await);
    assert_eq!(problem.to_string(), "Not found: the admin API has no such path");
    for kind in ProblemKind::ALL {
        assert_eq!(ProblemKind::from_slug(kind.slug()), Some(*kind));
    }
}

/// The form in which a client sends a request, read as the server reads it.
#[track_caller]
fn arrives<T: Serialize + DeserializeOwned + PartialEq + Debug>(request: &T) {
    let json = serde_json::to_string(request).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *request, "{json}");
}

#[test]
fn requests_of_a_client_arrive_as_they_were_built() {
    let reason: ChangeReason = "a \u{1f424} reason".parse().unwrap();
    let version: VersionName = "v1.1".parse().unwrap();
    let url = "http://10.0.0.2:8080".parse().unwrap();
    let urls = vec!["http://10.0.0.2".parse().unwrap(), "http://10.0.0.3".parse().unwrap()];
    let urls = tower_canary::routing::Instances::new(urls).unwrap();
    arrives(&SetWeight::new("12.5".parse().unwrap()).with_reason(reason.clone()));
    arrives(&SetWeights::new([(version.clone(), "100".parse().unwrap())]).with_reason(reason.clone()));
    arrives(&RegisterVersion::new(&version, &url).with_active(false).with_weight("0".parse().unwrap()));
    arrives(&RegisterVersion::new(&version, &url).with_urls(&urls).with_reason(reason.clone()));
    let update = tower_canary::api::UpdateVersion::new();
    arrives(&update.clone().with_url(&url).with_active(true));
    arrives(&update.clone().with_urls(&urls).with_reason(reason.clone()));
    arrives(&update.clone().with_added_urls(&urls));
    arrives(&update.with_removed_urls(&urls));
    arrives(&tower_canary::api::CheckVersion::new().with_clear(true));
    arrives(&tower_canary::api::VersionsParams::default());
    arrives(
        &tower_canary::api::UpdateService::new(Some(&"/up".parse().unwrap())).with_reason(reason.clone()),
    );
    arrives(&tower_canary::api::UpdateService::new(None));
    arrives(&tower_canary::api::RestoreGeneration::new(u64::MAX).with_reason(reason));
    arrives(&tower_canary::api::PlainChange::new());
    arrives(&ChangeParams::default());
    arrives(&PageParams::default());
    arrives(&tower_canary::api::ServicesParams::default());
    arrives(&ExplainParams::new("alice"));
    arrives(&TrafficParams::default());
}

#[test]
fn requests_with_unknown_fields_do_not_arrive() {
    assert!(serde_json::from_str::<SetWeight>(r#"{"weight":1,"wieght":2}"#).is_err());
    assert!(serde_json::from_str::<SetWeights>(r#"{"weights":{"v1":1,"v1":2}}"#).is_err());
    assert!(serde_json::from_str::<ChangeParams>(r#"{"froce":true}"#).is_err());
}

#[test]
fn timestamps_stay_within_what_rfc_3339_can_write() {
    let far = SystemTime::UNIX_EPOCH + Duration::from_secs(400_000_000_000);
    assert_eq!(Timestamp::from(far).to_string(), "9999-12-31T23:59:59.999Z");
    let early = SystemTime::UNIX_EPOCH - Duration::from_secs(1);
    assert_eq!(Timestamp::from(early).to_string(), "1970-01-01T00:00:00.000Z");
    assert!("2026-01-05".parse::<Timestamp>().is_err());
}

#[test]
fn each_schema_of_the_document_is_a_wire_type() {
    let document = admin::openapi_json();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
    assert!(names.contains(&"ChangeResult") && names.contains(&"TrafficView") && names.contains(&"Problem"));
    let text = document.to_string();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(names.contains(&name), "{name} is referenced and not defined");
    }
}
