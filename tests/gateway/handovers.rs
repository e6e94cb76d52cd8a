//! The script that replaces a version: switch, wait until the old one is drained, stop its process.

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

use crate::harness::{BoxError, Gateway, HttpClient, client, empty, read};
use crate::sockets::{heard, message, open};
use crate::versions::{Process, X_VERSION, is_downloaded};
use crate::wait::wait_until;

/// How much is downloaded: far more than sockets and proxies can hold.
const MEBIBYTES: usize = 48;

/// Two versions of `auth`, each a process of its own, behind a gateway; all traffic goes to the first.
pub(crate) async fn two_processes() -> (Gateway, Process, Process) {
    let (old, new) = (Process::start("v1"), Process::start("v2"));
    let gateway = Gateway::start(&["--no-demo"]);
    gateway.register("auth", "v1", &old.url).await;
    gateway.register("auth", "v2", &new.url).await;
    (gateway, old, new)
}

/// What is under way at the old version when the switch comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Clients that send one request after the other, each taking so long.
    pub(crate) clients: usize,
    pub(crate) each: Duration,
    /// So many of each kind that end when they are told to.
    pub(crate) held: usize,
    /// The kind that ends last; none, where the requests of the clients do.
    pub(crate) last: Option<Kind>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Upload,
    Download,
    Socket,
}

/// When something could end at the earliest, and when its client saw the end.
#[derive(Clone, Copy, Debug)]
struct Ended {
    earliest: Instant,
    seen: Instant,
}

/// Something that goes on until it is told to end.
struct Held {
    kind: Kind,
    end: oneshot::Sender<()>,
    ended: JoinHandle<Ended>,
}

/// What came of a handover in which nothing was cut off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handover {
    pub(crate) requests: usize,
    /// How long after the end of the last one the script knew.
    pub(crate) late: Duration,
}

/// Runs the script under load, and stops the process of the old version for good. Nothing may fail, and the script may not
/// go on while anything is under way at the old version.
pub(crate) async fn hand_over(plan: Plan) -> Handover {
    let (gateway, mut old, _new) = two_processes().await;
    let gateway = Arc::new(gateway);
    let load = Load::start(&gateway, plan);
    let held = hold_all(&gateway, plan).await;
    sleep(plan.each / 2).await;
    gateway.switch("auth", "v2").await;
    let script = tokio::spawn(drained(Arc::clone(&gateway)));
    sleep(plan.each + plan.each / 4).await;

    let mut ends = end_all(held, &script).await;
    let drained = script.await.unwrap();
    old.kill();
    sleep(plan.each).await;
    assert_eq!(open(&gateway).await.1, "v2");
    let answers = load.end().await;
    ends.extend(answers.iter().filter(|(version, _)| version == "v1").map(|(_, ended)| *ended));
    Handover { requests: answers.len(), late: late(drained, &ends) }
}

/// Ends one after the other. The script may not go on before the last has ended.
async fn end_all(held: Vec<Held>, script: &JoinHandle<Instant>) -> Vec<Ended> {
    let mut ends = Vec::new();
    for Held { kind, end, ended } in held {
        assert!(!script.is_finished(), "{kind:?} is under way");
        end.send(()).unwrap();
        ends.push(ended.await.unwrap());
    }
    ends
}

/// How long after the last of `ends` it was that the version was told to be drained.
fn late(drained: Instant, ends: &[Ended]) -> Duration {
    let earliest = ends.iter().map(|ended| ended.earliest).max().unwrap();
    assert!(drained >= earliest, "drained {:?} before the end of the last", earliest - drained);
    let seen = ends.iter().map(|ended| ended.seen).max().unwrap();
    drained.saturating_duration_since(seen)
}

/// When the old version was told to be drained.
async fn drained(gateway: Arc<Gateway>) -> Instant {
    let path = "/deployment/services/auth/traffic?version=v1&wait=drained&timeout=60s";
    let told = gateway.admin(Method::GET, path, serde_json::Value::Null).await;
    let at = Instant::now();
    assert_eq!(
        (&told["versions"][0]["drained"], &told["versions"][0]["inFlight"]),
        (&true.into(), &0.into())
    );
    at
}

/// All that is held, in the order in which it is to end.
async fn hold_all(gateway: &Gateway, plan: Plan) -> Vec<Held> {
    let mut kinds = [Kind::Upload, Kind::Download, Kind::Socket].repeat(plan.held);
    kinds.sort_by_key(|kind| Some(*kind) == plan.last);
    let mut held = Vec::new();
    for kind in kinds {
        held.push(hold(gateway, kind).await);
    }
    held
}

async fn hold(gateway: &Gateway, kind: Kind) -> Held {
    let (end, told) = oneshot::channel();
    let ended = match kind {
        Kind::Upload => tokio::spawn(upload(gateway.url("/auth/upload"), told)),
        Kind::Download => {
            let request =
                Request::get(gateway.url(&format!("/auth/down/{MEBIBYTES}"))).body(empty()).unwrap();
            let answer = client().request(request).await.unwrap();
            assert_eq!(answer.headers()[X_VERSION], "v1");
            tokio::spawn(download(answer.into_body(), told))
        }
        Kind::Socket => {
            let (socket, version) = open(gateway).await;
            assert_eq!(version, "v1");
            tokio::spawn(talk(socket, told))
        }
    };
    Held { kind, end, ended }
}

