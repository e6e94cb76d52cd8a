//! Versions with a choice of responses, in this process or in their own.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, BodyStream, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::net::TcpSocket;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::addresses::own_host;
use crate::backends::{Backend, backend, echo_messages, serve};
use crate::harness::{AnyBody, BoxError, full, read_url};
use crate::wait::wait_until;

/// Size of the parts of a download that repeat one byte.
pub(crate) const CHUNK: usize = 64 * 1024;

/// The environment variables with the name and the address of a version process.
const NAME: &str = "CANARY_VERSION_PROCESS";
const ADDRESS: &str = "CANARY_VERSION_ADDRESS";

/// Whether this process responds 503 to everything.
static IS_UNAVAILABLE: AtomicBool = AtomicBool::new(false);

/// Whether this process has got SIGTERM.
static IS_TERMINATED: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// The requests that this process holds until SIGTERM.
static HELD: AtomicUsize = AtomicUsize::new(0);

pub(crate) const X_VERSION: HeaderName = HeaderName::from_static("x-version");

/// Starts a version that does what the path says and sends its name in `x-version`:
///
/// | | |
/// | --- | --- |
/// | a WebSocket | sends its name, then each message back |
/// | gRPC | sends each message back, then its trailers |
/// | `/slow/MS` | responds after the given time |
/// | `/down/MIB` | sends the given amount |
/// | `/events/MS` | sends numbers at the given interval, without end |
/// | `/held/` | responds when its process gets SIGTERM |
/// | `/holding/` | responds with the number of requests of `/held/` so far |
/// | other | reads the body and responds with its length |
pub(crate) async fn start_version(name: &'static str) -> Backend {
    backend(move |request| respond(name, request)).await
}

async fn respond(name: &'static str, mut request: Request<Incoming>) -> Response<AnyBody> {
    if IS_UNAVAILABLE.load(Ordering::Relaxed) {
        return Response::builder().status(503).header(X_VERSION, name).body(full("unavailable")).unwrap();
    }
    let mut response = match echo_messages(name, &mut request) {
        Some(upgraded) => upgraded,
        None => Response::new(body(request).await),
    };
    response.headers_mut().insert(X_VERSION, HeaderValue::from_static(name));
    response
}

async fn body(request: Request<Incoming>) -> AnyBody {
    fn number(text: &str) -> u64 {
        text.parse::<u64>().unwrap_or(0)
    }

    if request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/grpc") {
        return echo_calls(request.into_body());
    }
    let path = request.uri().path().to_owned();
    match path.trim_start_matches('/').split_once('/') {
        Some(("slow", millis)) => {
            sleep(Duration::from_millis(number(millis))).await;
            full("slow")
        }
        Some(("down", mebibytes)) => download(number(mebibytes)),
        Some(("events", millis)) => events(Duration::from_millis(number(millis))),
        Some(("held", _)) => held().await,
        Some(("holding", _)) => full(HELD.load(Ordering::SeqCst).to_string()),
        _ => full(length(request.into_body()).await.to_string()),
    }
}

async fn held() -> AnyBody {
    HELD.fetch_add(1, Ordering::SeqCst);
    let _ = IS_TERMINATED.subscribe().wait_for(|is_terminated| *is_terminated).await;
    full("held")
}

async fn length(mut body: Incoming) -> usize {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
    }
    length
}

