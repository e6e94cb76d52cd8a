//! The requests of users, which a gateway without a driver reports.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;
use tokio::time::sleep;
use tower_canary::routing::{MirrorShare, Version};
use tower_canary::store::{MemoryStore, ReplicaRegistry, Report};
use tower_canary::traffic::{Figures, Latencies};
use tower_canary::{Deployments, RoutingHandle, ServiceName};

use crate::latency::{RANKS, distribution};
use crate::reported::reported;

/// How the versions of a service treat requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Behavior {
    /// Of 1,000 requests to `v1.1`, this many fail.
    pub(crate) canary: u64,
    /// Of 1,000 requests to another version, this many fail.
    pub(crate) stable: u64,
    /// How many times slower `v1.1` is. `None`: latencies are not reported.
    pub(crate) slower: Option<f64>,
}

impl Default for Behavior {
    fn default() -> Self {
        Self { canary: 1, stable: 1, slower: Some(1.0) }
    }
}

/// The requests to all services: 1,000 in ten seconds to each, by the weights.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    behaviors: Mutex<BTreeMap<ServiceName, Behavior>>,
    stands_still: AtomicBool,
    reports_lists: AtomicBool,
    reports_loads: AtomicBool,
    /// The failed requests to `v1.1` of each service.
    failed: Mutex<BTreeMap<ServiceName, u64>>,
}

impl Traffic {
    /// Sets how the versions of `service` treat requests from now on.
    pub(crate) fn behave(&self, service: &ServiceName, behavior: Behavior) {
        self.behaviors.lock().unwrap().insert(service.clone(), behavior);
    }

    pub(crate) fn behavior(&self, service: &ServiceName) -> Behavior {
        self.behaviors.lock().unwrap().get(service).copied().unwrap_or_default()
    }

    /// Ends all requests.
    pub(crate) fn stop(&self) {
        self.stands_still.store(true, Ordering::Relaxed);
    }

    /// Reports latencies as lists, as a gateway of an earlier release does.
    pub(crate) fn report_lists(&self) {
        self.reports_lists.store(true, Ordering::Relaxed);
    }

    /// Reports other weights within a second after they are loaded, as gateways do. With a hundred services there would be a report
    /// every second.
    pub(crate) fn report_loads(&self) {
        self.reports_loads.store(true, Ordering::Relaxed);
    }

    fn must_report(&self, deployments: &Deployments, reported: u64) -> bool {
        self.reports_loads.load(Ordering::Relaxed) && deployments.freshness().revision != reported
    }

    /// Returns how many requests to `v1.1` of `service` have failed.
    pub(crate) fn failed(&self, service: &ServiceName) -> u64 {
        self.failed.lock().unwrap().get(service).copied().unwrap_or(0)
    }

    /// Reports the requests every five seconds, as the gateway `name`.
    pub(crate) async fn report(
        self: Arc<Self>,
        name: &'static str,
        memory: Arc<MemoryStore>,
        deployments: Deployments,
    ) {
        let mut users = Users::new();
        let mut seconds = 5;
        loop {
            let revision = deployments.freshness().revision;
            let mut report = Report::new(name, name, revision);
            if !self.stands_still.load(Ordering::Relaxed) {
                let figures = users.send(&self, deployments.handle(), seconds);
                assert!(figures.len() <= Report::MAX_FIGURES, "too many services for one report");
                report = report.with_figures(Some(figures));
            }
            memory.report(&report).await.unwrap();
            seconds = 0;
            while seconds < 5 && !self.must_report(&deployments, revision) {
                sleep(Duration::from_secs(1)).await;
                seconds += 1;
            }
        }
    }
}

/// The counts of a version.
#[derive(Clone, Debug, Default)]
struct Counted {
    users: Figures,
    /// The copies of requests that it gets.
    copies: Figures,
    /// Its requests that are copied.
    originals: Figures,
}

