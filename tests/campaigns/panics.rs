//! Panics in code of the application: its store, its version check, its target function and its client.

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
use crate::scripted_check::ScriptedCheck;
use crate::setting;
use crate::wait::wait_until;

const VERSIONS: [&str; 2] = ["v1", "v2"];

/// Panics without a printed message, since thousands of panics are intended.
fn panic_quietly() -> ! {
    std::panic::resume_unwind(Box::new("injected"))
}

/// Panics with a probability of one in five, unless disabled.
#[derive(Debug, Default)]
struct PanicInjector {
    disabled: AtomicBool,
    panics: AtomicU64,
}

impl PanicInjector {
    fn maybe_panic(&self) {
        if !self.disabled.load(Ordering::SeqCst) && rand::random_ratio(1, 5) {
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

/// A gateway's parts, of which the store and the version check panic unless the injector is disabled.
struct Setup {
    injector: Arc<PanicInjector>,
    memory: Arc<MemoryStore>,
}

/// Creates two versions of `auth` in a store whose panics are disabled.
async fn setup() -> (Setup, Deployments) {
    let injector = Arc::new(PanicInjector { disabled: AtomicBool::new(true), panics: AtomicU64::default() });
    let memory = Arc::new(MemoryStore::new());
    let in_store = Arc::clone(&injector);
    let store = FaultyStore::over(Arc::clone(&memory)).with_hook(move || in_store.maybe_panic());
    let in_check = Arc::clone(&injector);
    let check = ScriptedCheck::default().with_hook(move || in_check.maybe_panic());
    let deployments = Deployments::start(store, check).await.unwrap();
    for version in VERSIONS {
        let register = Change::register(version.parse().unwrap(), "http://backend".parse().unwrap());
        deployments.apply(&auth(), ChangeRequest::new(register, "campaign")).await.unwrap();
    }
    (Setup { injector, memory }, deployments)
}

/// The header that names the place of the panic.
const PANIC_IN: &str = "x-panic-in";

fn panic_at(request: &http::HeaderMap, place: &str) {
    if request.get(PANIC_IN).is_some_and(|named| named == place) {
        panic_quietly();
    }
}

/// Sends one request through the layer to a client that panics if the header says so.
async fn request(handle: RoutingHandle, panic_in: Option<&'static str>) {
    let target = Target::from_fn(|head| {
        panic_at(head.headers, "target");
        Some(auth())
    });
    let client = tower::service_fn(|request: Request<()>| {
        panic_at(request.headers(), "call");
        async move {
            yield_now().await;
            panic_at(request.headers(), "response");
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

/// Returns whether the task ended by an injected panic. Any other panic is a failure.
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
        assert_eq!(handle.in_flight("auth", version), 0, "{version}");
    }
}

/// Every other request panics somewhere. Each request has its own task, as in a server.
async fn requests_that_panic(count: u64) {
    let (_, deployments) = setup().await;
    let mut tasks = JoinSet::new();
    let mut sent = 0;
    let mut panicked = 0;
    for i in 0..count {
        let place = [None, Some("target"), None, Some("call"), None, Some("response")][(i % 6) as usize];
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
    println!("requests: {panicked} of {count} panicked, the others succeeded, none is left in flight");
}

/// Runs one operation of the deployments.
async fn operate(deployments: Deployments, i: u64) {
    match i % 4 {
        0 | 1 => drop(deployments.apply(&auth(), switch_to(VERSIONS[(i / 4 % 2) as usize])).await.unwrap()),
        2 => drop(deployments.history(&auth(), None, 10).await.unwrap()),
        _ => deployments.refresh().await.unwrap(),
    }
}

/// The store and the version check panic at random while requests continue.
async fn changes_that_panic(count: u64) {
    let (store, deployments) = setup().await;
    store.injector.disabled.store(false, Ordering::SeqCst);
    let mut panicked = 0;
    let mut operations = JoinSet::new();
    for i in 0..count {
        operations.spawn(operate(deployments.clone(), i));
        request(deployments.handle().clone(), None).await;
        if operations.len() >= 8 {
            panicked += u64::from(was_injected(operations.join_next().await.unwrap()));
        }
    }
    while let Some(ended) = operations.join_next().await {
        panicked += u64::from(was_injected(ended));
    }
    store.injector.disabled.store(true, Ordering::SeqCst);
    assert_eq!(panicked, store.injector.panics.load(Ordering::SeqCst));
    assert_usable(&deployments).await;
    println!("changes: {panicked} of {count} panicked, {count} requests succeeded meanwhile");
}

/// Asserts that no lock is poisoned or held: every operation works.
async fn assert_usable(deployments: &Deployments) {
    let auth = auth();
    for version in ["v1", "v2", "v1"] {
        let applying = deployments.apply(&auth, switch_to(version));
        let applied = tokio::time::timeout(Duration::from_secs(15), applying).await.unwrap().unwrap();
        let served = deployments.handle().route("auth").unwrap();
        assert_eq!(served.split(), &applied.after);
    }
    deployments.refresh().await.unwrap();
    let latest = deployments.history(&auth, None, 1).await.unwrap();
    let served = deployments.handle().route("auth").unwrap();
    assert_eq!(latest[0].generation, served.split().generation());
    assert_nothing_in_flight(deployments.handle());
}

/// The gateway keeps following a store that panics, as one that fails.
async fn following_of_panics(panics: u64) {
    let (store, deployments) = setup().await;
    store.injector.disabled.store(false, Ordering::SeqCst);
    let run = deployments.clone().run_every(Duration::from_millis(10), std::future::pending());
    let running = tokio::spawn(run);
    wait_until(Duration::from_secs(20), "the store is called again and again", async || {
        running.is_finished() || store.injector.panics.load(Ordering::SeqCst) >= panics
    })
    .await;
    assert!(!running.is_finished(), "a panic of the store ended the task that follows it");
    store.injector.disabled.store(true, Ordering::SeqCst);
    // A change by another gateway.
    let after = store.memory.commit(&auth(), &switch_to("v2").without_check()).await.unwrap().after;
    let served = async || *deployments.handle().route("auth").unwrap().split() == after;
    let took = wait_until(Duration::from_secs(15), "the stored split is served", served).await;
    println!("following: continues after {panics} panics of the store, fresh after {took:.1?}");
}

fn campaign_size() -> u64 {
    setting("CANARY_CAMPAIGN_PANICS", 10_000)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panicking_request_fails_alone() {
    requests_that_panic(600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn store_or_preflight_panic_fails_one_change() {
    changes_that_panic(600).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panicking_store_is_still_followed() {
    following_of_panics(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn many_panicking_requests_fail_alone() {
    requests_that_panic(2 * campaign_size()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn many_store_panics_fail_only_their_changes() {
    changes_that_panic(5 * campaign_size()).await;
}
