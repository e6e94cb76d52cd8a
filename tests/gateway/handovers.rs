//! The script that replaces a version: switch, wait until the old version is drained, stop its process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use hyper::body::Incoming;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::harness::{BoxError, Gateway, HttpClient, client, empty, read, read_url};
use crate::sockets::{message, open, receive};
use crate::versions::{Process, X_VERSION, is_downloaded};
use crate::wait::wait_until;

/// Size of a download: far more than sockets and proxies can buffer.
const MEBIBYTES: usize = 48;

/// Starts two versions of `auth`, each in its own process, behind a gateway. All traffic goes to the
/// first.
pub(crate) async fn two_processes() -> (Gateway, Process, Process) {
    let old = Process::start("v1");
    let new = Process::start("v2");
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &old.url).await;
    gateway.register("auth", "v2", &new.url).await;
    (gateway, old, new)
}

/// The exchanges in flight at the old version when the switch happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Clients that send one request after the other, each of the duration `each`.
    pub(crate) clients: usize,
    pub(crate) each: Duration,
    /// Number of exchanges of each kind that end on command.
    pub(crate) held: usize,
    /// The kind that ends last. With `None` there are only the requests of `clients`.
    pub(crate) last: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Upload,
    Download,
    Socket,
}

/// The earliest possible end of an exchange, and the time at which its client saw the end.
#[derive(Clone, Copy, Debug)]
struct Ended {
    earliest: Instant,
    seen: Instant,
}

/// An exchange that continues until it gets the command to end.
struct Exchange {
    kind: Kind,
    end: oneshot::Sender<()>,
    ended: JoinHandle<Ended>,
}

/// The result of a handover in which no exchange was cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handover {
    pub(crate) requests: usize,
    /// Time from the last end until the script continued.
    pub(crate) delay: Duration,
}

/// Runs the script under load and kills the process of the old version at its end. No request may fail,
/// and the script must not continue while the old version has exchanges in flight.
pub(crate) async fn hand_over(plan: Plan) -> Handover {
    let (gateway, mut old, _new) = two_processes().await;
    let gateway = Arc::new(gateway);
    let held = start_exchanges(&gateway, plan).await;
    let load = Load::start(&gateway, plan);
    sleep(plan.each / 2).await;
    gateway.switch("auth", "v2").await;
    let script = tokio::spawn(drained(Arc::clone(&gateway)));
    sleep(plan.each + plan.each / 4).await;

    let mut ends = end_exchanges(held, &script).await;
    let drained = script.await.unwrap();
    old.kill();
    sleep(plan.each).await;
    assert_eq!(open(&gateway).await.1, "v2");
    let responses = load.end().await;
    ends.extend(ends_at("v1", &responses));
    Handover { requests: responses.len(), delay: delay(drained, &ends) }
}

/// Returns when the requests to `version` ended.
fn ends_at(version: &str, responses: &[(String, Ended)]) -> impl Iterator<Item = Ended> {
    responses.iter().filter(move |(other, _)| other == version).map(|(_, ended)| *ended)
}

/// Ends one exchange after the other. The script must not continue before the last end.
async fn end_exchanges(held: Vec<Exchange>, script: &JoinHandle<Instant>) -> Vec<Ended> {
    let mut ends = Vec::new();
    for Exchange { kind, end, ended } in held {
        assert!(!script.is_finished(), "{kind:?} is under way");
        end.send(()).unwrap();
        ends.push(ended.await.unwrap());
    }
    ends
}

/// Returns the time from the last of `ends` until the version was reported as drained.
fn delay(drained: Instant, ends: &[Ended]) -> Duration {
    let earliest = ends.iter().map(|ended| ended.earliest).max().unwrap();
    assert!(drained >= earliest, "drained {:?} before the end of the last", earliest - drained);
    let seen = ends.iter().map(|ended| ended.seen).max().unwrap();
    drained.saturating_duration_since(seen)
}

/// Waits until the old version is reported as drained, and returns that time.
async fn drained(gateway: Arc<Gateway>) -> Instant {
    let path = "/deployment/services/auth/traffic?version=v1&wait=drained&timeout=60s";
    let report = gateway.admin(Method::GET, path, serde_json::Value::Null).await;
    let at = Instant::now();
    assert_eq!(
        (&report["versions"][0]["drained"], &report["versions"][0]["inFlight"]),
        (&true.into(), &0.into())
    );
    at
}

/// Starts all exchanges with the old version, in the order of their ends.
async fn start_exchanges(gateway: &Gateway, plan: Plan) -> Vec<Exchange> {
    let mut kinds = [Kind::Upload, Kind::Download, Kind::Socket].repeat(plan.held);
    kinds.sort_by_key(|kind| Some(*kind) == plan.last);
    let mut held = Vec::new();
    for kind in kinds {
        held.push(start_exchange(gateway, kind).await);
    }
    gateway.wait_in_flight("auth", "v1", held.len()).await;
    held
}

async fn start_exchange(gateway: &Gateway, kind: Kind) -> Exchange {
    let (end, command) = oneshot::channel();
    let ended = match kind {
        Kind::Upload => tokio::spawn(upload(gateway.url("/auth/upload"), command)),
        Kind::Download => {
            let request =
                Request::get(gateway.url(&format!("/auth/down/{MEBIBYTES}"))).body(empty()).unwrap();
            let response = client().request(request).await.unwrap();
            assert_eq!(response.headers()[X_VERSION], "v1");
            tokio::spawn(download(response.into_body(), command))
        }
        Kind::Socket => {
            let (socket, version) = open(gateway).await;
            assert_eq!(version, "v1");
            tokio::spawn(exchange_messages(socket, command))
        }
    };
    Exchange { kind, end, ended }
}