impl Counted {
    fn write(&self, written: fn(&Figures) -> Value) -> Value {
        let mut all = written(&self.users);
        all["copies"] = written(&self.copies);
        all["originals"] = written(&self.originals);
        all
    }
}

/// Writes figures as a gateway of an earlier release does.
fn listed(figures: &Figures) -> Value {
    serde_json::to_value(figures).unwrap()
}

/// The users, and the counts of their requests.
struct Users {
    counted: BTreeMap<ServiceName, BTreeMap<String, Counted>>,
    chance: StdRng,
    /// Times in seconds.
    times: Vec<f64>,
}

impl Users {
    fn new() -> Self {
        Self { counted: BTreeMap::new(), chance: StdRng::seed_from_u64(7), times: distribution(0.5) }
    }

    /// Sends the requests of some seconds. Returns the figures as a gateway reports them.
    fn send(&mut self, traffic: &Traffic, handle: &RoutingHandle, seconds: u64) -> String {
        for route in handle.table().sorted() {
            let behavior = traffic.behavior(route.service());
            for version in route.split().versions() {
                let requests = version.weight.percent() as u64 * seconds;
                self.send_to(route.service(), version, behavior, requests, traffic);
                if let Some(mirror) = route.split().mirror() {
                    self.copy(route.service(), version, behavior, mirror, seconds);
                }
            }
        }
        let written = if traffic.reports_lists.load(Ordering::Relaxed) { listed } else { reported };
        let services = self.counted.iter().map(|(service, versions)| {
            let versions = versions.iter().map(|(id, counted)| (id.clone(), counted.write(written)));
            (service.to_string(), versions.collect())
        });
        Value::Object(services.collect()).to_string()
    }

    fn send_to(
        &mut self,
        service: &ServiceName,
        version: &Version,
        behavior: Behavior,
        requests: u64,
        traffic: &Traffic,
    ) {
        let is_canary = is_canary(version);
        let bad = self.bad(requests, version, behavior);
        let figures = Figures::new(requests, bad).with_latencies(self.latencies(requests, version, behavior));
        let versions = self.counted.entry(service.clone()).or_default();
        versions.entry(version.id.to_string()).or_default().users.add(&figures);
        if is_canary {
            *traffic.failed.lock().unwrap().entry(service.clone()).or_default() += bad;
        }
    }

    /// Copies requests of `version`, or sends the copies to it.
    fn copy(
        &mut self,
        service: &ServiceName,
        version: &Version,
        behavior: Behavior,
        mirror: &MirrorShare,
        seconds: u64,
    ) {
        let copied = mirror.share.percent() as u64 * seconds;
        let bad = self.bad(copied, version, behavior);
        let figures = Figures::new(copied, bad).with_latencies(self.latencies(copied, version, behavior));
        let versions = self.counted.entry(service.clone()).or_default();
        let counted = versions.entry(version.id.to_string()).or_default();
        let copies =
            if mirror.version == version.name { &mut counted.copies } else { &mut counted.originals };
        copies.add(&figures);
    }

    /// Returns how many of `requests` to `version` fail.
    fn bad(&mut self, requests: u64, version: &Version, behavior: Behavior) -> u64 {
        let rate = if is_canary(version) { behavior.canary } else { behavior.stable };
        (0..requests).filter(|_| self.chance.random_range(0..1_000) < rate).count() as u64
    }

    fn latencies(&mut self, requests: u64, version: &Version, behavior: Behavior) -> Latencies {
        let Some(slower) = behavior.slower else { return Latencies::default() };
        let factor = if is_canary(version) { slower } else { 1.0 };
        let times = (0..requests).map(|_| self.times[self.chance.random_range(0..RANKS)] * factor);
        times.map(|seconds| (Duration::from_secs_f64(seconds), 1)).collect()
    }
}

fn is_canary(version: &Version) -> bool {
    version.name.as_str() == "v1.1"
}
