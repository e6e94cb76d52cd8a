//! How a request gets its connection.

use std::io;
use std::sync::{Arc, Weak};

use hyper_util::rt::TokioIo;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::backend::{Attempt, Backend, Claim, Connecting, Found, Place};
use super::connect::{Offer, Protocol, Stream};
use super::driver::{Http1Driver, Http2Driver, Streams};
use super::engine::Engine;
use super::error::Error;
use super::http1::{Http1Connection, Http1Pool, Lease};
use super::http2::{Http2Connection, Http2Pool, StreamPermit};
use super::payload::SentBody;
use super::settings::Http2;
use super::state::Wants;
use super::task::Task;
use super::wire::Wire;
use crate::common::coalescing::CoalescingStream;

/// A connection for one request.
pub(super) enum Acquired<B> {
    Http1 {
        lease: Lease<B>,
        /// It has served other requests.
        is_reused: bool,
    },
    Http2(StreamPermit<B>),
}

/// What a request needs of its connection.
pub(super) struct Needs<B> {
    pub(super) is_grpc: bool,
    /// No connection that was idle.
    pub(super) is_fresh: bool,
    /// A connection that refused the request.
    pub(super) avoid: Option<Arc<Http2Connection<B>>>,
}

impl<B> Needs<B> {
    /// Claims a connection of the kind that the backend wants for such a request.
    fn claim(&self, backend: &Arc<Backend<B>>) -> Found<B> {
        match backend.wants(self.is_grpc) {
            Wants::Http1 => backend.claim_http1(self.is_fresh),
            Wants::Http2 => backend.claim_http2(self.avoid.as_ref()),
        }
    }
}

/// Gets a connection, within the connect timeout.
pub(super) async fn acquire<B: SentBody>(
    backend: &Arc<Backend<B>>,
    needs: &Needs<B>,
) -> Result<Acquired<B>, Error> {
    match needs.claim(backend) {
        Found::Now(Claim::Http1(lease)) => Ok(Acquired::Http1 { lease, is_reused: true }),
        Found::Now(Claim::Http2(stream)) => Ok(Acquired::Http2(stream)),
        found => {
            let settling = timeout(backend.settings.connect_timeout, settle(backend, needs, found));
            settling.await.unwrap_or_else(|_elapsed| Err(Error::timeout()))
        }
    }
}

/// Waits and connects until the request has a connection. A claim may be lost while it waits, and is then
/// made again.
async fn settle<B: SentBody>(
    backend: &Arc<Backend<B>>,
    needs: &Needs<B>,
    mut found: Found<B>,
) -> Result<Acquired<B>, Error> {
    loop {
        let claim = match found {
            Found::Now(claim) => Some(claim),
            Found::Later(claim) => claim.await.ok(),
        };
        match claim {
            Some(Claim::Http1(lease)) => return Ok(Acquired::Http1 { lease, is_reused: true }),
            Some(Claim::Http2(stream)) => return Ok(Acquired::Http2(stream)),
            Some(Claim::Connect(attempt)) => return connect(backend, attempt).await,
            // The server has chosen another protocol.
            None => found = needs.claim(backend),
        }
    }
}

/// Makes a connection, of the protocol that the backend agrees to.
async fn connect<B: SentBody>(backend: &Arc<Backend<B>>, attempt: Attempt<B>) -> Result<Acquired<B>, Error> {
    let offer = match &attempt.http2 {
        _ if backend.target.tls && backend.settings.http2 != Http2::Never => Offer::Negotiate,
        Some(_) => Offer::Http2,
        None => Offer::Http1,
    };
    let connected =
        backend.settings.connector.connect(&backend.target, offer).await.map_err(Error::connect)?;
    match connected.protocol {
        Protocol::Http1 => {
            if attempt.http2.is_some() {
                backend.settle_on_http1();
            }
            let lease = start_http1(backend, attempt.place, connected.io).await?;
            Ok(Acquired::Http1 { lease, is_reused: false })
        }
        Protocol::Http2 => {
            start_http2(backend, attempt.place, attempt.http2, connected.io).await.map(Acquired::Http2)
        }
    }
}

/// Starts HTTP/1.1 on a new connection, and spawns its driver.
async fn start_http1<B: SentBody>(
    backend: &Arc<Backend<B>>,
    place: Place<B>,
    io: Stream,
) -> Result<Lease<B>, Error> {
    let settings = &backend.settings;
    let wire = Wire::new(io);
    let reads = wire.reads();
    let (sender, hyper) = settings.http1().handshake(wire).await.map_err(Error::connect)?;
    let weak: Weak<Backend<B>> = Arc::downgrade(backend);
    let pool: Weak<dyn Http1Pool<B>> = weak;
    let engine = Engine::new(async {
        if let Err(error) = hyper.with_upgrades().await {
            tracing::debug!(%error, "a connection to a backend failed");
        }
    });
    let expiry = settings.expiry();
    let connection = Http1Connection::new(sender, engine, pool, reads, expiry, settings.idle_timeout);
    let connection = Arc::new(connection);
    let driver = Http1Driver::new(Arc::clone(&connection), place, settings.idle_timeout);
    settings.executor.execute(Task::new(driver));
    Ok(Lease::new(connection))
}

/// Starts a connection, and waits until the peer has said how many streams it may have.
async fn start_http2<B: SentBody>(
    backend: &Arc<Backend<B>>,
    place: Place<B>,
    connecting: Option<Connecting<B>>,
    io: Stream,
) -> Result<StreamPermit<B>, Error> {
    let settings = &backend.settings;
    let wire = Wire::new(io);
    let reads = wire.reads();
    let streams = Streams::default();
    let stream = TokioIo::new(CoalescingStream::http2(TokioIo::new(wire)));
    let handshake = settings.http2(streams.clone()).handshake(stream);
    let (sender, dispatch) = handshake.await.map_err(Error::connect)?;
    let weak: Weak<Backend<B>> = Arc::downgrade(backend);
    let pool: Weak<dyn Http2Pool<B>> = weak;
    let ping = (settings.ping_interval, settings.ping_timeout);
    let connection = Arc::new(Http2Connection::new(sender, pool, reads, settings.expiry(), ping));
    let unlisted = Unlisted(Some(Arc::clone(&connection)));
    let (usable, is_usable) = oneshot::channel();
    let driver = Http2Driver::new(dispatch, streams, connection, place, settings.idle_timeout, usable);
    settings.executor.execute(Task::new(driver));
    is_usable.await.map_err(|_closed| Error::connect(io::Error::from(io::ErrorKind::ConnectionAborted)))?;
    let stream = unlisted.list(backend);
    // After the connection is listed, so that requests that wait for it find its streams.
    drop(connecting);
    stream.ok_or_else(|| Error::connect(io::Error::from(io::ErrorKind::ConnectionAborted)))
}

/// A connection that no other request can find. Dropping it closes the connection.
struct Unlisted<B>(Option<Arc<Http2Connection<B>>>);

impl<B> Unlisted<B> {
    /// Offers a new connection to all requests, and takes a stream of it for this one.
    fn list(mut self, backend: &Arc<Backend<B>>) -> Option<StreamPermit<B>> {
        self.0.take().map(|connection| backend.add_http2(&connection))
    }
}

impl<B> Drop for Unlisted<B> {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.close();
        }
    }
}
