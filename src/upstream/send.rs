//! A request on its way: it gets a connection, is sent, and is sent again if that is safe.

use std::io;
use std::sync::Arc;

use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderValue, Method, Request, Response, Uri, Version};

use super::backend::Backend;
use super::body::Body;
use super::dial::{Acquired, Needs, acquire};
use super::error::{Error, is_refusal};
use super::hints::authenticates_connection;
use super::http1::Lease;
use super::http2::StreamPermit;
use super::payload::{Payload, SentBody};
use super::replay::Replay;
use super::saved_head::SavedHead;
use crate::common::error::{BoxError, chain};
use crate::common::grpc::is_grpc;

/// The most times that a request is sent, or tried to be.
const MAX_ATTEMPTS: usize = 4;

/// A request, in the form of either protocol. It is passed on in a box: it is as large as five cache lines.
struct Outgoing<B> {
    /// The URI that the caller set.
    uri: Uri,
    request: Request<Payload<B>>,
    /// Is there once the body was given to an HTTP/2 connection.
    replay: Option<Replay<B>>,
    needs: Needs<B>,
    attempts: usize,
    /// It may be sent again when its response was lost: a safe method without a body, once.
    is_repeatable: bool,
    is_private: bool,
}

/// The end of an attempt without a response.
enum Failed<B> {
    /// The request can be sent again.
    Again(Box<Outgoing<B>>),
    Finally(Error),
}

/// Sends a request to `backend`.
pub(super) async fn send<B: SentBody>(
    backend: Arc<Backend<B>>,
    request: Request<B>,
) -> Result<Response<Body>, Error> {
    let mut outgoing = Box::new(Outgoing::new(request));
    loop {
        outgoing.attempts += 1;
        let attempt = match acquire(&backend, &outgoing.needs).await? {
            Acquired::Http1 { lease, is_reused } => send_http1(&backend, outgoing, lease, is_reused).await,
            Acquired::Http2(stream) => send_http2(&backend, outgoing, stream).await,
        };
        outgoing = match attempt {
            Ok(response) => return Ok(response),
            Err(Failed::Again(again)) => again,
            Err(Failed::Finally(error)) => return Err(error),
        };
    }
}

/// Sends a request over HTTP/1.1. On a reused connection a copy of its head is kept, in case the backend has closed it
/// meanwhile.
async fn send_http1<B: SentBody>(
    backend: &Backend<B>,
    mut outgoing: Box<Outgoing<B>>,
    lease: Lease<B>,
    is_reused: bool,
) -> Result<Response<Body>, Failed<B>> {
    let is_connect = outgoing.request.method() == Method::CONNECT;
    let saved = (is_reused && outgoing.is_repeatable).then(|| SavedHead::new(&outgoing.request));
    let request = outgoing.take_http1();
    let reads = lease.reads();
    let sent = match lease.send(request, outgoing.is_private) {
        Ok(sent) => sent,
        Err(unsent) => return Err(outgoing.unsent(*unsent, closed())),
    };
    match sent.await {
        Ok(response) => Ok(lease.accept(response, is_connect, backend.settings.limits)),
        Err(mut error) => Err(match (error.take_message(), saved) {
            (Some(unsent), _) => outgoing.unsent(unsent, error.into_error()),
            (None, Some(saved)) if is_lost(error.error(), lease.reads() - reads) => {
                outgoing.fresh().after_loss(saved)
            }
            (None, _) => Failed::Finally(Error::exchange(error.into_error())),
        }),
    }
}

/// Sends a request over HTTP/2. A copy of its head is kept while another attempt is allowed.
async fn send_http2<B: SentBody>(
    backend: &Backend<B>,
    mut outgoing: Box<Outgoing<B>>,
    stream: StreamPermit<B>,
) -> Result<Response<Body>, Failed<B>> {
    outgoing.keep_body();
    let saved = (outgoing.attempts < MAX_ATTEMPTS).then(|| SavedHead::new(&outgoing.request));
    let request = outgoing.take_http2();
    let stream = Arc::new(stream);
    let sent = match stream.send(request, outgoing.is_private) {
        Ok(sent) => sent,
        Err(unsent) => return Err(outgoing.unsent(*unsent, closed())),
    };
    match sent.await {
        Ok(response) => {
            if let Some(replay) = &outgoing.replay {
                replay.stop();
            }
            stream.accept(response, backend.settings.limits).map_err(Failed::Finally)
        }
        Err(mut error) => Err(match (error.take_message(), saved) {
            (Some(unsent), _) => outgoing.unsent(unsent, error.into_error()),
            (None, Some(saved)) if is_refusal(error.error()) => {
                outgoing.after_refusal(saved, &stream, error.into_error())
            }
            (None, Some(saved)) if outgoing.is_repeatable && is_reset(error.error()) => {
                outgoing.after_loss(saved)
            }
            (None, _) => Failed::Finally(Error::exchange(error.into_error())),
        }),
    }
}

/// Returns whether the connection was closed without a byte of a response. `reads` succeeded since the request was sent.
///
/// hyper reports the same error when the head of the response broke off. The end of the stream is a read, too.
fn is_lost(error: &hyper::Error, reads: usize) -> bool {
    if error.is_incomplete_message() { reads <= 1 } else { reads == 0 && is_reset(error) }
}

