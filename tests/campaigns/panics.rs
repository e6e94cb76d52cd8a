//! Panics in what the host brings along: its store, its preflight, its function of a target, its client.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::task::{JoinError, JoinSet, yield_now};
use tower::{Layer, ServiceExt};
use tower_canary::routing::Change;
use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
use tower_canary::{Deployments, RoutingHandle, ServiceName, Target, WeightedVersionLayer};

use crate::faulty_store::FaultyStore;
use crate::figure;
use crate::scripted_check::ScriptedCheck;
use crate::support::until;

const VERSIONS: [&str; 2] = ["v1", "v2"];

/// Panics without the message that a panic prints: thousands of them are meant to happen.
fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("injected"))
}

/// When to panic: one time in five, unless it is calm.
#[derive(Debug, Default)]
struct Nerves {
    calm: AtomicBool,
    panics: AtomicU64,
}

impl Nerves {
    fn try_them(&self) {
        if !self.calm.load(Ordering::SeqCst) && rand::random_ratio(1, 5) {
            self.panics.fetch_add(1, Ordering::SeqCst);
            panic_quietly();
        }
    }
}

fn auth() -> ServiceName {
    "auth".parse().unwrap()
}

fn switch_to(version: &str) -> ChangeRequest {
    ChangeRequest::new(Change::switch(version.parse().unwrap()), "campaign")
}

/// Two versions of `auth` in a store and with a check that panic once they are no longer calm.
struct Nervous {
    nerves: Arc<Nerves>,
    memory: Arc<MemoryStore>,
}

async fn calm() -> (Nervous, Deployments) {
    let nerves = Arc::new(Nerves { calm: AtomicBool::new(true), panics: AtomicU64::default() });
    let memory = Arc::new(MemoryStore::new());
    let in_store = Arc::clone(&nerves);
    let store = FaultyStore::over(Arc::clone(&memory)).with_hook(move || in_store.try_them());
    let in_check = Arc::clone(&nerves);
    let check = ScriptedCheck::default().with_hook(move || in_check.try_them());
    let deployments = Deployments::start(store, check).await.unwrap();
    for version in VERSIONS {
        let register = Change::register(version.parse().unwrap(), "http://backend".parse().unwrap());
        deployments.apply(&auth(), ChangeRequest::new(register, "campaign")).await.unwrap();
    }
    (Nervous { nerves, memory }, deployments)
}

/// What a request is to meet on its way.
const PANIC_IN: &str = "x-panic-in";

fn meets(request: &http::HeaderMap, place: &str) {
    if request.get(PANIC_IN).is_some_and(|named| named == place) {
        panic_quietly();
    }
}

/// One request through the layer, to a client that may panic at once or after a while.
async fn request(handle: RoutingHandle, panic_in: Option<&'static str>) {
    let target = Target::from_fn(|head| {
        meets(head.headers, "target");
        Some(auth())
    });
    let client = tower::service_fn(|request: Request<()>| {
        meets(request.headers(), "call");
        async move {
            yield_now().await;
            meets(request.headers(), "answer");
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
        }
    });
    let mut request = Request::get("/");
    if let Some(place) = panic_in {
        request = request.header(PANIC_IN, place);
    }
    let layered = WeightedVersionLayer::new(&handle, target).layer(client);
    let response = layered.oneshot(request.body(()).unwrap()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "hello");
}

/// Whether the task ended by a panic that was injected; any other is a failure.
fn was_injected(ended: Result<(), JoinError>) -> bool {
    let Err(error) = ended else { return false };
    let cause = error.into_panic();
    if cause.downcast_ref::<&str>() != Some(&"injected") {
        std::panic::resume_unwind(cause);
    }
    true
}

fn assert_nothing_in_flight(handle: &RoutingHandle) {
    for version in VERSIONS {
        assert_eq!(handle.in_flight("auth", version), Some(0), "{version}");
    }
}

