//! The traffic figures of the gateway against the observations of a client, and `/metrics`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::backends::{Backend, backend, named_backend};
use crate::harness::{Gateway, client, empty, full, read, read_url};

/// Starts a backend that responds according to its path: `/STATUS/MILLISECONDS`.
async fn scripted_backend() -> Backend {
    backend(|request| async move {
        // The path of a probe has no numbers.
        let asked: Vec<u64> = request.uri().path().split('/').filter_map(|part| part.parse().ok()).collect();
        let (status, millis) = if let [status, millis, ..] = asked[..] { (status, millis) } else { (200, 0) };
        sleep(Duration::from_millis(millis)).await;
        let status = StatusCode::from_u16(u16::try_from(status).unwrap()).unwrap();
        Response::builder().status(status).body(full("hello")).unwrap()
    })
    .await
}

async fn traffic(gateway: &Gateway) -> Value {
    gateway.admin(Method::GET, "/deployment/services/auth/traffic", Value::Null).await
}

fn total(reports: &[Value], count: impl Fn(&Value) -> &Value) -> u64 {
    let versions = reports.iter().flat_map(|report| report["versions"].as_array().unwrap());
    versions.map(|version| count(&version["total"]).as_u64().unwrap()).sum()
}

/// The time in milliseconds that the backend takes for request `i` of client `seed`: a fixed sequence with the spread of a real
/// backend.
const fn delay(seed: u64, i: u64) -> u64 {
    60 + (seed * 7919 + i * 104_729) % 140
}

/// Sends 100 requests. Returns the statuses, and the time of each response.
async fn load(url: String, seed: u64) -> (BTreeMap<u16, u64>, Vec<Duration>) {
    let mut statuses = BTreeMap::new();
    let mut times = Vec::new();
    let client = client();
    for i in 0..100 {
        let millis = delay(seed, i);
        let status: u16 = if i % 10 == 9 { 503 } else { 200 };
        let request = Request::get(format!("{url}/{status}/{millis}")).body(empty()).unwrap();
        let start = Instant::now();
        let response = client.request(request).await.unwrap();
        times.push(start.elapsed());
        *statuses.entry(response.status().as_u16()).or_default() += 1;
        read(response).await;
    }
    (statuses, times)
}

// Through 100 changed splits.
#[tokio::test(flavor = "multi_thread")]
async fn replica_totals_match_the_client() {
    let dir = tempfile::tempdir().unwrap();
    let one = scripted_backend().await;
    let two = scripted_backend().await;
    let gateways =
        ["here", "there"].map(|name| Gateway::start_in(dir.path(), &["--no-demo", "--name", name]));
    gateways[0].register("auth", "v1", &one.url).await;
    gateways[0].register("auth", "v2", &two.url).await;
    gateways[0].wait_converged(&gateways[1]).await;
    let clients: Vec<_> =
        (0..8_u64).map(|i| tokio::spawn(load(gateways[usize::from(i % 2 == 1)].url("/auth"), i))).collect();
    for i in 0..100 {
        gateways[i % 2].set_weight("auth", "v2", f64::from(u8::try_from(i).unwrap())).await;
    }
    let mut statuses = BTreeMap::<u16, u64>::new();
    for client in clients {
        let (of_client, _) = client.await.unwrap();
        of_client.into_iter().for_each(|(status, count)| *statuses.entry(status).or_default() += count);
    }
    let reports = [traffic(&gateways[0]).await, traffic(&gateways[1]).await];
    assert_eq!(total(&reports, |total| &total["requests"]), 800);
    assert_eq!(
        statuses,
        BTreeMap::from([(200, total(&reports, |total| &total["outcomes"]["2xx"])), (503, 80)])
    );
    assert_eq!(total(&reports, |total| &total["outcomes"]["5xx"]), 80);
    assert_eq!(total(&reports, |total| &total["latency"]["n"]), 800);
    assert!(
        reports
            .iter()
            .all(|report| report["versions"][0]["inFlight"] == 0 && report["versions"][1]["inFlight"] == 0)
    );
}

