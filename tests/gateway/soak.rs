//! Everything at once, for as long as there is time: what a gateway takes must be given back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::SinkExt;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{Gateway, client, empty, read};
use crate::sockets::{heard, message, open};
use crate::versions::{Process, version};

/// A service whose first version is a process that is restarted all the time.
const SHAKY: &str = "shaky";

/// What a gateway holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Held {
    /// Resident memory in KiB.
    pub(crate) memory: u64,
    /// Open file descriptors, but those of the database, whose pool grows to its limit.
    pub(crate) files: usize,
    pub(crate) of_database: usize,
    pub(crate) tasks: usize,
}

impl Held {
    /// Whether no file and no task is left.
    pub(crate) const fn is_no_more_than(self, before: Self) -> bool {
        self.files <= before.files && self.tasks <= before.tasks
    }
}

/// What was done. What had to go well did.
#[derive(Debug, Default)]
pub(crate) struct Done {
    pub(crate) requests: AtomicU64,
    /// Requests that failed with a process that was killed beneath them.
    pub(crate) killed: AtomicU64,
    pub(crate) cancelled: AtomicU64,
    pub(crate) sockets: AtomicU64,
    pub(crate) swaps: AtomicU64,
    pub(crate) restarts: AtomicU64,
    pub(crate) events: AtomicU64,
}

/// A gateway that is soaked.
#[derive(Debug)]
struct Soak {
    gateway: Gateway,
    over: AtomicBool,
    /// Whether requests of the shaky service may fail.
    killing: AtomicBool,
    done: Done,
}

/// What the gateway held, second by second, and once it was left alone: `before` and `after`.
#[derive(Debug)]
pub(crate) struct Soaked {
    pub(crate) samples: Vec<Held>,
    pub(crate) before: Held,
    pub(crate) after: Held,
    pub(crate) done: Done,
}

/// Soaks a gateway for so long.
pub(crate) async fn soak(length: Duration) -> Soaked {
    let versions = [version("v1").await, version("v2").await];
    let soak = Arc::new(Soak {
        // SQLite keeps pages in memory, up to 2 MB per connection: a history that grows would look like a leak.
        gateway: Gateway::start(&["--no-demo", "--history", "1000"]),
        over: AtomicBool::default(),
        killing: AtomicBool::default(),
        done: Done::default(),
    });
    let before = soak.idle().await;
    for service in ["auth", SHAKY] {
        soak.gateway.register(service, "v1", &versions[0].url).await;
        soak.gateway.register(service, "v2", &versions[1].url).await;
    }
    let mut all = soak.begin();
    let samples = soak.watched(length, &mut all).await;
    let after = soak.at_rest(before).await;
    let Soak { done, .. } = Arc::into_inner(soak).unwrap();
    Soaked { samples, before, after, done }
}

