//! Versions with several instances: spread, failures, states, drain.

use std::slice;
use std::time::{Duration, Instant};

use http::{Method, Request, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::backends::{Held, backend, named_backend};
use crate::fleet::{FAST_CHECKS, Fleet, HEALTH_PATH};
use crate::harness::{Gateway, client, empty, full, read};
use crate::paced::Paced;
use crate::wait::wait_until;

/// Requests per second.
const RATE: u32 = 200;

/// Time for which requests are sent before and after an event.
const WHILE: Duration = Duration::from_secs(1);

/// The row of failures after which an instance is ejected.
const ROW: usize = 5;

#[tokio::test]
async fn instances_share_requests() {
    let fleet = Fleet::start(["a", "b", "c"]);
    let gateway = Gateway::start(&FAST_CHECKS);
    fleet.register(&gateway, "v1").await;
    let load = Paced::get(gateway.url("/auth/"), RATE);
    sleep(3 * WHILE).await;
    let answers = load.end().await;
    assert!(answers.failures().is_empty(), "{:?}", answers.failures());
    let counts = answers.by_name();
    for name in ["a", "b", "c"] {
        assert!(counts[name] * 5 > answers.len(), "{counts:?}");
    }
    let traffic = gateway.version_traffic("auth", "v1").await;
    let picks = traffic["instances"].as_array().unwrap().iter().map(|one| one["picks"].as_u64().unwrap());
    assert_eq!(picks.sum::<u64>(), answers.len() as u64, "{traffic}");
}

// With retries of safe requests. Without, a request that had reached the process may fail.
#[tokio::test]
async fn killed_instance_fails_no_read() {
    let mut fleet = Fleet::start(["a", "b", "c"]);
    let gateway = Gateway::start(&[&FAST_CHECKS[..], &["--retry-safe"]].concat());
    fleet.register(&gateway, "v1").await;
    let killed = fleet.processes[1].url.clone();
    let load = Paced::get(gateway.url("/auth/"), RATE);
    sleep(WHILE).await;
    fleet.processes[1].kill();
    gateway.wait_state("auth", &killed, "down").await;
    assert_eq!(gateway.metric("canary_instance_usable", &[&killed]).await, Some(0.0));
    assert_eq!(gateway.metric("canary_instances", &[r#"state="down""#]).await, Some(1.0));
    let version = &gateway.versions("auth").await[0];
    assert_eq!((&version["usable"], &version["noneUsable"]), (&json!(2), &json!(false)), "{version}");

    fleet.processes[1].restart();
    gateway.wait_state("auth", &killed, "up").await;
    let before = gateway.instance_traffic("auth", "v1", &killed).await["picks"].as_u64();
    wait_until(Duration::from_secs(10), "it gets requests again", async || {
        gateway.instance_traffic("auth", "v1", &killed).await["picks"].as_u64() > before
    })
    .await;
    let answers = load.end().await;
    assert!(answers.failures().is_empty(), "{:?}", answers.failures());
}

// By its requests alone: the service has no health path, so no check finds it.
#[tokio::test]
async fn unavailable_instance_is_ejected() {
    let fleet = Fleet::start(["a", "b"]);
    let gateway = Gateway::start(&["--no-demo"]);
    let body = json!({ "version": "v1", "urls": fleet.urls() });
    gateway.admin(Method::POST, "/routing/services/auth/versions", body).await;
    let load = Paced::start(Method::POST, vec![gateway.url("/auth/")], RATE);
    sleep(WHILE).await;
    fleet.processes[0].set_unavailable(true).await;
    let url = &fleet.processes[0].url;
    gateway.wait_state("auth", url, "ejected").await;
    let ejected = Instant::now();
    sleep(WHILE).await;
    let answers = load.end().await;
    let failures = answers.failures();
    assert!(failures.len() >= ROW && failures.iter().all(|failure| failure.status == 503), "{failures:?}");
    assert!(failures.iter().all(|failure| failure.sent < ejected), "{failures:?}");
    let instance = gateway.instance("auth", url).await;
    assert!(instance["until"].is_string() && instance["ejections"] == 1, "{instance}");

    // The other one is spared: at most half of them are ejected.
    fleet.processes[1].set_unavailable(true).await;
    let load = Paced::start(Method::POST, vec![gateway.url("/auth/")], RATE);
    sleep(WHILE).await;
    assert!(!load.end().await.failures().is_empty());
    assert_eq!(gateway.instance("auth", &fleet.processes[1].url).await["state"], "up");
}

#[tokio::test]
async fn passed_check_ends_an_ejection_on_request() {
    let fleet = Fleet::start(["a", "b"]);
    let gateway = Gateway::start(&["--no-demo", "--health-interval", "1m"]);
    fleet.register(&gateway, "v1").await;
    let url = &fleet.processes[0].url;
    fleet.processes[0].set_unavailable(true).await;
    let load = Paced::get(gateway.url("/auth/"), RATE);
    gateway.wait_state("auth", url, "ejected").await;
    let path = "/deployment/services/auth/versions/v1/check";
    gateway.admin(Method::POST, path, json!({ "clear": true })).await;
    assert_eq!(gateway.instance("auth", url).await["state"], "ejected", "the check failed");
    fleet.processes[0].set_unavailable(false).await;
    wait_until(Duration::from_secs(30), "a check has passed and ended the ejection", async || {
        gateway.admin(Method::POST, path, json!({ "clear": true })).await;
        gateway.instance("auth", url).await["state"] == "up"
    })
    .await;
    load.end().await;
}

#[tokio::test]
async fn safe_requests_are_retried_on_demand() {
    let fleet = Fleet::start(["a", "b", "c"]);
    let gateway = Gateway::start(&["--no-demo", "--retry-safe"]);
    fleet.register(&gateway, "v1").await;
    fleet.processes[2].set_unavailable(true).await;
    let reads = Paced::get(gateway.url("/auth/"), RATE);
    let writes = Paced::start(Method::POST, vec![gateway.url("/auth/")], RATE);
    sleep(2 * WHILE).await;
    assert!(reads.end().await.failures().is_empty());
    let writes = writes.end().await;
    assert!(!writes.failures().is_empty(), "a POST is not repeated");
}

#[tokio::test]
async fn frozen_instance_fails_no_read() {
    let fleet = Fleet::start(["a", "b"]);
    let options = ["--no-demo", "--retry-safe", "--attempt-timeout", "5s", "--response-timeout", "30"];
    let gateway = Gateway::start(&options);
    fleet.register(&gateway, "v1").await;
    let reads = Paced::get(gateway.url("/auth/"), RATE);
    sleep(WHILE).await;
    fleet.processes[0].freeze();
    wait_until(Duration::from_secs(30), "attempts have ended", async || {
        let frozen = gateway.instance_traffic("auth", "v1", &fleet.processes[0].url).await;
        frozen["failures"].as_u64().unwrap() > 0
    })
    .await;
    sleep(WHILE).await;
    let reads = reads.end().await;
    assert!(reads.failures().is_empty(), "{:?}", reads.failures());
    fleet.processes[0].thaw();
}

// A request with a body that not a byte was sent of goes to another instance as well.
#[tokio::test]
async fn unsent_upload_goes_to_another_instance() {
    let mut fleet = Fleet::start(["a", "b"]);
    let gateway = Gateway::start(&["--no-demo", "--no-health"]);
    fleet.register(&gateway, "v1").await;
    fleet.processes[0].kill();
    for _ in 0..20 {
        let request = Request::post(gateway.url("/auth/")).body(full("12345")).unwrap();
        let response = gateway.send(request).await;
        assert_eq!((response.status, &*response.text), (StatusCode::OK, "5"), "{response:?}");
    }
    let state = gateway.instance("auth", &fleet.processes[0].url).await;
    assert_eq!(state["state"], "up", "without health nothing is taken out: {state}");
}

#[tokio::test]
async fn drain_of_one_instance_is_awaited() {
    let slow = Held::start("v1").await;
    let other = named_backend("v1", Duration::ZERO).await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &slow.backend.url).await;
    let request = Request::get(gateway.url("/auth/")).body(empty()).unwrap();
    let held = tokio::spawn(client().request(request));
    gateway.wait_in_flight("auth", "v1", 1).await;
    gateway.change_urls("auth", "v1", "addUrls", &[&other.url]).await;
    gateway.change_urls("auth", "v1", "removeUrls", &[&slow.backend.url]).await;

    let wait = format!("/deployment/services/auth/traffic?version=v1&url={}&wait=drained", slow.backend.url);
    let early = gateway.admin(Method::GET, &format!("{wait}&timeout=200ms"), Value::Null).await;
    assert_eq!(early["versions"][0]["instances"][0]["drained"], false, "{early}");
    slow.release();
    let late = gateway.admin(Method::GET, &format!("{wait}&timeout=10s"), Value::Null).await;
    let instance = &late["versions"][0]["instances"][0];
    assert_eq!(
        (&instance["drained"], &instance["drainedEverywhere"]),
        (&json!(true), &json!(true)),
        "{late}"
    );
    assert_eq!(read(held.await.unwrap().unwrap()).await.text, "auth v1 /\n");
    let (status, problem) = gateway
        .try_admin(Method::PUT, "/routing/services/auth/versions/v1", &json!({ "removeUrls": [other.url] }))
        .await
        .unwrap();
    assert_eq!((status, &problem["type"]), (StatusCode::CONFLICT, &json!("last-instance")), "{problem}");
}

#[tokio::test]
async fn start_awaits_the_first_checks() {
    let dir = tempfile::tempdir().unwrap();
    let fleet = Fleet::start(["a", "b"]);
    let mut gateway = Gateway::start_in(dir.path(), &FAST_CHECKS);
    fleet.register(&gateway, "v1").await;
    gateway.kill();
    fleet.processes[0].set_unavailable(true).await;
    let gateway = Gateway::start_in(dir.path(), &FAST_CHECKS);
    gateway.wait_ready().await;
    let load = Paced::start(Method::POST, vec![gateway.url("/auth/")], RATE);
    sleep(WHILE).await;
    let answers = load.end().await;
    assert!(answers.failures().is_empty(), "{:?}", answers.failures());
}

/// Starts an instance whose health path responds with `status`, and whose other paths respond with its name.
async fn checked(name: &'static str, status: u16) -> crate::backends::Backend {
    backend(move |request| async move {
        let is_check = request.uri().path() == HEALTH_PATH;
        let status = if is_check { status } else { 200 };
        http::Response::builder().status(status).body(full(format!("auth {name} /\n"))).unwrap()
    })
    .await
}

#[tokio::test]
async fn wrong_health_path_fails_no_request() {
    let backends = [checked("v1", 404).await, checked("v1", 404).await];
    let urls = backends.each_ref().map(|backend| backend.url.clone());
    let log = tempfile::NamedTempFile::new().unwrap();
    let gateway = Gateway::start_logging(log.reopen().unwrap(), None, &FAST_CHECKS);
    gateway.register_instances("auth", "v1", &urls, HEALTH_PATH).await;
    gateway.wait_state("auth", &urls[1], "down").await;
    gateway.wait_state("auth", &urls[0], "down").await;
    gateway.count_versions("/auth/", 200, 4).await;
    let version = &gateway.versions("auth").await[0];
    assert_eq!((&version["usable"], &version["noneUsable"]), (&json!(0), &json!(true)), "{version}");
    assert_eq!(gateway.metric("canary_none_usable", &[r#"version="v1""#]).await, Some(1.0));
    let events =
        gateway.admin(Method::GET, "/deployment/services/auth/versions?events=true", Value::Null).await;
    let kinds = events["events"].as_array().unwrap().iter().filter(|event| event["kind"] == "none-usable");
    assert_eq!(kinds.count(), 1, "{events}");
    let log = std::fs::read_to_string(log.path()).unwrap();
    let lines = log.lines().filter(|line| line.contains("no instance of the version is usable"));
    assert_eq!(lines.count(), 1, "{log}");
}

#[tokio::test]
async fn refusing_gateway_responds_503() {
    let backends = [checked("v1", 500).await, checked("v1", 500).await];
    let urls = backends.each_ref().map(|backend| backend.url.clone());
    let gateway = Gateway::start(&[&FAST_CHECKS[..], &["--refuse-unhealthy"]].concat());
    gateway.register_instances("auth", "v1", &urls, HEALTH_PATH).await;
    gateway.wait_state("auth", &urls[0], "down").await;
    gateway.wait_state("auth", &urls[1], "down").await;
    let response = gateway.get("/auth/").await;
    assert_eq!(response.status, StatusCode::SERVICE_UNAVAILABLE, "{response:?}");
    assert_eq!(response.headers["retry-after"], "5");
    assert!(response.text.contains("no-instance"), "{response:?}");
}

#[tokio::test]
async fn failover_serves_another_version() {
    let [broken, working] = [checked("v1", 500).await, checked("v2", 200).await];
    let gateway = Gateway::start(&[&FAST_CHECKS[..], &["--failover"]].concat());
    gateway.register_instances("auth", "v1", slice::from_ref(&broken.url), HEALTH_PATH).await;
    gateway.register_instances("auth", "v2", slice::from_ref(&working.url), HEALTH_PATH).await;
    let path = "/deployment/services/auth/versions/v2/weight?force=true";
    gateway.admin(Method::PUT, path, json!({ "weight": 50 })).await;
    gateway.wait_state("auth", &broken.url, "down").await;
    gateway.wait_state("auth", &working.url, "up").await;
    let counts = gateway.count_versions("/auth/", 200, 1).await;
    assert_eq!(counts.get("v2"), Some(&200), "{counts:?}");
    let diverted = gateway.version_traffic("auth", "v1").await["diverted"].as_u64().unwrap();
    assert!(diverted.abs_diff(100) <= 2, "{diverted}");
    let exported = gateway.metric("canary_diverted_total", &[r#"version="v1""#]).await;
    assert_eq!(exported, Some(diverted as f64));
}
