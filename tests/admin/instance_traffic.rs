//! Traffic of instances, and the wait until one is drained.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};
use tower_canary::Deployments;
use tower_canary::api::{ReplicaList, TrafficView};
use tower_canary::health::Health;
use tower_canary::routing::{Backend, Change, Instances};
use tower_canary::store::ChangeRequest;

use crate::observed::{A, B, Observed, V1, VERSIONS, send};
use crate::support::{Api, faulty_store, start_two};

const TRAFFIC: &str = "/deployment/services/auth/traffic";

/// Returns ten requests to a gateway that get their responses after 20 seconds.
fn ten_requests(deployments: &Deployments) -> LocalSet {
    let requests = LocalSet::new();
    for _ in 0..10 {
        let deployments = deployments.clone();
        requests.spawn_local(async move { send(&deployments, &[], Duration::from_secs(20)).await });
    }
    requests
}

/// The traffic of the instance `i` of the version `v`.
fn instance(answer: &Value, v: usize, i: usize) -> &Value {
    &answer["versions"][v]["instances"][i]
}

#[tokio::test(start_paused = true)]
async fn picks_and_failures_are_counted_by_instance() {
    let gateway = Observed::new(Health::new()).await;
    gateway.send(100, &[]).await;
    let answer = gateway.api.get(TRAFFIC).await;
    let count = |i: usize, field: &str| instance(answer.is_ok(), 0, i)[field].as_u64().unwrap();
    assert_eq!((count(0, "picks") + count(1, "picks"), count(0, "failures")), (100, 0));
    assert!(count(0, "picks") > 20 && count(1, "picks") > 20, "{}", answer.text);
    assert_eq!(answer.json["versions"][0]["diverted"], json!(0));
    gateway.eject_b().await;
    let answer = gateway.api.get(TRAFFIC).await;
    let failures = [0, 1].map(|i| instance(answer.is_ok(), 0, i)["failures"].as_u64().unwrap());
    // A row of 5, and those that are sent until the duty has seen it.
    assert!(failures[0] == 0 && (5..30).contains(&failures[1]), "{failures:?}");
    let total = &answer.json["versions"][0]["total"];
    assert_eq!((&total["requests"], &total["outcomes"]["5xx"]), (&json!(600), &json!(failures[1])));
    let read: TrafficView = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), answer.text);
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_are_counted_by_instance() {
    let gateway = Observed::new(Health::new()).await;
    let requests = ten_requests(&gateway.deployments);
    requests
        .run_until(async {
            sleep(Duration::from_secs(1)).await;
            let answer = gateway.api.get(TRAFFIC).await;
            let in_flight = [0, 1].map(|i| instance(answer.is_ok(), 0, i)["inFlight"].as_u64().unwrap());
            assert_eq!(in_flight.iter().sum::<u64>(), 10, "{}", answer.text);
            assert_eq!(in_flight.map(|count| count > 0), [true, true]);
            assert_eq!(instance(&answer.json, 0, 0)["drained"], json!(false));
        })
        .await;
    requests.await;
}

// Each is counted for the version that it was drawn for.
#[tokio::test(start_paused = true)]
async fn diverted_requests_are_counted() {
    let gateway = Observed::new(Health::new().failover()).await;
    gateway.api.post(VERSIONS, json!({"version": "v1.1", "urls": ["http://10.0.0.8"]})).await.is_ok();
    let weights = json!({"weights": {"v1.0": 40, "v1.1": 60}});
    gateway.api.put("/deployment/services/auth/weights", weights).await.is_ok();
    gateway.sicken(A, true);
    gateway.set_sick(B, true).await;
    gateway.send(100, &[]).await;
    let answer = gateway.api.get(TRAFFIC).await;
    let diverted = [0, 1].map(|i| answer.is_ok()["versions"][i]["diverted"].as_u64().unwrap());
    assert!((38..=42).contains(&diverted[0]) && diverted[1] == 0, "{diverted:?}");
    assert_eq!(answer.json["versions"][1]["total"]["requests"], json!(100));
}

