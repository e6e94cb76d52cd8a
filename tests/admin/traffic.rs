//! Traffic of versions: figures, streams, and the wait until a version is drained.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::routing::Change;
use tower_canary::store::ChangeRequest;
use tower_canary::{Deployments, Draw, Target, WeightedVersionLayer};

use crate::faulty_store::FaultyStore;
use crate::support::{Api, faulty_store, start_two};

const TRAFFIC: &str = "/deployment/services/auth/traffic";

/// `auth` with v1.0 at 100 and v1.1 at 0.
async fn served() -> (Api, Deployments) {
    let deployments = Deployments::in_memory(Draw::Seeded(1));
    for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
        change(&deployments, Change::register(version.parse().unwrap(), url.parse().unwrap())).await;
    }
    (Api::over(deployments.clone()), deployments)
}

async fn change(deployments: &Deployments, change: Change) {
    deployments.apply(&"auth".parse().unwrap(), ChangeRequest::new(change, "alice")).await.unwrap();
}

async fn switch(deployments: &Deployments, version: &str) {
    change(deployments, Change::switch(version.parse().unwrap())).await;
}

/// Sends a request whose response has `status` and arrives after `time`.
async fn send(deployments: &Deployments, status: u16, time: Duration) {
    let client = service_fn(move |_: Request<()>| async move {
        sleep(time).await;
        Ok::<_, Infallible>(Response::builder().status(status).body(Full::<Bytes>::from("hello")).unwrap())
    });
    let layer = WeightedVersionLayer::new(deployments.handle(), Target::service("auth".parse().unwrap()));
    let response = layer.layer(client).oneshot(Request::new(())).await.unwrap();
    response.into_body().collect().await.unwrap();
}

fn v(answer: &Value, i: usize) -> &Value {
    &answer["versions"][i]
}

#[tokio::test(start_paused = true)]
async fn traffic_reports_figures_and_weight() {
    let (api, deployments) = served().await;
    let weight = Change::set_weight("v1.1".parse().unwrap(), "10".parse().unwrap());
    change(&deployments, weight).await;
    for i in 0..100 {
        let status = if i == 0 { 500 } else { 200 };
        send(&deployments, status, Duration::from_millis(100)).await;
    }
    let answer = api.get(TRAFFIC).await;
    let traffic = answer.is_ok();
    assert_eq!(
        (&traffic["service"], &traffic["generation"], &traffic["unserved"]),
        (&json!("auth"), &json!(3), &json!(0))
    );
    assert_eq!((&v(traffic, 0)["version"], &v(traffic, 0)["weight"]), (&json!("v1.0"), &json!(90)));
    let total = &v(traffic, 0)["total"];
    assert_eq!((&total["requests"], &total["picks"]["draw"]), (&json!(90), &json!(90)));
    let failed = [0, 1].map(|i| v(traffic, i)["total"]["outcomes"]["5xx"].as_u64().unwrap());
    assert_eq!(failed.iter().sum::<u64>(), 1);
    let last = &v(traffic, 1)["windows"][0];
    assert_eq!(
        (&last["window"], &last["requests"], &last["rates"]["n"]),
        (&json!("10s"), &json!(10), &json!(10))
    );
    assert_eq!((&last["share"]["observed"], &last["share"]["of"]), (&json!(10.0), &json!(100)));
    assert!(last["share"]["low"].as_f64() < Some(10.0) && last["share"]["high"].as_f64() > Some(10.0));
    let p50 = last["latency"]["p50Ms"].as_f64().unwrap();
    assert!((p50 / 100.0 - 1.0).abs() < 0.035, "{p50}");
    assert_eq!(last["seconds"], json!(10.0));
    assert_eq!(last["perSecond"], json!(1.0));
    assert_eq!((&v(traffic, 1)["state"], &v(traffic, 1)["drained"]), (&json!("serving"), &json!(false)));
    let alone = api.get(&format!("{TRAFFIC}?version=v1.1")).await;
    assert_eq!(alone.is_ok()["versions"].as_array().unwrap().len(), 1);
    assert_eq!(v(&alone.json, 0)["version"], "v1.1");
}

