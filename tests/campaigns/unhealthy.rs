//! The split of a service while instances of its versions are down.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::Response;

use crate::backends::{Backend, backend};
use crate::fleet::{FAST_CHECKS, HEALTH_PATH};
use crate::harness::{Gateway, full};
use crate::setting;
use crate::wait::wait_until;

const CONNECTIONS: usize = 8;

/// An instance whose checks can fail, and that answers requests all the same.
struct Instance {
    backend: Backend,
    is_healthy: Arc<AtomicBool>,
}

impl Instance {
    async fn start(name: &'static str) -> Self {
        let is_healthy = Arc::new(AtomicBool::new(true));
        let healthy = Arc::clone(&is_healthy);
        let backend = backend(move |request| {
            let fails = request.uri().path() == HEALTH_PATH && !healthy.load(Ordering::Relaxed);
            let status = if fails { 500 } else { 200 };
            async move { Response::builder().status(status).body(full(format!("auth {name} /\n"))).unwrap() }
        });
        Self { backend: backend.await, is_healthy }
    }

    async fn set_healthy(&self, gateway: &Gateway, is_healthy: bool) {
        self.is_healthy.store(is_healthy, Ordering::Relaxed);
        let state = if is_healthy { "up" } else { "down" };
        gateway.wait_state("auth", &self.backend.url, state).await;
    }
}

/// Starts two versions of two instances each, at 90 and 10 percent.
async fn start(options: &[&str]) -> (Gateway, [[Instance; 2]; 2]) {
    let gateway = Gateway::start(&[&FAST_CHECKS[..], options].concat());
    let mut versions = Vec::new();
    for version in ["v1", "v2"] {
        let instances = [Instance::start(version).await, Instance::start(version).await];
        let urls = instances.each_ref().map(|instance| instance.backend.url.clone());
        gateway.register_instances("auth", version, &urls, HEALTH_PATH).await;
        versions.push(instances);
    }
    gateway.set_weight("auth", "v2", 10.0).await;
    let [canary, stable] = [versions.pop().unwrap(), versions.pop().unwrap()];
    (gateway, [stable, canary])
}

async fn count(gateway: &Gateway, requests: usize) -> BTreeMap<String, usize> {
    gateway.count_versions("/auth/", requests, CONNECTIONS).await
}

fn assert_near(count: usize, expected: usize, what: &str) {
    assert!(count.abs_diff(expected) <= 2, "{what}: {count}, expected {expected}");
}

async fn assert_exact(requests: usize) {
    let (gateway, [stable, canary]) = start(&[]).await;
    let instances = [&stable[0], &stable[1], &canary[0], &canary[1]];
    for down in 0..=instances.len() {
        if let Some(last) = down.checked_sub(1) {
            instances[last].set_healthy(&gateway, false).await;
        }
        let counts = count(&gateway, requests).await;
        println!("{down} of 4 instances down: {counts:?}");
        assert_near(counts["v2"], requests / 10, "the share of the canary");
    }
}

async fn assert_diverted(requests: usize) {
    let (gateway, [stable, canary]) = start(&["--failover"]).await;
    for instance in &canary {
        instance.set_healthy(&gateway, false).await;
    }
    let counts = count(&gateway, requests).await;
    assert_eq!(counts, BTreeMap::from([("v1".to_owned(), requests)]));
    let diverted = gateway.version_traffic("auth", "v2").await["diverted"].as_u64().unwrap();
    println!("failover: {counts:?}, {diverted} diverted");
    assert_near(diverted.try_into().unwrap(), requests / 10, "diverted");

    canary[0].set_healthy(&gateway, true).await;
    assert_returned(&gateway, requests).await;
    for instance in [&canary[0], &stable[0], &stable[1]] {
        instance.set_healthy(&gateway, false).await;
    }
    let counts = count(&gateway, requests).await;
    assert_near(counts["v2"], requests / 10, "without a usable instance");
}

/// Asserts that the canary gets its share again.
async fn assert_returned(gateway: &Gateway, requests: usize) {
    wait_until(Duration::from_secs(15), "the canary gets requests", async || {
        count(gateway, 100).await.contains_key("v2")
    })
    .await;
    assert_near(count(gateway, requests).await["v2"], requests / 10, "the share of the canary");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split_is_exact_whatever_is_down() {
    assert_exact(1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failover_counts_diverted_requests() {
    assert_diverted(1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn long_split_is_exact_whatever_is_down() {
    assert_exact(setting("CANARY_CAMPAIGN_UNHEALTHY", 100_000).try_into().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn long_failover_counts_diverted_requests() {
    assert_diverted(setting("CANARY_CAMPAIGN_UNHEALTHY", 100_000).try_into().unwrap()).await;
}