fn count(of: &AtomicU64) {
    of.fetch_add(1, Ordering::Relaxed);
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

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    async fn held(&self) -> Held {
        let files = std::fs::read_dir(format!("/proc/{}/fd", self.gateway.pid())).unwrap();
        // One that was closed meanwhile is none.
        let files: Vec<_> = files.filter_map(|file| std::fs::read_link(file.unwrap().path()).ok()).collect();
        let of_database = files.iter().filter(|file| file.to_string_lossy().contains("canary.db")).count();
        Held {
            memory: self.gateway.memory().0,
            files: files.len() - of_database,
            of_database,
            tasks: self.gateway.tasks().await,
        }
    }

    /// What the gateway holds before anything is asked of it: the least of a few looks, since a start has tasks of its own.
    async fn idle(&self) -> Held {
        let mut least = self.held().await;
        for _ in 0..3 {
            sleep(Duration::from_millis(500)).await;
            let held = self.held().await;
            least = Held { files: held.files.min(least.files), tasks: held.tasks.min(least.tasks), ..held };
        }
        least
    }

    /// What the gateway holds once it has let go of what clients left: as much as `before`, unless that takes too long.
    async fn at_rest(&self, before: Held) -> Held {
        let start = Instant::now();
        loop {
            sleep(Duration::from_secs(1)).await;
            let held = self.held().await;
            if held.is_no_more_than(before) || start.elapsed() > Duration::from_secs(30) {
                return held;
            }
        }
    }

    /// Samples for `length`, then ends all that goes on. Whatever failed fails here.
    async fn watched(&self, length: Duration, all: &mut JoinSet<()>) -> Vec<Held> {
        let (start, mut samples) = (Instant::now(), Vec::new());
        while start.elapsed() < length {
            sleep(Duration::from_secs(1)).await;
            samples.push(self.held().await);
            if let Some(ended) = all.try_join_next() {
                ended.unwrap();
            }
        }
        self.over.store(true, Ordering::Relaxed);
        while let Some(ended) = all.join_next().await {
            ended.unwrap();
        }
        samples
    }

    async fn requests(self: Arc<Self>) {
        let client = client();
        while self.goes_on() {
            let request = Request::post(self.gateway.url("/auth/")).body(empty()).unwrap();
            let answer = read(client.request(request).await.unwrap()).await;
            assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
            count(&self.done.requests);
            sleep(Duration::from_millis(5)).await;
        }
    }

    async fn shaky_requests(self: Arc<Self>) {
        let client = client();
        while self.goes_on() {
            let mut may_fail = self.killing.load(Ordering::SeqCst);
            let request = Request::get(self.gateway.url("/shaky/slow/20")).body(empty()).unwrap();
            let status = client.request(request).await.unwrap().status();
            may_fail |= self.killing.load(Ordering::SeqCst);
            let killed = may_fail && status == StatusCode::BAD_GATEWAY;
            assert!(killed || status == StatusCode::OK, "{status}");
            count(if killed { &self.done.killed } else { &self.done.requests });
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Clients that go away while they wait, and while they download.
    async fn cancellations(self: Arc<Self>) {
        while self.goes_on() {
            let get = |path: &str| Request::get(self.gateway.url(path)).body(empty()).unwrap();
            let gone = timeout(Duration::from_millis(30), client().request(get("/auth/slow/1000"))).await;
            assert!(gone.is_err());
            let mut download = client().request(get("/auth/down/16")).await.unwrap().into_body();
            assert!(download.frame().await.unwrap().is_ok());
            count(&self.done.cancelled);
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Every other client closes its socket.
    async fn sockets(self: Arc<Self>) {
        for socket in 0.. {
            if !self.goes_on() {
                return;
            }
            let (mut open, _) = open(&self.gateway).await;
            for i in 0..10 {
                open.send(message(i)).await.unwrap();
                assert_eq!(heard(&mut open).await, message(i));
            }
            if socket % 2 == 0 {
                open.close(None).await.unwrap();
            }
            count(&self.done.sockets);
            sleep(Duration::from_millis(20)).await;
        }
    }

    async fn swaps(self: Arc<Self>) {
        for step in (0..=100_u8).cycle() {
            if !self.goes_on() {
                return;
            }
            self.gateway.set_weight("auth", "v2", f64::from(step)).await;
            count(&self.done.swaps);
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Every other time the process is killed under its requests.
    async fn restarts(self: Arc<Self>) {
        let mut process = Process::start("v1");
        for restart in 0.. {
            let moved = json!({ "url": process.url });
            self.gateway.admin(Method::PUT, "/routing/services/shaky/versions/v1", moved).await;
            self.gateway.switch(SHAKY, "v1").await;
            self.killing.store(false, Ordering::SeqCst);
            sleep(Duration::from_secs(1)).await;
            if !self.goes_on() {
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
            count(&self.done.restarts);
        }
    }

    /// Readers of what versions do, who go away after a while.
    async fn events(self: Arc<Self>) {
        while self.goes_on() {
            let mut events = self.gateway.events("/deployment/services/auth/traffic").await.into_body();
            for _ in 0..2 {
                let event = timeout(Duration::from_secs(5), events.frame()).await.unwrap().unwrap().unwrap();
                assert!(event.into_data().unwrap().starts_with(b"event: traffic\n"));
                count(&self.done.events);
            }
        }
    }
}