fn echo_calls(body: Incoming) -> AnyBody {
    let trailers =
        HeaderMap::from_iter([(HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"))]);
    let last = stream::iter([Ok(Frame::trailers(trailers))]);
    let echoed = TryStreamExt::map_err(BodyStream::new(body), BoxError::from);
    BodyExt::boxed(StreamBody::new(echoed.chain(last)))
}

/// Parts that differ, so that no part can be lost or repeated unnoticed.
fn download(mebibytes: u64) -> AnyBody {
    let chunks = (0..mebibytes * 16).map(|i| Ok(Frame::data(Bytes::from(vec![byte_of_chunk(i); CHUNK]))));
    BodyExt::boxed(StreamBody::new(stream::iter(chunks)))
}

fn byte_of_chunk(i: u64) -> u8 {
    (i % 251) as u8
}

/// Returns whether `bytes` are the bytes of a download at `position`.
pub(crate) fn is_downloaded(position: usize, bytes: &[u8]) -> bool {
    (position..).zip(bytes).all(|(at, byte)| *byte == byte_of_chunk((at / CHUNK) as u64))
}

fn events(pause: Duration) -> AnyBody {
    let events = stream::iter(0_u64..).then(move |i| async move {
        sleep(pause).await;
        Ok(Frame::data(Bytes::from(format!("data: {i}\n\n"))))
    });
    BodyExt::boxed(StreamBody::new(events))
}

/// The port of a version at its own address. No gateway has it: it is below the ports that the system gives to servers that
/// ask for any port. A gateway refuses a version at its own port.
const PORT: u16 = 20_080;

/// A version in its own process, killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// The process ends when this is closed, even if the test process is killed.
    _alive: ChildStdin,
    pub(crate) name: &'static str,
    pub(crate) url: String,
}

impl Process {
    pub(crate) fn start(name: &'static str) -> Self {
        // A process may be started again at its port.
        Self::start_at(name, (own_host(), PORT).into())
    }

    pub(crate) fn start_at(name: &'static str, address: SocketAddr) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "versions::run_as_version_process", "--ignored", "--nocapture"]);
        command.env(NAME, name).env(ADDRESS, address.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut urls = lines.map_while(Result::ok).filter(|line| line.starts_with("http://"));
        let url = urls.next().unwrap();
        // The test harness of the process prints a line after a minute, and ends if nobody reads it.
        std::thread::spawn(move || urls.count());
        Self { url, name, _alive: child.stdin.take().unwrap(), child }
    }

    /// Starts the process again, at the same address.
    pub(crate) fn restart(&mut self) {
        let address = self.url.trim_start_matches("http://").parse().unwrap();
        *self = Self::start_at(self.name, address);
    }

    /// Sends SIGKILL and waits for the end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM. The process finishes the requests that it has read.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Stops the process where it is. Its connections stay open, and the kernel accepts new ones.
    pub(crate) fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Continues a frozen process.
    pub(crate) fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Lets the process respond 503 to everything, or as usual. Returns when it does.
    pub(crate) async fn set_unavailable(&self, is_unavailable: bool) {
        self.signal(if is_unavailable { "-USR1" } else { "-USR2" });
        wait_until(Duration::from_secs(10), "the process has got the signal", async || {
            (read_url(&self.url).await.status == 503) == is_unavailable
        })
        .await;
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for the end.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The entry point of [`Process`], which runs this test binary with this test only.
#[tokio::test]
#[ignore = "does nothing unless it is started as a version"]
async fn run_as_version_process() {
    let Ok(name) = std::env::var(NAME) else { return };
    let name: &'static str = name.leak();
    // Its parent may be killed, too.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    // The backlog of 128 of `TcpListener::bind` is too small for a burst of 200: some clients would
    // retry a second later.
    let socket = TcpSocket::new_v4().unwrap();
    // Connections of the process before do not block its address.
    socket.set_reuseaddr(true).unwrap();
    socket.bind(std::env::var(ADDRESS).unwrap().parse().unwrap()).unwrap();
    let listener = socket.listen(1_024).unwrap();
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    tokio::spawn(follow_signals(signal(SignalKind::user_defined1()).unwrap(), true));
    tokio::spawn(follow_signals(signal(SignalKind::user_defined2()).unwrap(), false));
    println!("\nhttp://{}", listener.local_addr().unwrap());
    let stop = async move {
        terminate.recv().await;
        IS_TERMINATED.send_replace(true);
    };
    serve(listener, move |request| respond(name, request), stop).await;
    // Exit before the test harness prints its result.
    std::process::exit(0);
}

/// Sets whether the process is unavailable, at each of the signals.
async fn follow_signals(mut signals: Signal, is_unavailable: bool) {
    while signals.recv().await.is_some() {
        IS_UNAVAILABLE.store(is_unavailable, Ordering::Relaxed);
    }
}
