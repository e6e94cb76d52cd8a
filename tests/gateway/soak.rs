//! All kinds of traffic together. Afterwards the gateway must have released all resources.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{Gateway, client, empty, read};
use crate::sockets::{message, open, receive};
use crate::versions::{Process, start_version};

/// A service whose first version is a process that restarts again and again.
const SHAKY: &str = "shaky";

/// The resources that a gateway holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Resources {
    /// Resident memory in KiB.
    pub(crate) memory: u64,
    /// Open file descriptors without the files of the database, whose pool grows to its limit.
    pub(crate) files: usize,
    pub(crate) database_files: usize,
    pub(crate) tasks: usize,
}

impl Resources {
    /// Returns whether no file and no task was added.
    pub(crate) const fn has_no_leak_since(self, before: Self) -> bool {
        self.files <= before.files && self.tasks <= before.tasks
    }
}

/// Counts of successful actions.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) requests: AtomicU64,
    /// Requests that failed because their process was killed.
    pub(crate) killed: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) sockets: AtomicU64,
    pub(crate) swaps: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) events: AtomicU64,
}

/// A gateway under soak.
#[derive(Debug)]
struct Soak {
    gateway: Gateway,
    stopped: AtomicBool,
    /// Whether requests of the shaky service may fail.
    killing: AtomicBool,
    done: Done,
}

/// The resources of the gateway, once a second, and at rest before and after.
#[derive(Debug)]
pub(crate) struct SoakReport {
    pub(crate) samples: Vec<Resources>,
    pub(crate) before: Resources,
    pub(crate) after: Resources,
    pub(crate) done: Done,
}

/// Runs a soak of this duration.
pub(crate) async fn soak(length: Duration) -> SoakReport {
    let versions = [start_version("v1").await, start_version("v2").await];
    let soak = Arc::new(Soak {
        // SQLite caches pages in memory, up to 2 MB per connection: a growing history would look
        // like a leak.
        gateway: Gateway::start(&["--no-demo", "--history", "1000", "--idle-timeout", "5"]),
        stopped: AtomicBool::default(),
        killing: AtomicBool::default(),
        done: Done::default(),
    });
    let before = soak.resources_before().await;
    for service in ["auth", SHAKY] {
        soak.gateway.register(service, "v1", &versions[0].url).await;
        soak.gateway.register(service, "v2", &versions[1].url).await;
    }
    let mut all = soak.begin();
    let samples = soak.sample(length, &mut all).await;
    let after = soak.at_rest(before).await;
    let Soak { done, .. } = Arc::into_inner(soak).unwrap();
    SoakReport { samples, before, after, done }
}

/// Reads a whole event. A large one, such as the first with its series, comes in several frames.
async fn read_event(events: &mut Incoming) -> Vec<u8> {
    let mut event = Vec::new();
    while !event.ends_with(b"\n\n") {
        let frame = timeout(Duration::from_secs(15), events.frame()).await.unwrap().unwrap().unwrap();
        event.extend_from_slice(&frame.into_data().unwrap());
    }
    event
}

