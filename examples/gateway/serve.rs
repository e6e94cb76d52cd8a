//! Listening, accepting, and the drain.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Body;
use hyper::service::Service;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpSocket, TcpStream, lookup_host};
use tokio::sync::mpsc::{self, error::SendError};
use tokio::time::sleep;
use tokio_util::task::TaskTracker;

use crate::connection::{ConnectionSettings, serve_connection};
use crate::requests::ClientBody;
use crate::shutdown::Shutdown;
use crate::tunnels::Tunnels;

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
pub(crate) async fn run<M, S, B>(
    listener: TcpListener,
    settings: ConnectionSettings,
    shutdown: Shutdown,
    make: M,
) where
    M: Fn(Option<IpAddr>) -> S + Clone + Send + 'static,
    S: Service<Request<ClientBody>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let (queue, incoming) = mpsc::unbounded_channel();
    tokio::join!(
        accept(listener, shutdown.clone(), vec![queue]),
        connections(incoming, settings, shutdown, Tunnels::default(), make),
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
    settings: ConnectionSettings,
    shutdown: Shutdown,
    tunnels: Tunnels,
    make: M,
) where
    M: Fn(Option<IpAddr>) -> S + Clone + Send + 'static,
    S: Service<Request<ClientBody>, Response = Response<B>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body<Data: Send, Error: Into<Box<dyn Error + Send + Sync>>> + Send + 'static,
{
    let settings = Arc::new(settings);
    let open = TaskTracker::new();
    while let Some((stream, client)) = incoming.recv().await {
        if let Ok(stream) = TcpStream::from_std(stream) {
            let connection = (stream, client);
            open.spawn(serve_connection(connection, Arc::clone(&settings), shutdown.clone(), make.clone()));
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
