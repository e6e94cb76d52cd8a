//! One instance of a version is drained once every gateway on the store has finished its requests.

use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::sleep;
use tower_canary::deployments::DrainBlocker;
use tower_canary::handle::Chosen;
use tower_canary::routing::{Backend, Change};
use tower_canary::{Deployments, RoutingHandle};

use crate::draining::{Two, apply, by_b};
use crate::health_support::{B, auth, urls};
use crate::support::*;

fn b() -> Backend {
    B.parse().unwrap()
}

/// Two gateways where v0 has a second instance, B.
async fn two_instances() -> Two {
    let two = Two::running().await;
    apply(&two.here, Change::add_urls(name(0), urls(&[B]))).await;
    sleep(Duration::from_secs(2)).await;
    two
}

/// The replicas that block B of v0 from being stopped, as the gateway `a` sees them.
async fn held(two: &Two) -> Vec<(String, DrainBlocker)> {
    let others = two.here.other_replicas(&auth()).await.unwrap();
    others.instance_blockers(&name(0), &b()).map(|(replica, why)| (replica.name.clone(), why)).collect()
}

/// A request at B, in flight until it is dropped.
fn request_at_b(deployments: &Deployments) -> Chosen {
    std::iter::repeat_with(|| deployments.handle().choose("auth", None).unwrap())
        .take(100)
        .find(|chosen| *chosen.backend() == b())
        .unwrap()
}

fn is_drained(handle: &RoutingHandle) -> bool {
    handle.is_instance_drained("auth", name(0).as_str(), &b())
}

async fn remove_b(two: &Two) {
    apply(&two.here, Change::remove_urls(name(0), urls(&[B]))).await;
}

#[tokio::test(start_paused = true)]
async fn removed_url_is_held_until_drained() {
    let two = two_instances().await;
    let request = request_at_b(&two.there);
    assert!(!is_drained(two.here.handle()), "it may get requests");
    remove_b(&two).await;
    assert!(is_drained(two.here.handle()));
    assert_eq!(held(&two).await, by_b(DrainBlocker::Behind));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(held(&two).await, by_b(DrainBlocker::Draining));
    assert!(!is_drained(two.there.handle()));
    drop(request);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(held(&two).await, []);
}

#[tokio::test(start_paused = true)]
async fn requests_of_other_instances_hold_nothing() {
    let two = two_instances().await;
    remove_b(&two).await;
    sleep(Duration::from_secs(2)).await;
    let _elsewhere = two.there.handle().choose("auth", None).unwrap();
    sleep(Duration::from_secs(10)).await;
    assert_eq!(held(&two).await, []);
}

// As long as B has its URL, requests of the version may be at B.
#[tokio::test(start_paused = true)]
async fn instance_of_a_draining_version_is_held_with_it() {
    let two = two_instances().await;
    let request = request_at_b(&two.there);
    apply(&two.here, Change::switch(name(1))).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(held(&two).await, by_b(DrainBlocker::Draining));
    drop(request);
    sleep(Duration::from_millis(300)).await;
    assert_eq!(held(&two).await, []);
}

#[tokio::test(start_paused = true)]
async fn broken_split_holds_each_instance() {
    let two = two_instances().await;
    two.way_there.unreadable.store(true, Ordering::Relaxed);
    remove_b(&two).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(held(&two).await, by_b(DrainBlocker::Draining));
    two.way_there.unreadable.store(false, Ordering::Relaxed);
    apply(&two.here, Change::Redraw).await;
    sleep(Duration::from_secs(3)).await;
    assert_eq!(held(&two).await, []);
}

#[tokio::test(start_paused = true)]
async fn url_that_returns_is_no_longer_draining() {
    let two = two_instances().await;
    let _request = request_at_b(&two.there);
    remove_b(&two).await;
    sleep(Duration::from_secs(10)).await;
    apply(&two.here, Change::add_urls(name(0), urls(&[B]))).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(held(&two).await, [], "it is in service");
    assert!(!is_drained(two.here.handle()));
}
