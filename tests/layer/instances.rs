//! Versions with several instances.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use futures_util::FutureExt;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tower::{Layer, ServiceExt, service_fn};
use tower_canary::layer::{ResponseBody, VersionChoice};
use tower_canary::routing::{Backend, Change, Instances, Reason, Registration, Route, Split};
use tower_canary::traffic::Outcome;
use tower_canary::{RoutingHandle, WeightedVersionLayer};

use crate::support::*;

fn urls(hosts: &[&str]) -> Instances {
    Instances::new(hosts.iter().map(|host| format!("http://{host}").parse().unwrap()).collect()).unwrap()
}

fn apply(split: &Split, change: &Change) -> Split {
    split.apply(change, SystemTime::UNIX_EPOCH).unwrap()
}

/// A split of `auth` with versions v0, v1, ... at these hosts. All but the first are at weight 0.
fn split_of(versions: &[&[&str]]) -> Split {
    let mut split = Split::new("auth".parse().unwrap(), 7);
    for (i, hosts) in versions.iter().enumerate() {
        let first = urls(hosts).first().clone();
        let registration = Registration::new(format!("v{i}").parse().unwrap(), first);
        split = apply(&split, &Change::Register(registration.with_instances(urls(hosts))));
    }
    split
}

pub(crate) fn auth_of(versions: &[&[&str]]) -> RoutingHandle {
    handle(&[split_of(versions)])
}

fn publish(handle: &RoutingHandle, change: &Change) {
    let next = apply(handle.route("auth").unwrap().split(), change);
    assert!(handle.publish(Route::compile(next)));
}

fn set_urls(hosts: &[&str]) -> Change {
    Change::set_urls("v0".parse().unwrap(), urls(hosts))
}

/// Sends `count` requests one after the other. Returns how many each host got.
async fn hosts(layer: &WeightedVersionLayer, count: usize) -> BTreeMap<String, usize> {
    let mut hosts = BTreeMap::new();
    for _ in 0..count {
        let sent = sent(layer, get("/")).await.unwrap();
        *hosts.entry(sent.uri().host().unwrap().to_owned()).or_default() += 1;
    }
    hosts
}

type Answer = Response<ResponseBody<Full<Bytes>>>;

/// Sends a request whose response body is not read yet. Returns the response and the instance.
async fn open(handle: &RoutingHandle) -> (Answer, Backend) {
    let client =
        service_fn(|_: Request<()>| async { Ok::<_, std::io::Error>(Response::new(Full::from("body"))) });
    let response = fixed(handle).with_choice().layer(client).oneshot(get("/")).await.unwrap();
    let backend = response.extensions().get::<VersionChoice>().unwrap().backend.clone();
    (response, backend)
}

#[tokio::test]
async fn requests_are_spread_evenly() {
    let handle = auth_of(&[&["a1", "a2", "a3"], &["b1", "b2"]]);
    publish(&handle, &Change::set_weight("v1".parse().unwrap(), "10".parse().unwrap()));
    let hosts = hosts(&fixed(&handle), 9_000).await;
    for (host, expected) in [("a1", 2_700), ("a2", 2_700), ("a3", 2_700), ("b1", 450), ("b2", 450)] {
        assert!(hosts[host].abs_diff(expected) <= 3, "{hosts:?}");
    }
}

#[tokio::test]
async fn seeded_choices_repeat() {
    let versions = [&["a1", "a2", "a3"][..]];
    let first = auth_of(&versions);
    let again = auth_of(&versions);
    for _ in 0..100 {
        let hosts = [&first, &again].map(|handle| handle.choose("auth", None).unwrap().backend().clone());
        assert_eq!(hosts[0], hosts[1]);
    }
}

#[tokio::test]
async fn choice_names_the_instance() {
    let handle = auth_of(&[&["a1", "a2"]]);
    let layer = fixed(&handle).with_choice();
    for _ in 0..20 {
        let sent = sent(&layer, get("/")).await.unwrap();
        let choice = sent.extensions().get::<VersionChoice>().unwrap();
        assert_eq!(choice.backend.authority().host(), sent.uri().host().unwrap());
    }
}

#[tokio::test]
async fn instance_with_open_requests_gets_fewer() {
    let handle = auth_of(&[&["a1", "a2"]]);
    let (response, busy) = open(&handle).await;
    let hosts_of = hosts(&fixed(&handle), 100).await;
    assert!(!hosts_of.contains_key(busy.authority().host()), "{hosts_of:?}");
    response.into_body().collect().await.unwrap();
    assert_eq!(hosts(&fixed(&handle), 100).await.len(), 2);
}

