//! One connection of a client, from its first byte to its close.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Body;
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_util::either::Either;
use tokio_util::task::AbortOnDropHandle;
use tower_canary::proxy::CoalescingStream;

use crate::activity::{Activity, Close};
use crate::limits::ClientLimits;
use crate::proxy_protocol::{TrustedProxies, read_client};
use crate::requests::{ClientBody, CountedService};
use crate::shutdown::Shutdown;
use crate::stream::{ClientStream, Transport};
use crate::tls;

type BoxError = Box<dyn Error + Send + Sync>;

/// How the connections of a listener are served.
#[derive(Debug)]
pub(crate) struct ConnectionSettings {
    limits: ClientLimits,
    builder: Builder<TokioExecutor>,
    /// The balancers whose connections begin with a header of the PROXY protocol.
    balancers: Option<TrustedProxies>,
    /// `None` for plain HTTP.
    tls: Option<Arc<ServerConfig>>,
}

impl ConnectionSettings {
    /// Creates the settings of a listener for plain HTTP.
    pub(crate) fn new(limits: ClientLimits) -> Self {
        Self { limits, builder: limits.builder(), balancers: None, tls: None }
    }

    /// Expects a header of the PROXY protocol from `balancers`, in front of TLS.
    pub(crate) fn with_balancers(self, balancers: Option<TrustedProxies>) -> Self {
        Self { balancers, ..self }
    }

    pub(crate) fn with_tls(self, tls: Option<Arc<ServerConfig>>) -> Self {
        Self { tls, ..self }
    }

    /// Prepares a connection for requests. Returns it with the address of the client, or `None` if it is unknown. An error
    /// closes the connection.
    async fn accept(&self, mut stream: TcpStream, peer: IpAddr) -> io::Result<(Transport, Option<IpAddr>)> {
        let client = self.client(&mut stream, peer).await?;
        let Some(tls) = &self.tls else { return Ok((Either::Left(stream), client)) };
        let stream = tls::handshake(Arc::clone(tls), stream)
            .await
            .inspect_err(|error| tracing::debug!(%peer, %error, "the TLS handshake failed"))?;
        Ok((Either::Right(Box::new(stream)), client))
    }

    /// Returns the address of the client, or `None` if it is unknown. An error closes the connection.
    async fn client(&self, stream: &mut TcpStream, peer: IpAddr) -> io::Result<Option<IpAddr>> {
        match &self.balancers {
            Some(balancers) if balancers.contains(peer) => read_client(stream)
                .await
                .inspect_err(|error| tracing::debug!(%peer, %error, "no header of the PROXY protocol")),
            _ => Ok(Some(peer)),
        }
    }
}

impl Default for ConnectionSettings {
    fn default() -> Self {
        Self::new(ClientLimits::default())
    }
}

/// Serves a connection until its client closes it, a limit expires, or `shutdown` starts.
pub(crate) async fn serve_connection<M, S, B>(
    (stream, peer): (TcpStream, SocketAddr),
    settings: Arc<ConnectionSettings>,
    shutdown: Shutdown,
    make: M,
) where
    M: Fn(Option<IpAddr>) -> S,
    S: Service<Request<ClientBody>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let _ = stream.set_nodelay(true);
    let accepted = tokio::select! {
        accepted = settings.accept(stream, peer.ip()) => accepted,
        () = shutdown.clone().started() => return,
    };
    if let Ok((stream, client)) = accepted {
        serve_requests(stream, &settings, shutdown, make(client)).await;
    }
}

async fn serve_requests<S, B>(
    stream: Transport,
    settings: &ConnectionSettings,
    shutdown: Shutdown,
    service: S,
) where
    S: Service<Request<ClientBody>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    let ConnectionSettings { limits, builder, .. } = settings;
    let activity = Arc::new(Activity::new());
    let service =
        CountedService { service, activity: Arc::clone(&activity), max_headers: limits.max_headers };
    let stream = CoalescingStream::new(ClientStream::new(stream, Arc::clone(&activity)));
    let stream = TokioIo::new(stream);
    let mut connection = pin!(builder.serve_connection_with_upgrades(stream, service));
    // The timers run in a task of their own, so that a request does not poll them.
    let close = tokio::spawn(time_to_close(Arc::clone(&activity), *limits, shutdown));
    let close = AbortOnDropHandle::new(close);
    let close = tokio::select! {
        biased;
        // The client has closed the connection or broken the protocol: there is nothing to report.
        _ = &mut connection => return,
        close = close => close,
    };
    if let Ok(Close::Gracefully) = close {
        // Requests in flight finish, and new ones are not read.
        connection.as_mut().graceful_shutdown();
        let closing = Some(Instant::now());
        tokio::select! { _ = connection => {} _ = activity.expired(limits, closing) => {} }
    }
}

/// Waits until the gateway has a reason to close the connection.
async fn time_to_close(activity: Arc<Activity>, limits: ClientLimits, shutdown: Shutdown) -> Close {
    tokio::select! {
        close = activity.expired(&limits, None) => close,
        () = shutdown.started() => Close::Gracefully,
    }
}