#[tokio::test(start_paused = true)]
async fn one_instance_is_shown_by_its_url() {
    let gateway = Observed::new(Health::new()).await;
    for url in [B.to_owned(), format!("{B}/")] {
        let answer = gateway.api.get(&format!("{TRAFFIC}?version=v1.0&url={url}")).await;
        assert_eq!(answer.is_ok()["versions"][0]["instances"].as_array().unwrap().len(), 1);
        let shown = instance(&answer.json, 0, 0);
        assert_eq!((&shown["url"], &shown["isRegistered"]), (&json!(B), &json!(true)));
    }
    let unknown = gateway.api.get(&format!("{TRAFFIC}?version=v1.0&url=http://10.0.0.9")).await;
    let unused = json!({"url": "http://10.0.0.9", "isRegistered": false, "inFlight": 0, "picks": 0, "failures": 0, "drained": true});
    assert_eq!(*instance(unknown.is_ok(), 0, 0), unused);
    for (query, status, kind) in [
        (format!("url={B}"), 400, "malformed-query"),
        (format!("url={B}&wait=drained"), 400, "malformed-query"),
        ("version=v1.0&url=10.0.0.1".to_owned(), 422, "invalid-url"),
        ("version=v1.0&url=".to_owned(), 422, "invalid-url"),
        (format!("version=v1.0&url={A}&url={B}"), 400, "malformed-query"),
        (format!("version=v9&url={B}"), 404, "unknown-version"),
    ] {
        gateway.api.get(&format!("{TRAFFIC}?{query}")).await.is_problem(status, kind);
    }
}

#[tokio::test(start_paused = true)]
async fn wait_for_an_instance_ends_with_its_last_request() {
    let gateway = Observed::new(Health::new()).await;
    let requests = ten_requests(&gateway.deployments);
    requests
        .run_until(async {
            sleep(Duration::from_secs(1)).await;
            let start = Instant::now();
            let wait = format!("{TRAFFIC}?version=v1.0&url={B}&wait=drained");
            let answer = gateway.api.get(&format!("{wait}&timeout=2s")).await;
            assert_eq!(start.elapsed().as_secs(), 2, "a registered instance is not drained");
            assert_eq!(instance(answer.is_ok(), 0, 0)["drained"], json!(false));

            gateway.api.put(V1, json!({"removeUrls": [B]})).await.is_ok();
            let answer = gateway.api.get(TRAFFIC).await;
            let removed = instance(answer.is_ok(), 0, 1);
            assert_eq!((&removed["url"], &removed["isRegistered"]), (&json!(B), &json!(false)));
            assert!(removed["inFlight"].as_u64() > Some(0) && removed["drained"] == json!(false));

            let answer = gateway.api.get(&wait).await;
            assert_eq!(start.elapsed().as_secs(), 19);
            assert_eq!(instance(answer.is_ok(), 0, 0)["drained"], json!(true));
            assert_eq!(answer.json["versions"][0]["drained"], json!(false), "the version serves");
        })
        .await;
    requests.await;
}

/// Two running gateways on one store with `auth` at A and B, and the admin API of the first.
async fn two_gateways() -> (Api, [Deployments; 2]) {
    let store = faulty_store();
    let gateways = start_two(&store).await;
    let api = Api::over(gateways[0].clone());
    api.post(VERSIONS, json!({"version": "v1.0", "urls": [A, B]})).await.is_ok();
    sleep(Duration::from_secs(2)).await;
    (api, gateways)
}

/// Whether the instance is drained here, the gateways that still use it, and whether it is drained everywhere.
fn drained(answer: &Value) -> [&Value; 3] {
    ["drained", "elsewhere", "drainedEverywhere"].map(|field| &instance(answer, 0, 0)[field])
}

#[tokio::test(start_paused = true)]
async fn wait_for_an_instance_covers_other_replicas() {
    let (api, [here, there]) = two_gateways().await;
    let requests = ten_requests(&there);
    requests
        .run_until(async {
            sleep(Duration::from_secs(1)).await;
            let removed: Backend = B.parse().unwrap();
            let change = Change::remove_urls("v1.0".parse().unwrap(), Instances::from(removed));
            here.apply(&"auth".parse().unwrap(), ChangeRequest::new(change, "alice")).await.unwrap();
            let start = Instant::now();
            let path = format!("{TRAFFIC}?version=v1.0&url={B}");
            let answer = api.get(&path).await;
            let behind = json!([{"replica": "gateway-2", "state": "behind"}]);
            assert_eq!(drained(answer.is_ok()), [&json!(true), &behind, &json!(false)]);

            let answer = api.get(&format!("{path}&wait=drained&timeout=5s")).await;
            assert_eq!(start.elapsed().as_secs(), 5);
            let draining = json!([{"replica": "gateway-2", "state": "draining"}]);
            assert_eq!(drained(answer.is_ok()), [&json!(true), &draining, &json!(false)]);
            let list = api.get("/deployment/replicas").await;
            let shown = json!([{"service": "auth", "version": "v1.0", "url": B}]);
            assert_eq!(list.is_ok()["replicas"][1]["draining"], shown);
            let read: ReplicaList = serde_json::from_str(&list.text).unwrap();
            assert_eq!(serde_json::to_string(&read).unwrap(), list.text);

            let answer = api.get(&format!("{path}&wait=drained")).await;
            assert_eq!(start.elapsed().as_secs(), 19);
            assert_eq!(drained(answer.is_ok()), [&json!(true), &json!([]), &json!(true)]);
        })
        .await;
    requests.await;
}