#[tokio::test]
async fn removed_instance_drains() {
    let handle = auth_of(&[&["a1", "a2"]]);
    let (response, backend) = open(&handle).await;
    let other = if backend.authority().host() == "a1" { "a2" } else { "a1" };
    let is_drained = || handle.is_instance_drained("auth", "v0", &backend);
    assert_eq!((handle.instance_in_flight("auth", "v0", &backend), is_drained()), (1, false));
    publish(&handle, &set_urls(&[other]));
    assert_eq!(hosts(&fixed(&handle), 10).await, [(other.to_owned(), 10)].into());
    assert_eq!((handle.instance_in_flight("auth", "v0", &backend), is_drained()), (1, false));
    let listed = handle.instances("auth").unwrap()[0].instances.clone();
    assert_eq!(listed.iter().map(|instance| instance.registered).collect::<Vec<_>>(), [true, false]);
    response.into_body().collect().await.unwrap();
    assert_eq!((handle.instance_in_flight("auth", "v0", &backend), is_drained()), (0, true));
    assert_eq!(handle.instances("auth").unwrap()[0].instances.len(), 1);
}

#[tokio::test]
async fn counts_continue_over_url_changes() {
    let handle = auth_of(&[&["a1"]]);
    let layer = fixed(&handle);
    for urls in [&["a1", "a2"][..], &["a2"], &["a3"], &["a3", "a1"], &["a1"]] {
        hosts(&layer, 100).await;
        publish(&handle, &set_urls(urls));
    }
    let total = handle.traffic("auth").unwrap().versions[0].total.clone();
    assert_eq!((total.requests(), total.outcome(Outcome::Success)), (500, 500));
    assert_eq!((total.latencies.count(), handle.picks("auth", "v0", Reason::Draw)), (500, Some(500)));
    assert_eq!(handle.in_flight("auth", "v0"), 0);
}

#[tokio::test]
async fn failures_are_those_of_the_instance() {
    let handle = auth_of(&[&["a1", "a2"]]);
    let client = service_fn(|request: Request<()>| async move {
        let status = match request.uri().host() {
            Some("a1") if request.uri().path() == "/503" => 503,
            Some("a1") if request.uri().path() == "/500" => 500,
            _ => 200,
        };
        let response = Response::builder().status(status).body(Full::<Bytes>::default());
        if request.uri().path() == "/broken" { Err("broken pipe") } else { Ok(response.unwrap()) }
    });
    let layered = fixed(&handle).layer(client);
    for path in ["/503", "/500", "/"] {
        for _ in 0..40 {
            let _answer = layered.clone().oneshot(get(path)).await.unwrap();
        }
    }
    let failures = |i: usize| handle.instances("auth").unwrap()[0].instances[i].failures;
    // It is passed over after the first one, but for one request in eight.
    assert!((1..10).contains(&failures(0)) && failures(1) == 0, "{}", failures(0));
    let before = failures(0) + failures(1);
    assert!(layered.oneshot(get("/broken")).await.is_err());
    assert_eq!(failures(0) + failures(1), before + 1);
    assert!(!handle.instances("auth").unwrap()[0].none_usable);
}

#[test]
fn several_instances_are_announced() {
    let handle = auth(&[("http://h", 100.0)]);
    assert!(!handle.has_instances());
    publish(&handle, &set_urls(&["h", "i"]));
    assert!(handle.has_instances());
}

/// Returns the number of requests that were sent until `done` was set.
fn send_until(done: &AtomicBool, handle: &RoutingHandle) -> u64 {
    let layered = fixed(handle).layer(Echo);
    let mut sent = 0;
    while !done.load(Ordering::Relaxed) {
        layered.clone().oneshot(get("/")).now_or_never().unwrap().unwrap();
        sent += 1;
    }
    sent
}

// Two threads of requests beside changes of weights and of base URLs.
#[test]
fn each_request_is_counted_once() {
    const CHANGES: usize = 2_000;
    let handle = auth_of(&[&["a1", "a2", "a3"], &["b1"]]);
    let done = AtomicBool::new(false);
    let sent: u64 = std::thread::scope(|scope| {
        let threads = [(); 2].map(|()| scope.spawn(|| send_until(&done, &handle)));
        for n in 0..CHANGES {
            let weight = (n % 100).to_string();
            publish(&handle, &Change::set_weight("v1".parse().unwrap(), weight.parse().unwrap()));
            publish(&handle, &set_urls([&["a1"][..], &["a2", "a1"], &["a3", "a2", "a4"]][n % 3]));
        }
        done.store(true, Ordering::Relaxed);
        threads.map(|thread| thread.join().unwrap()).iter().sum()
    });
    let traffic = handle.traffic("auth").unwrap();
    let ended = traffic.versions.iter().map(|version| version.total.outcome(Outcome::Success)).sum::<u64>();
    assert_eq!((ended, traffic.versions.iter().map(|version| version.in_flight).sum()), (sent, 0_usize));
    let backends = ["a1", "a2", "a3", "a4"].map(|host| urls(&[host]).first().clone());
    let in_flight = backends.iter().map(|url| handle.instance_in_flight("auth", "v0", url)).sum::<usize>();
    assert_eq!(in_flight, 0);
}
