//! Client connections: listening, accepting, serving, time limits and the drain.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::{Request, Response, Version};
use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::mpsc::{self, error::SendError};
use tokio::time::sleep;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::shutdown::Shutdown;
use crate::tunnels::Tunnels;

/// Maximum time until a request head is complete: the first one of a connection, and the next one after a response.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// An HTTP/2 connection without a new request is closed after one to two of these intervals.
const HTTP2_IDLE_INTERVAL: Duration = Duration::from_secs(30);

/// Maximum size of a request head, and of the buffered part of a body. Larger buffers do not make streams faster.
pub(crate) const MAX_BUFFER: usize = 64 * 1024;

/// Idle time before TCP keepalive probes are sent.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Pause after a failed `accept`.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Length of the queue of connections to accept, which the system may limit further. If the queue is full, a new connection is
/// dropped silently and its client retries after a second. The 128 of `TcpListener::bind` are too few for bursts.
const BACKLOG: u32 = 4_096;

/// An accepted connection on its way to the thread that serves it.
pub(crate) type Accepted = (std::net::TcpStream, SocketAddr);

/// Listens on the first address of `name` that works.
pub(crate) async fn listen(name: &str) -> io::Result<TcpListener> {
    let mut result = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in lookup_host(name).await? {
        result = listen_on(address);
        if result.is_ok() {
            break;
        }
    }
    result
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if cfg!(unix) {
        // Connections of an earlier gateway in TIME_WAIT do not block the address.
        socket.set_reuseaddr(true)?;
    }
    // Accepted connections inherit this option. Without it, the WebSocket of a client that vanished stays open, and its
    // version in flight, without end.
    SockRef::from(&socket)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge) on the current thread until `shutdown` and the end of its drain.
///
/// `make` creates the service of a connection from the address of the client.
pub(crate) async fn run<M, S, B>(listener: TcpListener, shutdown: Shutdown, make: M)
where
    M: Fn(SocketAddr) -> S,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (queue, incoming) = mpsc::unbounded_channel();
    tokio::join!(
        accept(listener, shutdown.clone(), vec![queue]),
        connections(incoming, shutdown, Tunnels::default(), make),
    );
}

/// Accepts connections until `shutdown` and distributes them over `threads` in turn.
pub(crate) async fn accept(
    listener: TcpListener,
    shutdown: Shutdown,
    threads: Vec<mpsc::UnboundedSender<Accepted>>,
) {
    let mut shutdown = pin!(shutdown.started());
    let mut next = 0;
    while let Some((stream, client)) = next_connection(&listener, shutdown.as_mut()).await {
        if let Ok(stream) = stream.into_std() {
            next = send_to_thread((stream, client), &threads, next);
        }
    }
}

/// Sends a connection to the first running thread from position `start`. Returns the position for the next one.
fn send_to_thread(
    mut connection: Accepted,
    threads: &[mpsc::UnboundedSender<Accepted>],
    start: usize,
) -> usize {
    for i in 0..threads.len() {
        let position = (start + i) % threads.len();
        match threads[position].send(connection) {
            Ok(()) => return position + 1,
            // The thread has ended.
            Err(SendError(unsent)) => connection = unsent,
        }
    }
    start
}

/// Serves the connections of a queue. When the queue is closed, drains the requests and tunnels in flight.
pub(crate) async fn connections<M, S, B>(
    mut incoming: mpsc::UnboundedReceiver<Accepted>,
    shutdown: Shutdown,
    tunnels: Tunnels,
    make: M,
) where
    M: Fn(SocketAddr) -> S,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let builder = Arc::new(builder());
    let open = TaskTracker::new();
    while let Some((stream, client)) = incoming.recv().await {
        if let Ok(stream) = TcpStream::from_std(stream) {
            open.spawn(serve_connection(Arc::clone(&builder), stream, make(client), shutdown.clone()));
        }
    }
    shutdown
        .drain(async {
            open.close();
            open.wait().await;
            tunnels.closed().await;
        })
        .await;
}

/// Returns the next connection, or `None` after the shutdown.
async fn next_connection(
    listener: &TcpListener,
    mut shutdown: Pin<&mut impl Future<Output = ()>>,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => return None,
        };
        match accepted {
            Ok(connection) => return Some(connection),
            Err(error) => pause_after(&error).await,
        }
    }
}

/// Waits after a failed `accept`. Usually there are no free file descriptors until other connections release theirs.
async fn pause_after(error: &io::Error) {
    tracing::warn!(error = error as &dyn Error, "cannot accept a connection");
    sleep(ACCEPT_RETRY).await;
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // hyper applies time limits only if it has a timer.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    builder.http1().writev(false).max_buf_size(MAX_BUFFER);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20));
    builder
}

async fn serve_connection<S, B>(
    builder: Arc<Builder<TokioExecutor>>,
    stream: TcpStream,
    service: S,
    shutdown: Shutdown,
) where
    S: Service<Request<Incoming>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let activity = Arc::new(Activity::default());
    let service = TrackActivity { service, activity: Arc::clone(&activity) };
    let mut connection = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // The timers run in a task of their own, so that a request does not poll them.
    let close = AbortOnDropHandle::new(tokio::spawn(time_to_close(activity, shutdown)));
    let close = tokio::select! {
        biased;
        // The client has closed the connection or broken the protocol: there is nothing to report.
        _ = &mut connection => return,
        close = close => close,
    };
    if let Ok(Close::Gracefully) = close {
        // Requests in flight finish, and new ones are not read.
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

/// How the gateway closes a connection.
enum Close {
    Immediately,
    Gracefully,
}

/// Waits until the gateway has a reason to close the connection.
async fn time_to_close(activity: Arc<Activity>, shutdown: Shutdown) -> Close {
    tokio::select! {
        () = activity.no_first_request() => Close::Immediately,
        () = activity.idle_http2() => Close::Gracefully,
        () = shutdown.started() => Close::Gracefully,
    }
}

/// The requests of one connection.
#[derive(Debug, Default)]
struct Activity {
    had_request: AtomicBool,
    http2_requests: AtomicU64,
}

impl Activity {
    /// Resolves if the first request has not started in time. hyper has no limit for a client that sends nothing, or only
    /// a part of the HTTP/2 preface.
    async fn no_first_request(&self) {
        sleep(HEADER_TIMEOUT).await;
        if self.had_request.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }

    /// Resolves if an HTTP/2 client starts no request for a whole interval. hyper has no limit for that; on HTTP/1
    /// connections the header timeout covers it.
    async fn idle_http2(&self) {
        let mut before = 0;
        loop {
            sleep(HTTP2_IDLE_INTERVAL).await;
            let now = self.http2_requests.load(Ordering::Relaxed);
            if now > 0 && now == before {
                return;
            }
            before = now;
        }
    }
}

/// A service that records its requests in [`Activity`].
struct TrackActivity<S> {
    service: S,
    activity: Arc<Activity>,
}

impl<S, B> Service<Request<B>> for TrackActivity<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: Request<B>) -> S::Future {
        self.activity.had_request.store(true, Ordering::Relaxed);
        if request.version() == Version::HTTP_2 {
            self.activity.http2_requests.fetch_add(1, Ordering::Relaxed);
        }
        self.service.call(request)
    }
}
