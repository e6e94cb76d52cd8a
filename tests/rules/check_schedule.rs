//! When instances are checked, of few services and of many.

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep};
use tower_canary::deployments::{Healthy, Unhealthy, UrlRefused, VersionCheck};
use tower_canary::health::Health;
use tower_canary::routing::{Backend, Change, HealthPath, Instances, Registration};
use tower_canary::store::{ChangeRequest, MemoryStore, RouteStore};
use tower_canary::{Deployments, ServiceName};

use crate::health_support::*;
use crate::support::*;

/// Finds every instance healthy after a while, and counts. Clones share the counts.
#[derive(Clone, Debug)]
struct Meter(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    took: Duration,
    running: AtomicUsize,
    most: AtomicUsize,
    starts: Mutex<Vec<Instant>>,
}

impl Meter {
    fn new(took: Duration) -> Self {
        let counts = Counts {
            took,
            running: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            starts: Mutex::default(),
        };
        Self(Arc::new(counts))
    }

    /// Returns the most checks that ran at the same time.
    fn most(&self) -> usize {
        self.0.most.load(Ordering::Relaxed)
    }

    fn starts_since(&self, from: Instant) -> Vec<Instant> {
        self.0.starts.lock().unwrap().iter().copied().filter(|at| *at >= from).collect()
    }
}

#[async_trait]
impl VersionCheck for Meter {
    fn admit(&self, _: &Backend) -> Result<(), UrlRefused> {
        Ok(())
    }

    async fn probe(&self, _: &Backend, _: Option<&HealthPath>) -> Result<Option<Healthy>, Unhealthy> {
        let Counts { took, running, most, starts } = &*self.0;
        starts.lock().unwrap().push(Instant::now());
        most.fetch_max(running.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
        sleep(*took).await;
        running.fetch_sub(1, Ordering::Relaxed);
        Ok(Some(Healthy { status: 200, took: *took }))
    }
}

// An idle service is checked every minute, and within 5 s of its first request.
#[tokio::test(start_paused = true)]
async fn idle_service_is_checked_every_minute() {
    let gateway = Gateway::start(Health::new(), &[A, B]).await;
    sleep(Duration::from_secs(70)).await;
    let before = gateway.check.probes_of(A);
    sleep(Duration::from_secs(600)).await;
    let idle = gateway.check.probes_of(A) - before;
    assert!((9..=11).contains(&idle), "{idle}");
    gateway.send(1).await;
    let before = gateway.check.probes_of(A);
    sleep(Duration::from_millis(6_100)).await;
    assert!(gateway.check.probes_of(A) > before);
    sleep(Duration::from_secs(44)).await;
    let busy = gateway.check.probes_of(A) - before;
    assert!((8..=13).contains(&busy), "{busy}");
}

#[tokio::test(start_paused = true)]
async fn probes_before_traffic_are_eight_at_a_time() {
    let meter = Meter::new(Duration::from_secs(1));
    let deployments = Deployments::start(MemoryStore::new(), meter.clone()).await.unwrap();
    let many: Vec<String> = (0..20).map(|i| format!("http://10.0.3.{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for version in [unchecked_version(0, &[A]), unchecked_version(1, &many)] {
        let request = ChangeRequest::new(Change::Register(version), "alice");
        deployments.apply(&auth(), request).await.unwrap();
    }
    let start = Instant::now();
    let probes = deployments.check(&auth(), &name(1)).await.unwrap();
    let probed: Vec<&str> = probes.iter().map(|probe| probe.backend.as_str()).collect();
    assert_eq!((probed, start.elapsed().as_secs()), (many, 3));
    assert_eq!(meter.most(), 8);
}

/// A store of `count` services with three checked instances each.
async fn store_of(count: usize) -> MemoryStore {
    let store = MemoryStore::new();
    for i in 0..count {
        let service: ServiceName = format!("service-{i}").parse().unwrap();
        let backends = (1..=3)
            .map(|host| format!("http://10.{}.{}.{host}", i / 250, i % 250).parse().unwrap())
            .collect();
        let urls = Instances::new(backends).unwrap();
        let version = Registration::new(name(0), urls.first().clone())
            .with_instances(urls)
            .with_health_path("/healthz".parse().unwrap());
        store.commit(&service, &ChangeRequest::new(Change::Register(version), "alice")).await.unwrap();
    }
    store
}

// The gateways start at the same moment, and an operator has given both the same name.
#[tokio::test(start_paused = true)]
async fn gateways_of_one_name_spread_their_checks() {
    let store = Arc::new(store_of(10).await);
    let meters = [(); 2].map(|()| Meter::new(Duration::ZERO));
    for meter in &meters {
        let builder = Deployments::builder(Arc::clone(&store), meter.clone()).with_health(every_5_seconds());
        let deployments = builder.with_replica_name("gateway").start().await.unwrap();
        spawn(deployments.run(std::future::pending()));
    }
    sleep(MOMENT).await;
    // The second checks of 30 instances, which their seeds spread over the interval.
    let from = Instant::now();
    sleep(Duration::from_secs(5)).await;
    let [first, second] = meters.map(|meter| meter.starts_since(from));
    assert!(first.len() > 20 && second.len() > 20);
    assert_ne!(first, second);
}

// 10,000 services of three instances: 500 checks a second, and never more than 64 at once.
#[tokio::test(start_paused = true)]
async fn many_idle_services_are_checked_evenly() {
    let meter = Meter::new(Duration::from_millis(20));
    let builder = Deployments::builder(store_of(10_000).await, meter.clone()).with_health(Health::new());
    let deployments = builder.start().await.unwrap();
    spawn(deployments.clone().run(std::future::pending()));
    let start = Instant::now();
    assert!(deployments.checked(Duration::from_secs(20)).await);
    println!("30,000 first checks of 20 ms took {:?}", start.elapsed());
    sleep(Duration::from_secs(90)).await;
    let from = Instant::now();
    sleep(Duration::from_secs(60)).await;
    let starts = meter.starts_since(from);
    let mut seconds = [0_u32; 60];
    for at in &starts {
        seconds[((*at - from).as_secs() as usize).min(59)] += 1;
    }
    let mean = starts.len() / 60;
    let most = seconds.into_iter().max().unwrap();
    println!("{mean} checks a second, {most} in the busiest");
    assert!((480..=520).contains(&mean) && most < 640, "{mean} {most}");
    assert!(meter.most() <= 64);
}