/// Returns whether the connection was closed or reset.
fn is_reset(error: &hyper::Error) -> bool {
    chain(error).filter_map(|cause| cause.downcast_ref::<io::Error>()).any(|error| {
        matches!(
            error.kind(),
            io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                // The end of the stream without the end of TLS.
                | io::ErrorKind::UnexpectedEof
        )
    })
}

/// Creates the cause for a connection that was closed before the request was handed over.
fn closed() -> io::Error {
    io::Error::from(io::ErrorKind::NotConnected)
}

impl<B: SentBody> Outgoing<B> {
    /// Takes the URI out of a request, and finds out what its connection needs and whether it may be sent again.
    fn new(mut request: Request<B>) -> Self {
        let uri = std::mem::take(request.uri_mut());
        let needs = Needs { is_grpc: is_grpc(request.headers()), is_fresh: false, avoid: None };
        let is_private = authenticates_connection(request.headers());
        let request = request.map(|body| match body.is_end_stream() {
            true => Payload::empty(),
            false => Payload::once(body),
        });
        let is_repeatable = request.body().is_empty() && request.method().is_safe();
        Self { uri, request, replay: None, needs, attempts: 0, is_repeatable, is_private }
    }

    /// Takes the request to send out of the rest.
    fn take_request(&mut self) -> Request<Payload<B>> {
        std::mem::replace(&mut self.request, Request::new(Payload::empty()))
    }

    /// Takes the request. Sets the request target to path and query (RFC 9112, 3.2.1), and `Host` to the backend if it is missing.
    fn take_http1(&mut self) -> Request<Payload<B>> {
        let path = match self.uri.path_and_query() {
            Some(path) => path.clone(),
            None => PathAndQuery::from_static("/"),
        };
        if !self.request.headers().contains_key(HOST)
            && let Some(host) =
                self.uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok())
        {
            self.request.headers_mut().insert(HOST, host);
        }
        *self.request.uri_mut() = Uri::from(path);
        *self.request.version_mut() = Version::HTTP_11;
        self.take_request()
    }

    /// Takes the request. Sets the absolute URI, with `Host` as its authority: the two must not contradict each other (RFC 9113, 8.3.1).
    fn take_http2(&mut self) -> Request<Payload<B>> {
        let mut parts = self.uri.clone().into_parts();
        if let Some(host) = self.request.headers_mut().remove(HOST)
            && let Ok(authority) = Authority::try_from(host.as_bytes())
        {
            parts.authority = Some(authority);
        }
        if parts.path_and_query.is_none() {
            parts.path_and_query = Some(PathAndQuery::from_static("/"));
        }
        *self.request.uri_mut() = Uri::from_parts(parts).unwrap_or_else(|_| self.uri.clone());
        *self.request.version_mut() = Version::HTTP_2;
        self.take_request()
    }

    /// Keeps the frames of the body for another attempt. An empty body needs no copy, and a kept one stays kept.
    fn keep_body(&mut self) {
        if let Some(body) = self.request.body_mut().take_once() {
            let (replay, body) = Replay::new(body);
            self.replay = Some(replay);
            *self.request.body_mut() = Payload::replayed(body);
        }
    }

    /// Decides about a request of which not a byte was sent.
    fn unsent(
        mut self: Box<Self>,
        mut request: Request<Payload<B>>,
        error: impl Into<BoxError>,
    ) -> Failed<B> {
        if self.attempts >= MAX_ATTEMPTS {
            return Failed::Finally(Error::unsent(error));
        }
        if request.version() == Version::HTTP_2
            && let Some(host) = request.uri().authority()
            && let Ok(host) = HeaderValue::from_str(host.as_str())
        {
            request.headers_mut().insert(HOST, host);
        }
        // A body that belonged to the closed connection has to be taken out of it.
        if let Some(body) = request.body_mut().take_once() {
            *request.body_mut() = Payload::once(body);
        } else if let Some(body) = self.replay.as_ref().map(Replay::rewind) {
            match body {
                Some(body) => *request.body_mut() = Payload::replayed(body),
                None => return Failed::Finally(Error::unsent(error)),
            }
        }
        self.request = request;
        Failed::Again(self.fresh())
    }

    /// Sends a request again, once, whose connection was lost without a response.
    fn after_loss(mut self: Box<Self>, saved: SavedHead) -> Failed<B> {
        self.request = saved.into_request(Payload::empty());
        self.is_repeatable = false;
        Failed::Again(self)
    }

    /// Decides about a request that the peer has not processed.
    fn after_refusal(
        mut self: Box<Self>,
        saved: SavedHead,
        stream: &StreamPermit<B>,
        error: hyper::Error,
    ) -> Failed<B> {
        let body = match self.replay.as_ref().map(Replay::rewind) {
            None => Payload::empty(),
            Some(Some(body)) => Payload::replayed(body),
            Some(None) => return Failed::Finally(Error::exchange(error)),
        };
        self.request = saved.into_request(body);
        self.needs.avoid = Some(Arc::clone(stream.connection()));
        Failed::Again(self)
    }

    /// Takes no idle connection for the next attempt.
    fn fresh(mut self: Box<Self>) -> Box<Self> {
        self.needs.is_fresh = true;
        self
    }
}
