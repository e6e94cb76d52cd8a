//! The tunnel after an upgrade.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::Executor;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};
use tokio::time::timeout;

use super::activity::Activity;
use crate::layer::Tunnel;

/// Maximum time until both connections are free of HTTP, once both sides have agreed.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs the tunnels, on behalf of the application.
pub(super) type TunnelExecutor = dyn Executor<Bridge> + Send + Sync;

/// The future of one tunnel, such as a WebSocket: it copies bytes between client and backend.
///
/// It ends when both sides have closed, or one has failed. The executor that you give to
/// [`Proxy::with_upgrades`](super::Proxy::with_upgrades) runs it. The version counts the request as
/// in flight until then. Dropping it closes both connections.
///
/// An executor that counts its tunnels:
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// use hyper::rt::Executor;
/// use tower_canary::proxy::{Bridge, Proxy};
///
/// #[derive(Clone, Default)]
/// struct Tunnels(Arc<AtomicUsize>);
///
/// impl Executor<Bridge> for Tunnels {
///     fn execute(&self, bridge: Bridge) {
///         let open = Arc::clone(&self.0);
///         open.fetch_add(1, Ordering::Relaxed);
///         tokio::spawn(async move {
///             bridge.await;
///             open.fetch_sub(1, Ordering::Relaxed);
///         });
///     }
/// }
///
/// # let client = ();
/// let proxy = Proxy::new(client).with_upgrades(Tunnels::default());
/// ```
#[must_use = "futures do nothing unless polled"]
pub struct Bridge(Pin<Box<dyn Future<Output = ()> + Send>>);

/// A connection that records each byte it moves.
#[derive(Debug)]
struct ObservedIo<'a> {
    io: TokioIo<Upgraded>,
    activity: &'a Activity,
}

impl Bridge {
    /// Connects both sides once they are free of HTTP. A tunnel without a byte for `idle` is closed.
    pub(super) fn new(
        client: OnUpgrade,
        backend: OnUpgrade,
        tunnel: Option<Tunnel>,
        idle: Option<Duration>,
    ) -> Self {
        Self(Box::pin(run_tunnel(client, backend, tunnel, idle)))
    }
}

/// Copies bytes until both sides have closed. `_tunnel` keeps the request in flight until then.
async fn run_tunnel(client: OnUpgrade, backend: OnUpgrade, _tunnel: Option<Tunnel>, idle: Option<Duration>) {
    if let Err(error) = copy_both_ways(client, backend, idle).await {
        tracing::debug!(%error, "a tunnel was broken off");
    }
}

/// Waits for both connections to be given up by HTTP, then copies bytes, with the idle time if there is one.
async fn copy_both_ways(
    client: OnUpgrade,
    backend: OnUpgrade,
    idle: Option<Duration>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let upgraded = async { tokio::try_join!(client, backend) };
    let (client, backend) = timeout(UPGRADE_TIMEOUT, upgraded).await??;
    let mut client = TokioIo::new(client);
    let mut backend = TokioIo::new(backend);
    match idle {
        None => {
            copy_bidirectional(&mut client, &mut backend).await?;
        }
        Some(limit) => copy_while_active(client, backend, limit).await?,
    }
    Ok(())
}

/// Copies bytes until both sides have closed, or no byte was moved for `limit`.
async fn copy_while_active(
    client: TokioIo<Upgraded>,
    backend: TokioIo<Upgraded>,
    limit: Duration,
) -> io::Result<()> {
    let activity = Activity::new();
    let mut client = ObservedIo { io: client, activity: &activity };
    let mut backend = ObservedIo { io: backend, activity: &activity };
    tokio::select! {
        copied = copy_bidirectional(&mut client, &mut backend) => copied.map(|_| ()),
        () = activity.wait_idle(limit) => Err(io::Error::new(io::ErrorKind::TimedOut, "no byte for the idle time")),
    }
}

impl AsyncRead for ObservedIo<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
        self.activity.record();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ObservedIo<'_> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.io).poll_write(cx, bytes))?;
        self.activity.record();
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Future for Bridge {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Bridge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bridge").finish_non_exhaustive()
    }
}