#[tokio::test(start_paused = true)]
async fn idle_service_has_no_rates() {
    let (api, _) = served().await;
    let answer = api.get(TRAFFIC).await;
    let version = v(answer.is_ok(), 1);
    assert_eq!(
        (&version["state"], &version["drained"], &version["idleSeconds"]),
        (&json!("idle"), &json!(true), &Value::Null)
    );
    let last = &version["windows"][2];
    assert_eq!(
        (&last["share"], &last["rates"], &last["latency"]["p99Ms"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
}

#[tokio::test(start_paused = true)]
async fn drain_wait_ends_with_last_request() {
    let (api, deployments) = served().await;
    let slow = tokio::task::LocalSet::new();
    let requests = deployments.clone();
    slow.spawn_local(async move { send(&requests, 200, Duration::from_secs(20)).await });
    slow.run_until(async {
        sleep(Duration::from_secs(1)).await;
        switch(&deployments, "v1.1").await;
        let start = Instant::now();
        let answer = api.get(&format!("{TRAFFIC}?version=v1.0&wait=drained&timeout=5s")).await;
        assert_eq!(start.elapsed().as_secs(), 5);
        let version = v(answer.is_ok(), 0);
        assert_eq!(
            (&version["inFlight"], &version["drained"], &version["state"]),
            (&json!(1), &json!(false), &json!("draining"))
        );
        let answer = api.get(&format!("{TRAFFIC}?version=v1.0&wait=drained")).await;
        assert_eq!(start.elapsed().as_secs(), 19);
        let version = v(answer.is_ok(), 0);
        assert_eq!(
            (&version["inFlight"], &version["drained"], &version["state"]),
            (&json!(0), &json!(true), &json!("idle"))
        );
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn drain_wait_may_precede_the_switch() {
    let (api, deployments) = served().await;
    let start = Instant::now();
    let (answer, ()) = tokio::join!(
        api.get("/deployment/services/auth/traffic?version=v1.0&wait=drained&timeout=1m"),
        async {
            sleep(Duration::from_secs(10)).await;
            switch(&deployments, "v1.1").await;
        }
    );
    assert_eq!((start.elapsed().as_secs(), &v(answer.is_ok(), 0)["drained"]), (10, &json!(true)));
}

#[tokio::test(start_paused = true)]
async fn timeout_alone_waits() {
    let (api, _) = served().await;
    let start = Instant::now();
    let answer = api.get(&format!("{TRAFFIC}?version=v1.0&timeout=7s")).await;
    assert_eq!((start.elapsed().as_secs(), &v(answer.is_ok(), 0)["drained"]), (7, &json!(false)));
}

#[tokio::test(start_paused = true)]
async fn malformed_traffic_query_is_refused() {
    let (api, _) = served().await;
    for query in [
        "wait=drained",
        "version=v1.0&wait=idle",
        "timeout=5s",
        "version=v1.0&wait=drained&timeout=601s",
        "versions=v1.0",
    ] {
        api.get(&format!("{TRAFFIC}?{query}")).await.is_problem(400, "malformed-query");
    }
    api.get(&format!("{TRAFFIC}?version=V%20")).await.is_problem(422, "invalid-name");
    api.get(&format!("{TRAFFIC}?version=v9")).await.is_problem(404, "unknown-version");
    api.get("/deployment/services/nobody/traffic").await.is_problem(404, "unknown-service");
}

async fn events(api: &Api) -> (HeaderValue, Body) {
    events_at(api, TRAFFIC).await
}

async fn events_at(api: &Api, path: &str) -> (HeaderValue, Body) {
    let mut request = api.request("GET", path, Body::empty());
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
    let response = api.app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    (response.headers()["content-type"].clone(), response.into_body())
}

/// The data of the next event.
async fn next_event(body: &mut Body) -> Value {
    let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
    let text = String::from_utf8(frame.to_vec()).unwrap();
    serde_json::from_str(text.strip_prefix("event: traffic\ndata: ").unwrap().trim_end()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn first_event_has_the_last_five_minutes() {
    let (api, deployments) = served().await;
    tokio::spawn(deployments.clone().run(std::future::pending()));
    for i in 0..200 {
        send(&deployments, if i % 4 == 0 { 500 } else { 200 }, Duration::from_secs(1)).await;
    }
    let (_, mut body) = events(&api).await;
    let first = next_event(&mut body).await;
    let series = v(&first, 0)["series"].as_array().unwrap();
    assert!((95..=101).contains(&series.len()), "{}", series.len());
    let sum = |field: &str| series.iter().map(|sample| sample[field].as_u64().unwrap()).sum::<u64>();
    assert!((196..=200).contains(&sum("requests")) && (48..=50).contains(&sum("failed")));
    let last = series.last().unwrap();
    assert_eq!((&last["seconds"], &last["requests"]), (&json!(2.0), &json!(2)));
    let ends: Vec<&str> = series.iter().map(|sample| sample["at"].as_str().unwrap()).collect();
    assert!(ends.is_sorted() && *ends.last().unwrap() <= first["at"].as_str().unwrap());
    assert_eq!(next_event(&mut body).await["versions"][0].get("series"), None);
    assert_eq!(api.get(TRAFFIC).await.is_ok()["versions"][0].get("series"), None);
}

#[tokio::test(start_paused = true)]
async fn overview_lists_busy_services() {
    let (api, deployments) = served().await;
    let quiet = Change::register("v1".parse().unwrap(), "http://10.0.0.9".parse().unwrap());
    deployments.apply(&"quiet".parse().unwrap(), ChangeRequest::new(quiet, "alice")).await.unwrap();
    assert_eq!(api.get("/deployment/traffic").await.is_ok()["services"], json!([]));
    tokio::spawn(deployments.clone().run(std::future::pending()));
    for i in 0..100 {
        send(&deployments, if i < 25 { 500 } else { 200 }, Duration::from_millis(100)).await;
    }
    let answer = api.get("/deployment/traffic").await;
    let overview: tower_canary::api::TrafficOverview =
        serde_json::from_value(answer.is_ok().clone()).unwrap();
    assert!(!overview.stale && overview.replica.is_none());
    let [auth] = overview.services.as_slice() else { panic!("{}", answer.text) };
    assert_eq!((auth.service.as_str(), auth.n, auth.failed, auth.in_flight), ("auth", 100, Some(25.0), 0));
    assert!((8.0..=10.0).contains(&auth.per_second), "{}", auth.per_second);
    let (_, mut body) = events_at(&api, "/deployment/traffic").await;
    assert_eq!(next_event(&mut body).await["services"][0]["service"], json!("auth"));
    sleep(Duration::from_secs(15)).await;
    assert_eq!(api.get("/deployment/traffic").await.is_ok()["services"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn stream_sends_every_2_s_for_5_min() {
    let (api, deployments) = served().await;
    let (kind, mut body) = events(&api).await;
    assert_eq!(kind, "text/event-stream");
    let start = Instant::now();
    let mut received = 0_u64;
    while let Some(frame) = body.frame().await {
        let text = String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap();
        let data = text.strip_prefix("event: traffic\ndata: ").unwrap();
        let event: Value = serde_json::from_str(data.trim_end()).unwrap();
        assert_eq!(
            (start.elapsed().as_secs(), &v(&event, 0)["total"]["requests"]),
            (2 * received, &json!(received))
        );
        received += 1;
        send(&deployments, 200, Duration::ZERO).await;
    }
    assert!((150..=151).contains(&received), "{received}");
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_streams_and_waits() {
    let (api, deployments) = served().await;
    let start = Instant::now();
    let (_, body) = events(&api).await;
    let run = deployments.clone().run(sleep(Duration::from_secs(7)));
    let waiting = api.get("/deployment/services/auth/traffic?version=v1.0&wait=drained&timeout=10m");
    let ((), collected, answer) = tokio::join!(run, body.collect(), waiting);
    assert_eq!((start.elapsed().as_secs(), answer.status.as_u16()), (7, 200));
    let text = String::from_utf8(collected.unwrap().to_bytes().to_vec()).unwrap();
    assert_eq!(text.matches("event: traffic").count(), 4);
}

/// Two running gateways on one store, with the admin API of the first.
async fn two_gateways() -> (Api, [Deployments; 2], Arc<FaultyStore>) {
    let store = faulty_store();
    let gateways = start_two(&store).await;
    for (version, url) in [("v1.0", "http://10.0.0.1"), ("v1.1", "http://10.0.0.2")] {
        change(&gateways[0], Change::register(version.parse().unwrap(), url.parse().unwrap())).await;
    }
    sleep(Duration::from_secs(2)).await;
    (Api::over(gateways[0].clone()), gateways, store)
}

/// Whether v1.0 is drained here, the gateways that still use it, and whether it is drained everywhere.
fn drained(answer: &Value) -> [&Value; 3] {
    ["drained", "elsewhere", "drainedEverywhere"].map(|field| &v(answer, 0)[field])
}

#[tokio::test(start_paused = true)]
async fn drain_wait_covers_other_replicas() {
    let (api, [here, there], _) = two_gateways().await;
    let slow = tokio::task::LocalSet::new();
    slow.spawn_local(async move { send(&there, 200, Duration::from_secs(20)).await });
    slow.run_until(async {
        sleep(Duration::from_secs(1)).await;
        switch(&here, "v1.1").await;
        let start = Instant::now();
        let answer = api.get(TRAFFIC).await;
        let behind = json!([{"replica": "gateway-2", "state": "behind"}]);
        assert_eq!(drained(answer.is_ok()), [&json!(true), &behind, &json!(false)]);
        let answer = api.get(&format!("{TRAFFIC}?version=v1.0&wait=drained&timeout=5s")).await;
        assert_eq!(start.elapsed().as_secs(), 5);
        let draining = json!([{"replica": "gateway-2", "state": "draining"}]);
        assert_eq!(drained(answer.is_ok()), [&json!(true), &draining, &json!(false)]);
        let answer = api.get(&format!("{TRAFFIC}?version=v1.0&wait=drained")).await;
        assert_eq!(start.elapsed().as_secs(), 19);
        assert_eq!(drained(answer.is_ok()), [&json!(true), &json!([]), &json!(true)]);
    })
    .await;
}

// Meanwhile `elsewhere` and `drainedEverywhere` are null.
#[tokio::test(start_paused = true)]
async fn drain_wait_survives_store_outage() {
    let (api, [here, _], store) = two_gateways().await;
    switch(&here, "v1.1").await;
    store.down.store(true, Ordering::SeqCst);
    let answer = api.get(TRAFFIC).await;
    assert_eq!(drained(answer.is_ok()), [&json!(true), &Value::Null, &Value::Null]);
    let start = Instant::now();
    let path = format!("{TRAFFIC}?version=v1.0&wait=drained&timeout=1m");
    let (answer, ()) = tokio::join!(api.get(&path), async {
        sleep(Duration::from_secs(10)).await;
        store.down.store(false, Ordering::SeqCst);
    });
    assert_eq!(drained(answer.is_ok()), [&json!(true), &json!([]), &json!(true)]);
    assert!((10..16).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

// A gateway without replicas omits `elsewhere` and `drainedEverywhere`.
#[tokio::test(start_paused = true)]
async fn serving_version_is_not_drained() {
    let (api, _, _) = two_gateways().await;
    let answer = api.get(TRAFFIC).await;
    assert_eq!(drained(answer.is_ok()), [&json!(false), &json!([]), &json!(false)]);
    assert_eq!(v(&answer.json, 1)["drainedEverywhere"], json!(true));
    let (alone, _) = served().await;
    let answer = alone.get(TRAFFIC).await;
    let version = v(answer.is_ok(), 0).as_object().unwrap();
    assert!(
        !version.contains_key("elsewhere") && !version.contains_key("drainedEverywhere"),
        "{}",
        answer.text
    );
}