fn increment(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Soak {
    fn begin(self: &Arc<Self>) -> JoinSet<()> {
        let mut all = JoinSet::new();
        for _ in 0..3 {
            all.spawn(Arc::clone(self).requests());
            all.spawn(Arc::clone(self).shaky_requests());
            all.spawn(Arc::clone(self).cancellations());
            all.spawn(Arc::clone(self).sockets());
        }
        all.spawn(Arc::clone(self).swaps());
        all.spawn(Arc::clone(self).restarts());
        all.spawn(Arc::clone(self).events());
        all
    }

    fn is_running(&self) -> bool {
        !self.stopped.load(Ordering::Relaxed)
    }

    async fn resources(&self) -> Resources {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.gateway.pid())).unwrap();
        // Skip files that were closed meanwhile.
        let files: Vec<_> = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok()).collect();
        let database_files = files.iter().filter(|file| file.to_string_lossy().contains("canary.db")).count();
        Resources {
            memory: self.gateway.memory().0,
            files: files.len() - database_files,
            database_files,
            tasks: self.gateway.tasks().await,
        }
    }

    /// Returns the resources before the first request: the minimum of four samples, since a start
    /// runs extra tasks.
    async fn resources_before(&self) -> Resources {
        let mut least = self.resources().await;
        for _ in 0..3 {
            sleep(Duration::from_millis(500)).await;
            let resources = self.resources().await;
            least = Resources {
                files: resources.files.min(least.files),
                tasks: resources.tasks.min(least.tasks),
                ..resources
            };
        }
        least
    }

    /// Returns the resources at rest: as soon as they are no more than `before`, or after 30 s.
    async fn at_rest(&self, before: Resources) -> Resources {
        let start = Instant::now();
        loop {
            sleep(Duration::from_secs(1)).await;
            let resources = self.resources().await;
            if resources.has_no_leak_since(before) || start.elapsed() > Duration::from_secs(30) {
                return resources;
            }
        }
    }

    /// Takes samples for `length`, then stops all tasks. A failed task fails here.
    async fn sample(&self, length: Duration, all: &mut JoinSet<()>) -> Vec<Resources> {
        let start = Instant::now();
        let mut samples = Vec::new();
        while start.elapsed() < length {
            sleep(Duration::from_secs(1)).await;
            samples.push(self.resources().await);
            if let Some(ended) = all.try_join_next() {
                ended.unwrap();
            }
        }
        self.stopped.store(true, Ordering::Relaxed);
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
        samples
    }

    async fn requests(self: Arc<Self>) {
        let client = client();
        while self.is_running() {
            let request = Request::post(self.gateway.url("/auth/")).body(empty()).unwrap();
            let response = read(client.request(request).await.unwrap()).await;
            assert_eq!(response.status, StatusCode::OK, "{response:?}");
            increment(&self.done.requests);
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn shaky_requests(self: Arc<Self>) {
        let client = client();
        while self.is_running() {
            let mut may_fail = self.killing.load(Ordering::SeqCst);
            let request = Request::get(self.gateway.url("/shaky/slow/20")).body(empty()).unwrap();
            let status = client.request(request).await.unwrap().status();
            may_fail |= self.killing.load(Ordering::SeqCst);
            let killed = may_fail && status == StatusCode::BAD_GATEWAY;
            assert!(killed || status == StatusCode::OK, "{status}");
            increment(if killed { &self.done.killed } else { &self.done.requests });
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Clients that disconnect while they wait and while they download.
    async fn cancellations(self: Arc<Self>) {
        while self.is_running() {
            let slow = Request::get(self.gateway.url("/auth/slow/1000")).body(empty()).unwrap();
            assert!(timeout(Duration::from_millis(30), client().request(slow)).await.is_err());
            let large = Request::get(self.gateway.url("/auth/down/16")).body(empty()).unwrap();
            let mut download = client().request(large).await.unwrap().into_body();
            assert!(download.frame().await.unwrap().is_ok());
            increment(&self.done.cancelled);
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every other client closes its socket.
    async fn sockets(self: Arc<Self>) {
        for socket in 0.. {
            if !self.is_running() {
                return;
            }
            let (mut open, _) = open(&self.gateway).await;
            for i in 0..10 {
                open.send(message(i)).await.unwrap();
                assert_eq!(receive(&mut open).await, message(i));
            }
            if socket % 2 == 0 {
                open.close(None).await.unwrap();
            }
            increment(&self.done.sockets);
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn swaps(self: Arc<Self>) {
        for step in (0..=100_u8).cycle() {
            if !self.is_running() {
                return;
            }
            self.gateway.set_weight("auth", "v2", f64::from(step)).await;
            increment(&self.done.swaps);
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Every other time the process is killed while it handles requests.
    async fn restarts(self: Arc<Self>) {
        let mut process = Process::start("v1");
        for restart in 0.. {
            let moved = json!({ "url": process.url });
            self.gateway.admin(Method::PUT, "/routing/services/shaky/versions/v1", moved).await;
            self.gateway.switch(SHAKY, "v1").await;
            self.killing.store(false, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            if !self.is_running() {
                return;
            }
            if restart % 2 == 0 {
                self.killing.store(true, Ordering::SeqCst);
            } else {
                self.gateway.switch(SHAKY, "v2").await;
                let wait = "/deployment/services/shaky/traffic?version=v1&wait=drained&timeout=10s";
                self.gateway.admin(Method::GET, wait, Value::Null).await;
            }
            process.kill();
            self.gateway.switch(SHAKY, "v2").await;
            process = Process::start("v1");
            increment(&self.done.restarts);
        }
    }

    /// Readers of the traffic events that disconnect after two events.
    async fn events(self: Arc<Self>) {
        while self.is_running() {
            let mut events = self.gateway.events("/deployment/services/auth/traffic").await.into_body();
            for _ in 0..2 {
                assert!(read_event(&mut events).await.starts_with(b"event: traffic\n"));
                increment(&self.done.events);
            }
        }
    }
}
