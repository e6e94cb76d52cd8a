//! Connections, and their end.

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

/// How long a client may take to the end of a request's head, the first one of a connection or the next.
const HEAD_LIMIT: Duration = Duration::from_secs(10);

/// How often it is looked whether a client by HTTP/2 began a request since the last time.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// How much of a message is held at a time, and how long a head may be: more makes no stream faster.
pub(crate) const MAX_BUFFER: usize = 64 * 1024;

/// After so long without a byte it is looked whether a client is still there.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// How many connections may wait to be accepted, as far as the system lets them. One more is lost without a word to its
/// client, who takes it for open, until a second later: that is the end of many a burst with the 128 of `TcpListener::bind`.
const WAITING: u32 = 4_096;

/// A connection on its way to the thread that serves it.
pub(crate) type Accepted = (std::net::TcpStream, SocketAddr);

/// Listens on the first of the addresses that `name` has where that is possible.
pub(crate) async fn listen(name: &str) -> io::Result<TcpListener> {
    let mut outcome = Err(io::ErrorKind::AddrNotAvailable.into());
    for address in lookup_host(name).await? {
        outcome = listen_on(address);
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    if cfg!(unix) {
        // Connections of an earlier gateway that linger do not block the address.
        socket.set_reuseaddr(true)?;
    }
    // Connections inherit it. A client that vanished would hold its WebSocket, and the version in flight, for ever.
    SockRef::from(&socket)
        .set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))?;
    socket.bind(address)?;
    socket.listen(WAITING)
}

/// Serves HTTP/1.1 and HTTP/2 (prior knowledge) on this thread until `shutdown`, then until the requests in flight have
/// ended.
pub(crate) async fn until<M, S, B>(listener: TcpListener, shutdown: Shutdown, make: M)
where
    M: Fn(SocketAddr) -> S,
    S: Service<Request<Incoming>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (thread, incoming) = mpsc::unbounded_channel();
    let accepting = accept(listener, shutdown.clone(), vec![thread]);
    tokio::join!(accepting, connections(incoming, shutdown, Tunnels::default(), make));
}

/// Accepts connections until `shutdown`, and deals them out to `threads` in turn.
pub(crate) async fn accept(
    listener: TcpListener,
    shutdown: Shutdown,
    threads: Vec<mpsc::UnboundedSender<Accepted>>,
) {
    let mut begun = pin!(shutdown.begun());
    let mut turn = 0;
    while let Some((stream, peer)) = next(&listener, begun.as_mut()).await {
        if let Ok(stream) = stream.into_std() {
            turn = deal((stream, peer), &threads, turn);
        }
    }
}

/// Gives a connection to the next thread that takes it, and says whose turn it is then.
fn deal(mut connection: Accepted, threads: &[mpsc::UnboundedSender<Accepted>], turn: usize) -> usize {
    for i in 0..threads.len() {
        let mine = (turn + i) % threads.len();
        match threads[mine].send(connection) {
            Ok(()) => return mine + 1,
            // The thread is gone.
            Err(SendError(left)) => connection = left,
        }
    }
    turn
}

/// Serves what comes, then waits until the requests in flight have ended, and the tunnels that came of some.
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
    let (builder, open) = (Arc::new(builder()), TaskTracker::new());
    while let Some((stream, peer)) = incoming.recv().await {
        if let Ok(stream) = TcpStream::from_std(stream) {
            open.spawn(connection(Arc::clone(&builder), stream, make(peer), shutdown.clone()));
        }
    }
    shutdown.drain(ended(open, tunnels)).await;
}

async fn ended(connections: TaskTracker, tunnels: Tunnels) {
    connections.close();
    connections.wait().await;
    tunnels.closed().await;
}

/// The next connection; `None` once `end` has come.
async fn next(
    listener: &TcpListener,
    mut end: Pin<&mut impl Future<Output = ()>>,
) -> Option<(TcpStream, SocketAddr)> {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => return None,
        };
        match accepted {
            Ok(connection) => return Some(connection),
            Err(error) => pause_after(&error).await,
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // Without a timer hyper has no time limits at all.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_LIMIT);
    builder.http1().writev(false).max_buf_size(MAX_BUFFER);
    builder.http2().timer(TokioTimer::new()).keep_alive_interval(Duration::from_secs(20));
    builder
}

async fn connection<S, B>(
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
    let heard = Arc::new(Heard::default());
    let service = Hearing { service, heard: Arc::clone(&heard) };
    let mut serving = pin!(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
    // Looked at by a task of its own, so that requests need not.
    let watch = AbortOnDropHandle::new(tokio::spawn(watch(heard, shutdown)));
    let end = tokio::select! {
        biased;
        // Clients come and go: how is theirs to know.
        _ended = &mut serving => return,
        end = watch => end,
    };
    if let Ok(End::Graceful) = end {
        // What is in flight goes on, and nothing more comes.
        serving.as_mut().graceful_shutdown();
        let _ = serving.await;
    }
}

/// How a connection ends that its client does not end.
enum End {
    AtOnce,
    Graceful,
}

async fn watch(heard: Arc<Heard>, shutdown: Shutdown) -> End {
    tokio::select! {
        () = heard.silence() => End::AtOnce,
        () = heard.idleness() => End::Graceful,
        () = shutdown.begun() => End::Graceful,
    }
}

/// What is known of the requests of a connection.
#[derive(Debug, Default)]
struct Heard {
    any: AtomicBool,
    by_http2: AtomicU64,
}

impl Heard {
    /// The end of a client that sent nothing, or half of what tells HTTP/1 from HTTP/2: hyper has no time limit for that.
    async fn silence(&self) {
        sleep(HEAD_LIMIT).await;
        if self.any.load(Ordering::Relaxed) {
            std::future::pending().await
        }
    }

    /// The end of a client by HTTP/2 that begins no more requests: hyper has no time limit for that either. By HTTP/1 the
    /// head of the next one is late then.
    async fn idleness(&self) {
        let mut before = 0;
        loop {
            sleep(IDLE_LIMIT).await;
            let now = self.by_http2.load(Ordering::Relaxed);
            if now > 0 && now == before {
                return;
            }
            before = now;
        }
    }
}

/// Notes which requests come.
struct Hearing<S> {
    service: S,
    heard: Arc<Heard>,
}

impl<S, B> Service<Request<B>> for Hearing<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn call(&self, request: Request<B>) -> S::Future {
        self.heard.any.store(true, Ordering::Relaxed);
        if request.version() == Version::HTTP_2 {
            self.heard.by_http2.fetch_add(1, Ordering::Relaxed);
        }
        self.service.call(request)
    }
}

/// Out of file descriptors, mostly: connections that end give some back.
async fn pause_after(error: &io::Error) {
    tracing::warn!(error = error as &dyn Error, "cannot accept a connection");
    sleep(Duration::from_millis(50)).await;
}
