//! Many services of three instances each, all idle and checked: processor time, sockets, memory, time of a start.

use std::collections::BTreeSet;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::sleep;

use crate::backends::serve;
use crate::fleet::HEALTH_PATH;
use crate::harness::{Gateway, HttpClient, full, read};
use crate::setting;
use crate::support::concurrently;
use crate::wait::wait_until;

/// Ticks of processor time in a second (`CLK_TCK`).
const TICKS: f64 = 100.0;

/// Most checks at the same time.
const SOCKETS: usize = 64;

/// The interval of checks of an idle service.
const IDLE: Duration = Duration::from_secs(60);

/// Starts an instance that listens on every address of the machine. Returns its port, and a counter of its requests.
async fn everywhere() -> (u16, Arc<AtomicU64>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let checks = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&checks);
    tokio::spawn(serve(
        listener,
        move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
            std::future::ready(Response::new(full("ok")))
        },
        std::future::pending(),
    ));
    (port, checks)
}

/// Returns the URLs of the three instances of a service. Every address of `127.0.0.0/8` is this machine.
fn urls(service: usize, port: u16) -> [String; 3] {
    [1, 2, 3].map(|instance| format!("http://127.{instance}.{}.{}:{port}", service / 250, service % 250 + 1))
}

async fn register(gateway: &Gateway, services: usize, port: u16) {
    let admin = gateway.admin.clone();
    let token = gateway.token.clone();
    let statuses: BTreeSet<StatusCode> = concurrently(services, move |client: HttpClient, service: usize| {
        let body = json!({ "version": "v1", "urls": urls(service, port), "healthPath": HEALTH_PATH });
        let request = Request::post(format!("{admin}/routing/services/s{service}/versions?force=true"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(full(body.to_string()))
            .unwrap();
        async move { read(client.request(request).await.unwrap()).await.status }
    })
    .await
    .into_iter()
    .collect();
    assert_eq!(statuses, BTreeSet::from([StatusCode::CREATED]));
}

/// Returns the processor time of a process in seconds.
fn processor_time(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / TICKS
}

fn sockets(pid: u32) -> usize {
    let files = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let links = files.filter_map(|file| fs::read_link(file.ok()?.path()).ok());
    links.filter(|link| link.to_string_lossy().starts_with("socket:")).count()
}

/// What a gateway uses while nothing happens but checks.
#[derive(Debug)]
struct Use {
    checks_per_second: f64,
    /// Share of one processor.
    processor: f64,
    most_sockets: usize,
}

impl Use {
    fn print(&self, sockets_before: usize) {
        println!(
            "idle: {:.0} checks per second, {:.1} % of a processor, at most {} sockets",
            self.checks_per_second,
            100.0 * self.processor,
            self.most_sockets - sockets_before
        );
    }

    fn assert_small(&self, services: usize, sockets_before: usize) {
        assert!(self.most_sockets <= sockets_before + SOCKETS, "{self:?}");
        let expected = 3.0 * services as f64 / IDLE.as_secs_f64();
        assert!((self.checks_per_second / expected - 1.0).abs() < 0.2, "{self:?}, expected {expected}");
        // 8 % for 10,000 services. A build without optimizations takes several times as long.
        let limit = if cfg!(debug_assertions) { 0.8 } else { 0.08 };
        assert!(self.processor <= limit * (services as f64 / 10_000.0).max(0.1), "{self:?}");
    }
}

async fn observe(gateway: &Gateway, checks: &AtomicU64, length: Duration) -> Use {
    let start = Instant::now();
    let [before, spent] = [checks.load(Ordering::Relaxed) as f64, processor_time(gateway.pid())];
    let mut most_sockets = 0;
    while start.elapsed() < length {
        most_sockets = most_sockets.max(sockets(gateway.pid()));
        sleep(Duration::from_millis(20)).await;
    }
    let seconds = start.elapsed().as_secs_f64();
    Use {
        checks_per_second: (checks.load(Ordering::Relaxed) as f64 - before) / seconds,
        processor: (processor_time(gateway.pid()) - spent) / seconds,
        most_sockets,
    }
}

/// Waits until each instance had its first check.
async fn first_checks(checks: &AtomicU64, before: u64, instances: usize) -> Duration {
    wait_until(Duration::from_secs(600), "all instances were checked", async || {
        checks.load(Ordering::Relaxed) - before >= instances as u64
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a campaign"]
async fn idle_fleets_cost_little() {
    let services: usize = setting("CANARY_CAMPAIGN_SERVICES", 10_000).try_into().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (port, checks) = everywhere().await;
    let mut gateway = Gateway::start_in(dir.path(), &["--no-demo"]);
    let empty = gateway.memory().0;
    let baseline = sockets(gateway.pid());
    let start = Instant::now();
    register(&gateway, services, port).await;
    println!("{services} services of 3 instances registered in {:.1?}", start.elapsed());

    gateway.kill();
    let before = checks.load(Ordering::Relaxed);
    let start = Instant::now();
    gateway = Gateway::start_in(dir.path(), &["--no-demo"]);
    let started = start.elapsed();
    gateway.wait_ready().await;
    println!("started after {started:.2?}, ready after {:.2?}", start.elapsed());
    let all = first_checks(&checks, before, 3 * services).await;
    println!("all instances checked {all:.1?} after that");
    let memory = gateway.memory().0;
    let each = (memory - empty) as f64 / services as f64;
    println!("{memory} KiB of memory, {empty} KiB without services: {each:.1} KiB for each service");

    // The first checks are at once, the next ones are spread over the interval.
    sleep(IDLE).await;
    let used = observe(&gateway, &checks, IDLE).await;
    used.print(baseline);
    let status = gateway.admin(Method::GET, "/deployment/services/s0/versions", Value::Null).await;
    assert_eq!(status["versions"][0]["usable"], 3, "{status}");
    used.assert_small(services, baseline);
}
