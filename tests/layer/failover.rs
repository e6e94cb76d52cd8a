//! Failover to another instance and to another version.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::TokioExecutor;
use tower::retry::RetryLayer;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_canary::layer::Override;
use tower_canary::layer::failover::{Failover, ReplayableBody, prepare};
use tower_canary::routing::{Change, Reason, Route};
use tower_canary::{RoutingHandle, WeightedVersionLayer};

use crate::addresses::ClosedPort;
use crate::instances::auth_of;
use crate::support::*;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Refused,
    Reset,
}

type Log = Arc<Mutex<Vec<(String, String)>>>;

/// A client that responds with the host of the request, or fails with `fault`. It records hosts and bodies.
async fn exchange(
    request: Request<ReplayableBody<Full<Bytes>>>,
    log: Log,
    fault: Option<Fault>,
) -> Result<Response<String>, Fault> {
    let host = request.uri().host().unwrap().to_owned();
    let body = match fault {
        Some(Fault::Refused) => String::new(),
        _ => String::from_utf8(request.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(),
    };
    log.lock().unwrap().push((host.clone(), body));
    fault.map_or(Ok(Response::new(host)), Err)
}

/// A client whose connection to `10.0.0.1` is refused.
async fn first_refuses(request: Request<ReplayableBody<Full<Bytes>>>) -> Result<Response<String>, Fault> {
    if request.uri().host() == Some("10.0.0.1") {
        Err(Fault::Refused)
    } else {
        Ok(Response::new(String::new()))
    }
}

/// Sends `count` requests by a client that fails for the hosts in `faults`. Returns the results and the log.
async fn answers(
    handle: &RoutingHandle,
    faults: &[(&'static str, Fault)],
    count: usize,
) -> (Vec<Result<String, Fault>>, Vec<(String, String)>) {
    answers_through(fixed(handle).with_failover(), faults, count).await
}

async fn answers_through(
    layer: WeightedVersionLayer,
    faults: &[(&'static str, Fault)],
    count: usize,
) -> (Vec<Result<String, Fault>>, Vec<(String, String)>) {
    let log = Log::default();
    let faults: BTreeMap<_, _> = faults.iter().copied().collect();
    let noted = Arc::clone(&log);
    let client = service_fn(move |request: Request<ReplayableBody<Full<Bytes>>>| {
        let fault = faults.get(request.uri().host().unwrap()).copied();
        exchange(request, Arc::clone(&noted), fault)
    });
    let policy = Failover::new(|error: &Fault| *error == Fault::Refused);
    let layers = ServiceBuilder::new().map_request(prepare).layer(RetryLayer::new(policy));
    let service = layers.layer(layer).service(client);
    let mut answers = Vec::new();
    for i in 0..count {
        let request = Request::post("/").body(Full::from(format!("body {i}"))).unwrap();
        let answer = service.clone().oneshot(request).await;
        answers.push(answer.map(|response| response.into_body().into_inner().unwrap()));
    }
    let log = log.lock().unwrap().clone();
    (answers, log)
}

fn hosts(log: &[(String, String)]) -> BTreeMap<&str, usize> {
    let mut hosts = BTreeMap::new();
    for (host, _) in log {
        *hosts.entry(host.as_str()).or_default() += 1;
    }
    hosts
}

const THREE: [(&str, f64); 3] =
    [("http://10.0.0.1", 50.0), ("http://10.0.0.2", 30.0), ("http://10.0.0.3", 20.0)];

// Each request tries its drawn version first. Failovers are counted apart.
#[tokio::test]
async fn failover_follows_remaining_weights() {
    let handle = auth(&THREE);
    let (answers, log) = answers(&handle, &[("10.0.0.1", Fault::Refused)], 1_000).await;
    assert!(answers.iter().all(Result::is_ok));
    let hosts = hosts(&log);
    assert!(hosts["10.0.0.1"].abs_diff(500) <= 2, "each is tried where it belongs first: {hosts:?}");
    assert!(hosts["10.0.0.2"].abs_diff(600) <= 5, "{hosts:?}");
    assert!(log.iter().filter(|(host, _)| host != "10.0.0.1").all(|(_, body)| body.starts_with("body ")));
    let apart: u64 = ["v1", "v2"].iter().filter_map(|v| handle.picks("auth", v, Reason::Failover)).sum();
    assert_eq!(Some(apart), handle.picks("auth", "v0", Reason::Draw));
}

// The last error is returned.
#[tokio::test]
async fn each_version_is_tried_once() {
    let handle = auth(&THREE);
    let all = ["10.0.0.1", "10.0.0.2", "10.0.0.3"].map(|host| (host, Fault::Refused));
    let (answers, log) = answers(&handle, &all, 100).await;
    assert!(answers.iter().all(|answer| *answer == Err(Fault::Refused)));
    assert_eq!(hosts(&log), all.iter().map(|(host, _)| (*host, 100)).collect());
}

#[tokio::test]
async fn connected_version_is_not_retried() {
    let (answers, log) = answers(&auth(&THREE), &[("10.0.0.1", Fault::Reset)], 100).await;
    assert_eq!(log.len(), 100);
    let reset = answers.iter().filter(|answer| **answer == Err(Fault::Reset)).count();
    assert!(reset.abs_diff(50) <= 2, "{reset}");
}

#[tokio::test]
async fn zero_weight_version_takes_no_failover() {
    let handle = auth(&[("http://10.0.0.1", 100.0), ("http://10.0.0.2", 0.0)]);
    let (answers, log) = answers(&handle, &[("10.0.0.1", Fault::Refused)], 20).await;
    assert!(answers.iter().all(Result::is_err));
    assert_eq!(hosts(&log), [("10.0.0.1", 20)].into());
}

#[tokio::test]
async fn failover_is_opt_in() {
    let handle = auth(&THREE);
    let client = service_fn(first_refuses);
    let policy = Failover::new(|error: &Fault| *error == Fault::Refused);
    let retry = ServiceBuilder::new().map_request(prepare).layer(RetryLayer::new(policy));
    let service = retry.layer(fixed(&handle)).service(client);
    let mut failed = 0;
    for _ in 0..100 {
        failed += usize::from(service.clone().oneshot(Request::new(Full::default())).await.is_err());
    }
    assert!(failed.abs_diff(50_usize) <= 2, "{failed}");
}

#[tokio::test]
async fn started_body_is_not_resent() {
    let handle = auth(&THREE);
    let tries = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&tries);
    let client = service_fn(move |request: Request<ReplayableBody<Full<Bytes>>>| {
        *counted.lock().unwrap() += 1;
        async move {
            let _begun = request.into_body().collect().await;
            Err::<Response<String>, _>(Fault::Refused)
        }
    });
    let policy = Failover::new(|error: &Fault| *error == Fault::Refused);
    let retry = ServiceBuilder::new().map_request(prepare).layer(RetryLayer::new(policy));
    let mut service = retry.layer(fixed(&handle).with_failover()).service(client);
    assert!(service.ready().await.unwrap().call(Request::new(Full::from("x"))).await.is_err());
    assert_eq!(*tries.lock().unwrap(), 1);
}

#[tokio::test]
async fn streamed_body_fails_over_whole() {
    let dead = ClosedPort::new();
    let alive = backend("alive").await;
    let handle = auth(&[(&*dead.url(), 50.0), (&*format!("http://{alive}"), 50.0)]);
    type Streamed = StreamBody<
        futures_util::stream::Iter<
            std::vec::IntoIter<Result<http_body::Frame<Bytes>, std::convert::Infallible>>,
        >,
    >;
    let client = Client::builder(TokioExecutor::new()).build_http::<ReplayableBody<Streamed>>();
    let policy = Failover::new(legacy::Error::is_connect);
    let retry = ServiceBuilder::new().map_request(prepare).layer(RetryLayer::new(policy));
    let service = retry.service(fixed(&handle).with_failover().layer(client));
    for _ in 0..20 {
        let frames: Vec<_> =
            (0..50).map(|_| Ok(http_body::Frame::data(Bytes::from_static(b"0123456789")))).collect();
        let body = StreamBody::new(futures_util::stream::iter(frames));
        let response = service.clone().oneshot(Request::post("/").body(body).unwrap()).await.unwrap();
        assert_eq!(response.status(), 200);
    }
    assert_eq!(handle.picks("auth", "v1", Reason::Failover), handle.picks("auth", "v0", Reason::Draw));
}

// A refused override does fail over, and the response reports the refusal.
#[tokio::test]
async fn overridden_request_does_not_fail_over() {
    let handle = auth(&THREE);
    let client = service_fn(first_refuses);
    let ask = http::header::HeaderName::from_static("x-version");
    let testers = Override::header(ask, |head| head.method == http::Method::PUT);
    let retry = ServiceBuilder::new()
        .map_request(prepare)
        .layer(RetryLayer::new(Failover::new(|error: &Fault| *error == Fault::Refused)));
    let service = retry.layer(fixed(&handle).with_failover().with_override(testers)).service(client);
    let ask = |method: &str| {
        let request = Request::builder().method(method).header("x-version", "v0");
        service.clone().oneshot(request.body(Full::default()).unwrap())
    };
    for _ in 0..20 {
        assert_eq!(ask("PUT").await.unwrap_err(), Fault::Refused);
        assert_eq!(ask("GET").await.unwrap().headers()["canary-override-refused"], "not-trusted");
    }
    assert!(handle.picks("auth", "v1", Reason::Failover) > Some(0));
}

// It is not replaced by a 503.
#[tokio::test]
async fn no_remaining_version_keeps_the_error() {
    let handle = auth(&[("http://10.0.0.1", 100.0), ("http://10.0.0.2", 0.0)]);
    let publish = |change: &Change| {
        let split = handle.route("auth").unwrap().split().apply(change, std::time::UNIX_EPOCH).unwrap();
        assert!(handle.publish(Route::compile(split)));
    };
    let version: tower_canary::VersionName = "v1".parse().unwrap();
    publish(&Change::set_weight(version.clone(), "1".parse().unwrap()));
    let client = service_fn(|request: Request<ReplayableBody<Full<Bytes>>>| {
        assert_eq!(request.uri().host(), Some("10.0.0.1"), "no other is in service");
        if handle.route("auth").unwrap().split().versions()[1].active {
            publish(&Change::deactivate(version.clone()));
        }
        std::future::ready(Err::<Response<String>, _>(Fault::Refused))
    });
    let retry = ServiceBuilder::new()
        .map_request(prepare)
        .layer(RetryLayer::new(Failover::new(|error: &Fault| *error == Fault::Refused)));
    let service = retry.layer(fixed(&handle).with_failover()).service(client);
    let answer = service.oneshot(Request::new(Full::default())).await;
    assert_eq!(answer.unwrap_err(), Fault::Refused);
}

/// A handle with v0 at 90 % and v1 at 10 %, of several instances each.
fn two_versions() -> RoutingHandle {
    let handle = auth_of(&[&["a1", "a2", "a3", "a4"], &["b1", "b2"]]);
    let split = handle.route("auth").unwrap().split().clone();
    let change = Change::set_weight("v1".parse().unwrap(), "10".parse().unwrap());
    assert!(handle.publish(Route::compile(split.apply(&change, std::time::UNIX_EPOCH).unwrap())));
    handle
}

fn count_of(hosts: &BTreeMap<&str, usize>, version: char) -> usize {
    hosts.iter().filter(|(host, _)| host.starts_with(version)).map(|(_, count)| count).sum()
}

/// The requests that were drawn for each version.
fn drawn(handle: &RoutingHandle) -> [usize; 2] {
    ["v0", "v1"].map(|version| handle.picks("auth", version, Reason::Draw).unwrap() as usize)
}

// The share stays exact: the first stage does not leave the version.
#[tokio::test]
async fn another_instance_is_tried_first() {
    for with_versions in [false, true] {
        let handle = two_versions();
        let layer = fixed(&handle).with_instance_failover();
        let layer = if with_versions { layer.with_failover() } else { layer };
        let faults = [("a1", Fault::Refused), ("b2", Fault::Refused)];
        let (answers, log) = answers_through(layer, &faults, 10_000).await;
        let served: Vec<&str> = answers.iter().map(|answer| answer.as_deref().unwrap()).collect();
        let canary = served.iter().filter(|host| host.starts_with('b')).count();
        assert!(canary.abs_diff(1_000) <= 2, "{canary}");
        // Each failure is one of the instance that it went to, which is passed over from then on.
        let failures = handle.instances("auth").unwrap()[0].instances[0].failures;
        assert_eq!(failures as usize, hosts(&log)["a1"]);
        assert!(failures < 900, "{failures} of 9,000");
        let apart: u64 = ["v0", "v1"].iter().filter_map(|v| handle.picks("auth", v, Reason::Failover)).sum();
        assert_eq!(apart as usize, log.len() - 10_000);
    }
}

#[tokio::test]
async fn two_other_instances_are_tried() {
    let all = ["a1", "a2", "a3", "a4", "b1", "b2"].map(|host| (host, Fault::Refused));
    let handle = two_versions();
    let (answers, log) = answers_through(fixed(&handle).with_instance_failover(), &all, 100).await;
    assert!(answers.iter().all(Result::is_err));
    let hosts_of = hosts(&log);
    // Of v0 three of four, of v1 both.
    let [v0, v1] = drawn(&handle);
    assert_eq!((count_of(&hosts_of, 'a'), count_of(&hosts_of, 'b')), (v0 * 3, v1 * 2));
}

// The second stage follows the first.
#[tokio::test]
async fn another_version_is_tried_last() {
    let handle = two_versions();
    let stable = ["a1", "a2", "a3", "a4"].map(|host| (host, Fault::Refused));
    let (answers, log) = answers_through(fixed(&handle).with_failover(), &stable, 100).await;
    assert!(answers.iter().all(|answer| answer.as_deref().unwrap().starts_with('b')));
    let hosts_of = hosts(&log);
    assert_eq!((count_of(&hosts_of, 'a'), count_of(&hosts_of, 'b')), (drawn(&handle)[0] * 3, 100));
    let alone = two_versions();
    let (answers, _) = answers_through(fixed(&alone).with_instance_failover(), &stable, 100).await;
    assert_eq!(answers.iter().filter(|answer| answer.is_err()).count(), drawn(&alone)[0]);
}

#[tokio::test]
async fn override_stays_with_its_version() {
    let handle = two_versions();
    let testers = Override::header(http::HeaderName::from_static("x-version"), |_| true);
    let layer = fixed(&handle).with_failover().with_override(testers);
    for (down, served) in [(&["b1"][..], true), (&["b1", "b2"], false)] {
        let client = service_fn(|request: Request<ReplayableBody<Full<Bytes>>>| {
            let host = request.uri().host().unwrap().to_owned();
            std::future::ready(if down.contains(&&*host) {
                Err(Fault::Refused)
            } else {
                Ok(Response::new(host))
            })
        });
        let retry = RetryLayer::new(Failover::new(|error: &Fault| *error == Fault::Refused));
        let service =
            ServiceBuilder::new().map_request(prepare).layer(retry).layer(layer.clone()).service(client);
        for _ in 0..20 {
            let request = Request::get("/").header("x-version", "v1").body(Full::default()).unwrap();
            let answer = service.clone().oneshot(request).await;
            assert_eq!(answer.is_ok(), served);
            assert!(answer.is_err() || answer.unwrap().into_body().into_inner().unwrap() == "b2");
        }
    }
    assert_eq!(handle.picks("auth", "v0", Reason::Failover), Some(0));
}

/// Responds with the host of `request`. The first request publishes `change` instead, and is refused.
fn refuse_first(
    request: &Request<ReplayableBody<Full<Bytes>>>,
    is_first: &Mutex<bool>,
    handle: &RoutingHandle,
    change: &Change,
) -> std::future::Ready<Result<Response<String>, Fault>> {
    if std::mem::take(&mut *is_first.lock().unwrap()) {
        let split = handle.route("auth").unwrap().split().apply(change, std::time::UNIX_EPOCH).unwrap();
        assert!(handle.publish(Route::compile(split)));
        return std::future::ready(Err(Fault::Refused));
    }
    std::future::ready(Ok(Response::new(request.uri().host().unwrap().to_owned())))
}

// Between the two attempts the version is drained, so its process may be gone.
#[tokio::test]
async fn failover_leaves_a_drained_version() {
    for with_versions in [false, true] {
        let handle = auth_of(&[&["a1", "a2"], &["b1"]]);
        let switch = Change::switch("v1".parse().unwrap());
        let is_first = Mutex::new(true);
        let client = service_fn(|request: Request<ReplayableBody<Full<Bytes>>>| {
            refuse_first(&request, &is_first, &handle, &switch)
        });
        let layer = fixed(&handle).with_instance_failover();
        let layer = if with_versions { layer.with_failover() } else { layer };
        let retry = RetryLayer::new(Failover::new(|error: &Fault| *error == Fault::Refused));
        let service = ServiceBuilder::new().map_request(prepare).layer(retry).layer(layer).service(client);
        let response = service.oneshot(Request::new(Full::default())).await.unwrap();
        assert_eq!(response.into_body().into_inner().unwrap(), "b1");
    }
}

// A pin holds at weight 0, so the version is not drained.
#[cfg(feature = "pin")]
#[tokio::test]
async fn pinned_request_fails_over_within_its_version() {
    let handle = auth_of(&[&["a1", "a2"], &["b1"]]);
    let layer = crate::pins::pinning(&handle).with_failover();
    let mut user = crate::pins::Browser::default();
    assert_eq!(user.visit(&layer).await.0, "v0");
    crate::pins::publish(&handle, &Change::switch("v1".parse().unwrap()));
    let other = Change::set_health_path("/healthz".parse().ok());
    let is_first = Mutex::new(true);
    let client = service_fn(|request: Request<ReplayableBody<Full<Bytes>>>| {
        refuse_first(&request, &is_first, &handle, &other)
    });
    let retry = RetryLayer::new(Failover::new(|error: &Fault| *error == Fault::Refused));
    let service = ServiceBuilder::new().map_request(prepare).layer(retry).layer(layer).service(client);
    let (name, value) = user.cookies.first_key_value().unwrap();
    let request =
        Request::get("/").header("cookie", format!("{name}={value}")).body(Full::default()).unwrap();
    let response = service.oneshot(request).await.unwrap();
    assert!(response.into_body().into_inner().unwrap().starts_with('a'));
    assert!(!handle.is_drained("auth", "v0"));
}
