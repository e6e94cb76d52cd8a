//! One request from the client to a version and back.

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Version};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::service::{Service, service_fn};
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tower::{Layer, ServiceExt};
use tower_canary::layer::{Pin, ResponseBody, WeightedVersion};
use tower_canary::probe::{GuardedConnector, UrlPolicy};
use tower_canary::{RoutingHandle, Target, WeightedVersionLayer};

use crate::headers::{self, Hop};
use crate::options::Options;
use crate::problem::Problem;
use crate::upload::Upload;

/// How long a backend may take to accept a connection.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// How long a backend may take to the head of its answer, from when the request last moved.
const ANSWER_LIMIT: Duration = Duration::from_secs(60);

/// How long a connection to a backend is kept without a request: less than the 5 s after which common servers close
/// theirs, since a request sent while the backend closes is lost.
const IDLE_LIMIT: Duration = Duration::from_secs(4);

/// A body on its way to the client: streamed from a backend, or a problem of the gateway's own.
pub(crate) type AnswerBody = Either<ResponseBody<Incoming>, Full<Bytes>>;

/// What all connections share. Clones are cheap.
#[derive(Clone, Debug)]
pub(crate) struct Proxy {
    backends: WeightedVersion<Client<GuardedConnector, Upload>>,
    name: Arc<str>,
}

impl Proxy {
    /// A proxy that follows the routes of `handle`.
    pub(crate) fn new(
        handle: &RoutingHandle,
        policy: UrlPolicy,
        options: &Options,
        pin: Option<Pin>,
    ) -> Self {
        let mut layer = WeightedVersionLayer::new(handle, Target::path_segment());
        if let Some(fallback) = &options.fallback_url {
            layer = layer.with_fallback(fallback);
        }
        if let Some(affinity) = options.affinity() {
            layer = layer.with_affinity(affinity);
        }
        if let Some(pin) = pin {
            layer = layer.with_pin(pin);
        }
        if let Some(overriding) = options.overriding() {
            layer = layer.with_override(overriding);
        }
        Self { backends: layer.layer(client(policy)), name: headers::pseudonym().into() }
    }

    /// The service of one connection.
    pub(crate) fn service(
        &self,
        peer: SocketAddr,
    ) -> impl Service<
        Request<Incoming>,
        Response = Response<AnswerBody>,
        Error = Infallible,
        Future: Send + 'static,
    >
    + Send
    + 'static
    + use<> {
        let (backends, hop) = (self.backends.clone(), Arc::new(Hop::new(peer, &self.name)));
        service_fn(move |request| {
            let (backends, hop) = (backends.clone(), Arc::clone(&hop));
            async move {
                let answer = forward(backends, &hop, request).await;
                Ok(answer.unwrap_or_else(|problem| problem.response().map(|text| Either::Right(text.into()))))
            }
        })
    }
}

fn client(policy: UrlPolicy) -> Client<GuardedConnector, Upload> {
    Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(IDLE_LIMIT)
        // One copy of a small head and body into one buffer is cheaper than a vectored write of both.
        .http1_writev(false)
        // hyper-util sends a request once more, on another connection, if the one it was given was closed before
        // any of it was written: on by default, and safe for every method.
        .retry_canceled_requests(true)
        .build(policy.connector().with_connect_timeout(CONNECT_LIMIT))
}

async fn forward(
    backends: WeightedVersion<Client<GuardedConnector, Upload>>,
    hop: &Hop,
    request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Problem> {
    let (mut head, body) = request.into_parts();
    hop.check(&head)?;
    hop.to_backend(&mut head);
    let (upload, progress) = Upload::new(body);
    let answer = backends.oneshot(Request::from_parts(head, upload));
    match progress.within(ANSWER_LIMIT, answer).await {
        Ok(Ok(response)) => to_client(response),
        Ok(Err(_)) if progress.is_broken() => Err(Problem::MalformedBody),
        Ok(Err(error)) => Err(failed(&error)),
        Err(_elapsed) => Err(Problem::GatewayTimeout),
    }
}

/// Makes a backend's answer one for the client.
fn to_client(mut response: Response<ResponseBody<Incoming>>) -> Result<Response<AnswerBody>, Problem> {
    // The gateway never asks for an upgrade, so a backend that switches protocols is out of step.
    if response.status() == StatusCode::SWITCHING_PROTOCOLS || !headers::only_chunked(response.headers()) {
        return Err(Problem::BadGateway);
    }
    headers::strip_hop_by_hop(response.headers_mut());
    // The backend's version is for the backend's connection.
    *response.version_mut() = Version::HTTP_11;
    Ok(response.map(Either::Left))
}

fn failed(error: &legacy::Error) -> Problem {
    tracing::warn!(error = error as &dyn Error, "no answer of a backend");
    if timed_out(error) { Problem::GatewayTimeout } else { Problem::BadGateway }
}

fn timed_out(error: &legacy::Error) -> bool {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    let is_timeout = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
    causes.filter_map(|error| error.downcast_ref()).any(is_timeout)
}