/// Every other request panics somewhere; each in a task of its own, as a server would run them.
async fn requests_that_panic(count: u64) {
    let (_, deployments) = calm().await;
    let mut tasks = JoinSet::new();
    let (mut sent, mut panicked) = (0, 0);
    for i in 0..count {
        let place = [None, Some("target"), None, Some("call"), None, Some("answer")][(i % 6) as usize];
        sent += u64::from(place.is_some());
        tasks.spawn(request(deployments.handle().clone(), place));
        if tasks.len() >= 32 {
            panicked += u64::from(was_injected(tasks.join_next().await.unwrap()));
        }
        if i % 16 == 0 {
            deployments.apply(&auth(), switch_to(VERSIONS[(i / 16 % 2) as usize])).await.unwrap();
        }
    }
    while let Some(ended) = tasks.join_next().await {
        panicked += u64::from(was_injected(ended));
    }
    assert_eq!(panicked, sent, "a request fails by its own panic alone");
    assert_nothing_in_flight(deployments.handle());
    println!("requests: {panicked} of {count} panicked, the others were answered, none is left in flight");
}

/// One thing that somebody asks of the deployments.
async fn ask(deployments: Deployments, i: u64) {
    match i % 4 {
        0 | 1 => drop(deployments.apply(&auth(), switch_to(VERSIONS[(i / 4 % 2) as usize])).await.unwrap()),
        2 => drop(deployments.history(&auth(), None, 10).await.unwrap()),
        _ => deployments.refresh().await.unwrap(),
    }
}

/// Store and preflight panic at random, while requests go on.
async fn changes_that_panic(count: u64) {
    let (store, deployments) = calm().await;
    store.nerves.calm.store(false, Ordering::SeqCst);
    let (mut panicked, mut asking) = (0, JoinSet::new());
    for i in 0..count {
        asking.spawn(ask(deployments.clone(), i));
        request(deployments.handle().clone(), None).await;
        if asking.len() >= 8 {
            panicked += u64::from(was_injected(asking.join_next().await.unwrap()));
        }
    }
    while let Some(ended) = asking.join_next().await {
        panicked += u64::from(was_injected(ended));
    }
    store.nerves.calm.store(true, Ordering::SeqCst);
    assert_eq!(panicked, store.nerves.panics.load(Ordering::SeqCst));
    assert_usable(&deployments).await;
    println!("changes: {panicked} of {count} panicked, {count} requests were answered meanwhile");
}

/// No lock is left poisoned or held: everything can still be done.
async fn assert_usable(deployments: &Deployments) {
    let auth = auth();
    for version in ["v1", "v2", "v1"] {
        let asked = deployments.apply(&auth, switch_to(version));
        let applied = tokio::time::timeout(Duration::from_secs(1), asked).await.unwrap().unwrap();
        let served = deployments.handle().route("auth").unwrap();
        assert_eq!(served.split(), &applied.after);
    }
    deployments.refresh().await.unwrap();
    let latest = deployments.history(&auth, None, 1).await.unwrap();
    let served = deployments.handle().route("auth").unwrap();
    assert_eq!(latest[0].generation, served.split().generation());
    assert_nothing_in_flight(deployments.handle());
}

/// A store that panics is followed on, as one that fails is.
async fn following_of_panics(panics: u64) {
    let (store, deployments) = calm().await;
    store.nerves.calm.store(false, Ordering::SeqCst);
    let run = deployments.clone().run_every(Duration::from_millis(10), std::future::pending());
    let running = tokio::spawn(run);
    let enough = async || running.is_finished() || store.nerves.panics.load(Ordering::SeqCst) >= panics;
    until(Duration::from_secs(20), "the store is asked again and again", enough).await;
    assert!(!running.is_finished(), "a panic of the store ended the following of it");
    store.nerves.calm.store(true, Ordering::SeqCst);
    // Another gateway.
    let after = store.memory.commit(&auth(), &switch_to("v2").without_check()).await.unwrap().after;
    let served = async || *deployments.handle().route("auth").unwrap().split() == after;
    let took = until(Duration::from_secs(6), "what the store holds", served).await;
    println!("following: goes on after {panics} panics of the store, fresh after {took:.1?}");
}

fn many() -> u64 {
    figure("CANARY_CAMPAIGN_PANICS", 10_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_panics_takes_no_other_with_it() {
    requests_that_panic(600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_or_a_preflight_that_panics_fails_that_change_alone() {
    changes_that_panic(600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_panics_is_followed_on() {
    following_of_panics(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn of_thousands_of_requests_that_panic_none_takes_another_with_it() {
    requests_that_panic(2 * many()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn thousands_of_panics_of_the_store_and_the_preflight_fail_those_changes_alone() {
    changes_that_panic(5 * many()).await;
}