/// Sends a little now and then.
async fn upload(url: String, mut told: oneshot::Receiver<()>) -> Ended {
    let (mut sender, body) = Channel::<Bytes, BoxError>::new(1);
    let answer = tokio::spawn(async move {
        let client = client();
        read(client.request(Request::post(url).body(body.boxed()).unwrap()).await.unwrap()).await
    });
    let mut sent = 0;
    while told.try_recv().is_err() {
        sender.send_data(Bytes::from_static(&[7; 10_000])).await.unwrap();
        sent += 10_000;
        sleep(Duration::from_millis(20)).await;
    }
    let earliest = Instant::now();
    drop(sender);
    let answer = answer.await.unwrap();
    assert_eq!((answer.status, &answer.headers[X_VERSION]), (StatusCode::OK, &"v1".parse().unwrap()));
    assert_eq!(answer.text, sent.to_string());
    Ended { earliest, seen: Instant::now() }
}

/// Reads a quarter, and the rest when told to.
async fn download(mut body: Incoming, told: oneshot::Receiver<()>) -> Ended {
    let mut length = 0;
    while length < MEBIBYTES << 18 {
        length += next(&mut body, length).await.unwrap();
    }
    told.await.unwrap();
    let earliest = Instant::now();
    while let Some(more) = next(&mut body, length).await {
        length += more;
    }
    assert_eq!(length, MEBIBYTES << 20);
    Ended { earliest, seen: Instant::now() }
}

/// Reads some more, which must be what belongs there.
async fn next(body: &mut Incoming, at: usize) -> Option<usize> {
    let data = body.frame().await?.unwrap().into_data().unwrap();
    assert!(is_downloaded(at, &data));
    Some(data.len())
}

/// Sends messages, which must come back, one after the other.
async fn talk(mut socket: crate::sockets::Socket, mut told: oneshot::Receiver<()>) -> Ended {
    use futures_util::{SinkExt, StreamExt};
    for i in 0.. {
        if told.try_recv().is_ok() {
            break;
        }
        socket.send(message(i)).await.unwrap();
        assert_eq!(heard(&mut socket).await, message(i));
        sleep(Duration::from_millis(20)).await;
    }
    let earliest = Instant::now();
    socket.close(None).await.unwrap();
    while socket.next().await.is_some() {}
    Ended { earliest, seen: Instant::now() }
}

/// Clients that send one request after the other until it is over.
struct Load {
    over: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<(String, Ended)>>>,
}

impl Load {
    fn start(gateway: &Gateway, plan: Plan) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let url = gateway.url(&format!("/auth/slow/{}", plan.each.as_millis()));
        let one = |_| tokio::spawn(requests(client(), url.clone(), plan.each, Arc::clone(&over)));
        Self { clients: (0..plan.clients).map(one).collect(), over }
    }

    /// Which version answered, and when. None may have failed.
    async fn end(self) -> Vec<(String, Ended)> {
        self.over.store(true, Ordering::Relaxed);
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
    over: Arc<AtomicBool>,
) -> Vec<(String, Ended)> {
    let mut answers = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let start = Instant::now();
        let answer = read(client.request(Request::get(&url).body(empty()).unwrap()).await.unwrap()).await;
        assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
        let version = answer.headers[X_VERSION].to_str().unwrap().to_owned();
        answers.push((version, Ended { earliest: start + each, seen: Instant::now() }));
    }
    answers
}

/// What came of a process that was ended while requests were in flight there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ending {
    pub(crate) answered: usize,
    /// With 502.
    pub(crate) failed: usize,
    /// Requests that were sent after the switch. None may have failed.
    pub(crate) after: usize,
}

/// Brings `in_flight` requests to the old version, switches, and ends its process by `end` at once.
pub(crate) async fn end_after_switch(
    in_flight: usize,
    each: Duration,
    end: impl FnOnce(&mut Process),
) -> Ending {
    let (gateway, mut old, _new) = two_processes().await;
    let url = gateway.url(&format!("/auth/slow/{}", each.as_millis()));
    let one = |_| {
        let (client, request) = (client(), Request::get(&url).body(empty()).unwrap());
        tokio::spawn(async move { read(client.request(request).await.unwrap()).await })
    };
    let before: Vec<_> = (0..in_flight).map(one).collect();
    begun(&gateway, in_flight, each).await;
    gateway.switch("auth", "v2").await;
    let plan = Plan { clients: 16, each: Duration::from_millis(1), held: 0, last: None };
    let load = Load::start(&gateway, plan);
    end(&mut old);
    let mut statuses = Vec::new();
    for task in before {
        statuses.push(task.await.unwrap().status);
    }
    assert_eq!(gateway.in_flight("auth", "v1").await, 0);
    let after = load.end().await;
    assert!(after.iter().all(|(version, _)| version == "v2"));
    let of = |wanted| statuses.iter().filter(|status| **status == wanted).count();
    Ending { answered: of(StatusCode::OK), failed: of(StatusCode::BAD_GATEWAY), after: after.len() }
}

/// Waits until the old version has begun so many requests. On their way to its process they are in flight, too, and a
/// process ends only what it has begun.
async fn begun(gateway: &Gateway, in_flight: usize, each: Duration) {
    let arrived = async || gateway.in_flight("auth", "v1").await >= in_flight;
    wait_until(Duration::from_secs(30), "the requests are in flight", arrived).await;
    sleep(each / 4).await;
}