// Through 100 republished tables. A request takes at least the time of the backend, and at most that of the client, so the
// percentiles are between theirs. On a quiet machine both are the same.
#[tokio::test(flavor = "multi_thread")]
async fn percentiles_match_the_client() {
    let backend = scripted_backend().await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    let clients: Vec<_> = (0..5).map(|i| tokio::spawn(load(gateway.url("/auth"), i))).collect();
    for _ in 0..100 {
        gateway.admin(Method::POST, "/deployment/services/auth/redraw", Value::Null).await;
        sleep(Duration::from_millis(100)).await;
    }
    let mut times = Vec::new();
    for client in clients {
        times.extend(client.await.unwrap().1);
    }
    times.sort();
    let mut delays: Vec<_> = (0..500).map(|n| Duration::from_millis(delay(n / 100, n % 100))).collect();
    delays.sort();
    let report = traffic(&gateway).await;
    let latency = &report["versions"][0]["total"]["latency"];
    for (q, name) in [(0.5, "p50Ms"), (0.99, "p99Ms")] {
        let reported = latency[name].as_f64().unwrap();
        let [least, most] = [&delays, &times].map(|sorted| sorted[(q * 500.0) as usize].as_secs_f64() * 1e3);
        println!("{name}: reported {reported} ms, {least} ms at the backend, {most:.1} ms at the client");
        assert!((least * 0.95..most * 1.05).contains(&reported), "{name}: {least} {reported} {most}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn stop_after_drain_wait_fails_nothing() {
    let old = named_backend("v1", Duration::from_secs(1)).await;
    let new = named_backend("v2", Duration::ZERO).await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &old.url).await;
    gateway.register("auth", "v2", &new.url).await;
    let url = gateway.url("/auth/");
    let stopped = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..20)
        .map(|_| {
            let url = url.clone();
            let stopped = Arc::clone(&stopped);
            tokio::spawn(async move {
                let client = client();
                while !stopped.load(Ordering::Relaxed) {
                    let response =
                        read(client.request(Request::get(&url).body(empty()).unwrap()).await.unwrap()).await;
                    assert_eq!(response.status, StatusCode::OK);
                }
            })
        })
        .collect();
    gateway.wait_in_flight("auth", "v1", 20).await;
    gateway.switch("auth", "v2").await;
    let path = "/deployment/services/auth/traffic?version=v1&wait=drained&timeout=30s";
    let report = gateway.admin(Method::GET, path, Value::Null).await;
    let version = &report["versions"][0];
    assert_eq!(
        (&version["version"], &version["drained"], &version["inFlight"]),
        (&json!("v1"), &json!(true), &json!(0))
    );
    drop(old);
    sleep(Duration::from_secs(1)).await;
    stopped.store(true, Ordering::Relaxed);
    for client in clients {
        client.await.unwrap();
    }
}

/// Checks the page as a linter of Prometheus does: HELP and TYPE before the samples of each metric, and
/// names with units. Returns the series by metric.
fn lint(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut kinds = BTreeMap::new();
    let mut with_help = BTreeSet::new();
    let mut series = BTreeMap::new();
    for line in page.lines().filter(|line| !line.is_empty()) {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').unwrap();
            assert!(text.ends_with('.') && with_help.insert(name.to_owned()), "{line}");
        } else if let Some(kind) = line.strip_prefix("# TYPE ") {
            let (name, kind) = kind.split_once(' ').unwrap();
            assert!(with_help.contains(name), "{name} has no HELP");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            assert!(kind != "summary" && (kind != "histogram" || name.ends_with("_seconds")), "{line}");
            assert_eq!(kinds.insert(name.to_owned(), kind.to_owned()), None, "{name} twice");
        } else {
            let (sample, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            let (name, labels) = sample.split_once('{').unwrap_or((sample, ""));
            let mut bases =
                ["_bucket", "_sum", "_count"].into_iter().filter_map(|suffix| name.strip_suffix(suffix));
            let base =
                bases.find(|base| kinds.get(*base).is_some_and(|kind| kind == "histogram")).unwrap_or(name);
            assert!(base.starts_with("canary_") && kinds.contains_key(base), "{line}");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{line}");
            series.entry(base.to_owned()).or_insert_with(BTreeSet::new).insert(format!("{name}{{{labels}"));
        }
    }
    series
}

// Requests cannot create new series.
#[tokio::test(flavor = "multi_thread")]
async fn metrics_are_valid_and_bounded() {
    let backend = scripted_backend().await;
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &backend.url).await;
    gateway.register("auth", "v2", &backend.url).await;
    gateway.get("/auth/200/0").await;
    let page = gateway.admin.replace("/api/v1/admin", "/metrics");
    let first = read_url(&page).await;
    assert_eq!(first.headers["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let before = lint(&first.text);
    for i in 0..200 {
        let random = format!("/auth/200/0/{i}?{i}");
        let request = Request::get(gateway.url(&random)).header("host", format!("h{i}.example"));
        gateway.send(request.body(empty()).unwrap()).await;
        gateway.get(&format!("/nobody-{i}/")).await;
    }
    let last = read_url(&page).await.text;
    let after = lint(&last);
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert_eq!(before, after);
    for sample in [
        r#"canary_requests_total{service="auth",version="v1",outcome="2xx"} 201"#,
        r#"canary_request_duration_seconds_count{service="auth",version="v1"} 201"#,
        r#"canary_weight{service="auth",version="v1"} 100"#,
        "canary_unknown_service_total 200",
        r#"canary_admin_changes_total{action="register",result="applied"} 2"#,
    ] {
        assert!(last.lines().any(|line| line == sample), "{sample} is not in\n{last}");
    }
}