/// Sends 10 kB every 20 ms.
async fn upload(url: String, mut command: oneshot::Receiver<()>) -> Ended {
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
    let response = tokio::spawn(async move {
        let client = client();
        read(client.request(Request::post(url).body(body.boxed()).unwrap()).await.unwrap()).await
    });
    let mut sent = 0;
    while command.try_recv().is_err() {
        sender.send_data(Bytes::from_static(&[7; 10_000])).await.unwrap();
        sent += 10_000;
        sleep(Duration::from_millis(20)).await;
    }
    let earliest = Instant::now();
    drop(sender);
    let response = response.await.unwrap();
    assert_eq!((response.status, &response.headers[X_VERSION]), (StatusCode::OK, &"v1".parse().unwrap()));
    assert_eq!(response.text, sent.to_string());
    Ended { earliest, seen: Instant::now() }
}

/// Reads a quarter, and the rest on command.
async fn download(mut body: Incoming, command: oneshot::Receiver<()>) -> Ended {
    let mut length = 0;
    while length < MEBIBYTES << 18 {
        length += next(&mut body, length).await.unwrap();
    }
    command.await.unwrap();
    let earliest = Instant::now();
    while let Some(more) = next(&mut body, length).await {
        length += more;
    }
    assert_eq!(length, MEBIBYTES << 20);
    Ended { earliest, seen: Instant::now() }
}

/// Reads some bytes and checks them against their position.
async fn next(body: &mut Incoming, at: usize) -> Option<usize> {
    let data = body.frame().await?.unwrap().into_data().unwrap();
    assert!(is_downloaded(at, &data));
    Some(data.len())
}

/// Sends messages one after the other and expects each one back.
async fn exchange_messages(mut socket: crate::sockets::Socket, mut command: oneshot::Receiver<()>) -> Ended {
    use futures_util::{SinkExt, StreamExt};
    for i in 0.. {
        if command.try_recv().is_ok() {
            break;
        }
        socket.send(message(i)).await.unwrap();
        assert_eq!(receive(&mut socket).await, message(i));
        sleep(Duration::from_millis(20)).await;
    }
    let earliest = Instant::now();
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    Ended { earliest, seen: Instant::now() }
}

/// Clients that send one request after the other until the end.
struct Load {
    stopped: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<(String, Ended)>>>,
}

impl Load {
    fn start(gateway: &Gateway, plan: Plan) -> Self {
        let stopped = Arc::new(AtomicBool::new(false));
        let url = gateway.url(&format!("/auth/slow/{}", plan.each.as_millis()));
        Self {
            clients: (0..plan.clients)
                .map(|_| tokio::spawn(requests(client(), url.clone(), plan.each, Arc::clone(&stopped))))
                .collect(),
            stopped,
        }
    }

    /// Stops the clients. Returns the version and the time of each response. No request may have
    /// failed.
    async fn end(self) -> Vec<(String, Ended)> {
        self.stopped.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.await.unwrap());
        }
        all
    }
}

async fn requests(
    client: HttpClient,
    url: String,
    each: Duration,
    stopped: Arc<AtomicBool>,
) -> Vec<(String, Ended)> {
    let mut responses = Vec::new();
    while !stopped.load(Ordering::Relaxed) {
        let start = Instant::now();
        let response = read(client.request(Request::get(&url).body(empty()).unwrap()).await.unwrap()).await;
        assert_eq!(response.status, StatusCode::OK, "{response:?}");
        let version = response.headers[X_VERSION].to_str().unwrap().to_owned();
        responses.push((version, Ended { earliest: start + each, seen: Instant::now() }));
    }
    responses
}

/// The result of a process that ended while it had requests in flight.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) succeeded: usize,
    /// Responses with status 502.
    pub(crate) failed: usize,
    /// Requests sent after the switch. No such request may fail.
    pub(crate) after: usize,
}

/// Sends `in_flight` requests to the old version, which it responds to when it gets SIGTERM. Switches, and immediately ends its
/// process with `end`.
pub(crate) async fn end_after_switch(in_flight: usize, end: impl FnOnce(&mut Process)) -> Ending {
    let (gateway, mut old, _new) = two_processes().await;
    let url = gateway.url("/auth/held/");
    let before: Vec<_> = (0..in_flight)
        .map(|_| {
            let client = client();
            let request = Request::get(&url).body(empty()).unwrap();
            tokio::spawn(async move { read(client.request(request).await.unwrap()).await })
        })
        .collect();
    wait_until_read(&old, in_flight).await;
    gateway.switch("auth", "v2").await;
    let plan = Plan { clients: 16, each: Duration::from_millis(1), held: 0, last: None };
    let load = Load::start(&gateway, plan);
    end(&mut old);
    let mut statuses = Vec::new();
    for task in before {
        statuses.push(task.await.unwrap().status);
    }
    gateway.wait_in_flight("auth", "v1", 0).await;
    let after = load.end().await;
    assert!(after.iter().all(|(version, _)| version == "v2"));
    let [succeeded, failed] = [StatusCode::OK, StatusCode::BAD_GATEWAY]
        .map(|wanted| statuses.iter().filter(|status| **status == wanted).count());
    Ending { succeeded, failed, after: after.len() }
}

/// Waits until the process of the old version holds `in_flight` requests. A request on its way to the process counts as in
/// flight, but a terminating process finishes only requests that it has read.
async fn wait_until_read(old: &Process, in_flight: usize) {
    wait_until(Duration::from_secs(30), "the requests are at the process", async || {
        read_url(&format!("{}/holding/", old.url)).await.text == in_flight.to_string()
    })
    .await;
}
